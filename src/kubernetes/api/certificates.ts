import { createPrivateKey, X509Certificate } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { checkServerIdentity, getCACertificates, type PeerCertificate } from "node:tls";
import { errorText } from "../../lib/errors.ts";

const BLOCKS = /-----BEGIN (?:TRUSTED )?CERTIFICATE-----[^-]+-----END (?:TRUSTED )?CERTIFICATE-----/g;

/** Returns the readable certificates of a PEM text. Ignores everything else in it, as kubectl does. */
export function readCertificates(pem: string): string[] {
  return (pem.match(BLOCKS) ?? []).filter((block) => {
    try {
      return new X509Certificate(block) !== null;
    } catch {
      return false;
    }
  });
}

/** Returns why a client certificate and key cannot be used together, or `null`. */
export function findKeyPairProblem(certificatePem: string, keyPem: string): string | null {
  const [certificate] = readCertificates(certificatePem);
  if (certificate === undefined) return "the client certificate is not a PEM certificate";
  try {
    const key = createPrivateKey(keyPem);
    return new X509Certificate(certificate).checkPrivateKey(key)
      ? null
      : "the client key does not belong to the client certificate";
  } catch (error) {
    return `the client key cannot be used: ${errorText(error)}`;
  }
}

type Environment = Readonly<Record<string, string | undefined>>;

/**
 * Returns the system's certificate authorities, for a kubeconfig that names none. `SSL_CERT_FILE` and `SSL_CERT_DIR` replace
 * them, as in Go: https://pkg.go.dev/crypto/x509#SystemCertPool
 */
export function readSystemAuthorities({ SSL_CERT_FILE, SSL_CERT_DIR }: Environment): string[] {
  if (!SSL_CERT_FILE && !SSL_CERT_DIR) return getCACertificates("system");
  const bundle = (SSL_CERT_FILE ? [SSL_CERT_FILE] : BUNDLES)
    .map((file) => attempt(() => readCertificates(readFileSync(file, "utf8"))))
    .find((found) => found.length > 0);
  const inFolders = (SSL_CERT_DIR ? SSL_CERT_DIR.split(":") : FOLDERS)
    .flatMap((folder) => attempt(() => readdirSync(folder)).map((name) => join(folder, name)))
    .flatMap((file) => attempt(() => readCertificates(readFileSync(file, "utf8"))));
  return [...new Set([...(bundle ?? []), ...inFolders])];
}

// From Go's crypto/x509/root_linux.go.
const BUNDLES = [
  "/etc/ssl/certs/ca-certificates.crt",
  "/etc/pki/tls/certs/ca-bundle.crt",
  "/etc/ssl/ca-bundle.pem",
  "/etc/pki/tls/cacert.pem",
  "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
  "/etc/ssl/cert.pem",
];
const FOLDERS = ["/etc/ssl/certs", "/etc/pki/tls/certs"];

/** Treats an unreadable file as one without certificates. */
function attempt(read: () => string[]): string[] {
  try {
    return read();
  } catch {
    return [];
  }
}

/** Node's check without the fallback to the common name, which Go has removed. */
export function checkServerName(name: string, certificate: PeerCertificate): Error | undefined {
  if (certificate.subjectaltname !== undefined) return checkServerIdentity(name, certificate);
  const problem = `the certificate names ${JSON.stringify(certificate.subject?.CN ?? "")} as its common name only; it needs a subject alternative name (SAN) for ${name}`;
  return Object.assign(new Error(problem), { code: "ERR_TLS_CERT_COMMON_NAME_ONLY" });
}
