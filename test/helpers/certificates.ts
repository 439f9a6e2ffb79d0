import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

export interface Certificate {
  readonly cert: string;
  readonly key: string;
}

/** Certificates of a server on `localhost` and 127.0.0.1: a valid one, and invalid ones of several kinds. */
export interface Certificates {
  /** The authority that signs all certificates except `selfSigned`. */
  readonly authority: string;
  readonly good: Certificate;
  readonly selfSigned: Certificate;
  readonly expired: Certificate;
  /** A certificate for `other.example`. */
  readonly otherName: Certificate;
}

/** Makes a self-signed certificate that names `localhost` only in its common name. */
export function makeCommonNameOnly(): Certificate {
  const folder = mkdtempSync(join(tmpdir(), "chain-link-certificates-"));
  try {
    const made = Bun.spawnSync(
      [
        "openssl",
        "req",
        "-x509",
        ...KEY,
        "-days",
        "2",
        "-subj",
        "/CN=localhost",
        "-keyout",
        "key",
        "-out",
        "crt",
      ],
      { cwd: folder },
    );
    if (made.exitCode !== 0) throw new Error(made.stderr.toString());
    return {
      cert: readFileSync(join(folder, "crt"), "utf8"),
      key: readFileSync(join(folder, "key"), "utf8"),
    };
  } finally {
    rmSync(folder, { recursive: true });
  }
}

const KEY = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
const LOCAL = "subjectAltName=DNS:localhost,IP:127.0.0.1";

/** Makes the certificates with `openssl`, which has to be installed. */
export function makeCertificates(): Certificates {
  const folder = mkdtempSync(join(tmpdir(), "chain-link-certificates-"));
  const path = (name: string) => join(folder, name);
  const openssl = (...args: readonly string[]) => {
    const made = Bun.spawnSync(["openssl", ...args], { cwd: folder });
    if (made.exitCode !== 0) throw new Error(made.stderr.toString());
  };
  const read = (name: string): Certificate => ({
    cert: readFileSync(path(`${name}.crt`), "utf8"),
    key: readFileSync(path(`${name}.key`), "utf8"),
  });
  const selfSign = (name: string, commonName: string, ...extensions: readonly string[]) =>
    openssl(
      ...["req", "-x509", ...KEY, "-days", "2", "-subj", `/CN=${commonName}`],
      ...[...extensions, "-keyout", `${name}.key`, "-out", `${name}.crt`],
    );
  const sign = (name: string, subjects: string, days: number) => {
    const request = ["-subj", `/CN=${name}`, "-addext", subjects, "-keyout", `${name}.key`];
    openssl("req", ...KEY, ...request, "-out", `${name}.csr`);
    openssl(
      ...["x509", "-req", "-in", `${name}.csr`, "-CA", "authority.crt", "-CAkey", "authority.key"],
      ...["-CAcreateserial", "-days", String(days), "-copy_extensions", "copy", "-out", `${name}.crt`],
    );
    return read(name);
  };
  try {
    selfSign("authority", "authority");
    selfSign("self", "localhost", "-addext", LOCAL);
    return {
      authority: read("authority").cert,
      good: sign("good", LOCAL, 2),
      selfSigned: read("self"),
      expired: sign("expired", LOCAL, -1),
      otherName: sign("other", "subjectAltName=DNS:other.example", 2),
    };
  } finally {
    rmSync(folder, { recursive: true });
  }
}
