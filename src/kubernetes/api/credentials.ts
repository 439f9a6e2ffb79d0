/** Of a connection: whom we trust, and who we are. */
export interface ClientTls {
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
  readonly rejectUnauthorized?: boolean;
  readonly serverName?: string;
}

/** Who we are to an API server. */
export interface Credentials {
  headers(): Promise<Readonly<Record<string, string>>>;
  /** What was true is no longer: gets new ones, or says that there are none. */
  renew(): Promise<boolean>;
  /** TLS with our own certificate, if we have one. The same object until that changes: connections are kept by it. */
  joinTls(tls: ClientTls): ClientTls;
  /** Why they may be refused, as far as they say it themselves. */
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
  /** How long a program or a server is waited for that is to say who we are. @default one minute; five where a person may be asked */
  readonly timeoutMs?: number | undefined;
  /** What a plugin is told of the cluster, if it asks. */
  readonly clusterInfo: Readonly<Record<string, unknown>>;
}
