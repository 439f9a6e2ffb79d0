/** TLS settings of a connection: trusted authorities and our own certificate. */
export interface ClientTls {
  readonly ca?: string | readonly string[];
  readonly cert?: string;
  readonly key?: string;
  readonly rejectUnauthorized?: boolean;
  /** A trusted certificate needs no authority above it: as in Go, a server's own certificate may be its CA. */
  readonly allowPartialTrustChain?: boolean;
  readonly serverName?: string;
}

/** Request headers. A name with several values is sent several times. */
export type IdentityHeaders = Readonly<Record<string, string | readonly string[]>>;

/** Authenticates requests to an API server. */
export interface Credentials {
  headers(): Promise<Readonly<Record<string, string>>>;
  /** Renews credentials that the server no longer accepts. Returns false when there are no others. */
  renew(): Promise<boolean>;
  /** Adds the client certificate, if any. Returns the same object until it changes, because connections are pooled by it. */
  joinTls(tls: ClientTls): ClientTls;
  /** Why the server may refuse the credentials, for example because they have expired. */
  findTrouble(): string | null;
}

export interface CredentialContext {
  readonly userName: string;
  /** Returns the content of the file that the user's entry names under a key. */
  readonly file: (key: string) => string | null;
  /** The kubeconfig that defines the user, and its folder. */
  readonly path: string;
  readonly folder: string;
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** How long to wait for a credential plugin or identity provider. @default one minute; five where a person may be prompted */
  readonly timeoutMs?: number | undefined;
  /** Cluster description for plugins that request it. */
  readonly clusterInfo: Readonly<Record<string, unknown>>;
}
