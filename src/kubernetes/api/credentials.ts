/** TLS of a connection: whom we trust, and who we are. */
export interface ClientTls {
  readonly ca?: string | readonly string[];
  readonly cert?: string;
  readonly key?: string;
  readonly rejectUnauthorized?: boolean;
  /** A certificate that is trusted needs no authority above it: as in Go, a server's own certificate may be its CA. */
  readonly allowPartialTrustChain?: boolean;
  readonly serverName?: string;
}

/** Headers of a request; a name with several values is sent several times. */
export type IdentityHeaders = Readonly<Record<string, string | readonly string[]>>;

/** Who we are to an API server. */
export interface Credentials {
  headers(): Promise<Readonly<Record<string, string>>>;
  /** Replaces credentials that the server no longer accepts; false when there are no others. */
  renew(): Promise<boolean>;
  /** Adds our own certificate, if any. Returns the same object until that changes, as connections are pooled by it. */
  joinTls(tls: ClientTls): ClientTls;
  /** Why the server may refuse them, as far as they tell. */
  findTrouble(): string | null;
}

export interface CredentialContext {
  readonly userName: string;
  /** The text of the file that the user's entry names under a key. */
  readonly file: (key: string) => string | null;
  /** The kubeconfig that names the user, and its folder. */
  readonly path: string;
  readonly folder: string;
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** How long to wait for a credential plugin or an identity provider. @default one minute; five where a person may be asked */
  readonly timeoutMs?: number | undefined;
  /** Description of the cluster for plugins that ask for it. */
  readonly clusterInfo: Readonly<Record<string, unknown>>;
}
