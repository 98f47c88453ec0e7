import "reflect-metadata";
import { webcrypto } from "node:crypto";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import * as x509 from "@peculiar/x509";

x509.cryptoProvider.set(webcrypto as never);

const ALGORITHM = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" };
const DAY_MS = 86_400_000;

/** A certificate with its key, in PEM. */
export interface Identity {
  readonly cert: string;
  readonly key: string;
}

/** An authority for tests, which makes certificates of a few days. */
export class TestAuthority {
  readonly #certificate: x509.X509Certificate;
  readonly #keys: webcrypto.CryptoKeyPair;

  private constructor(certificate: x509.X509Certificate, keys: webcrypto.CryptoKeyPair) {
    this.#certificate = certificate;
    this.#keys = keys;
  }

  static async create(name = "test authority"): Promise<TestAuthority> {
    const keys = await newKeys();
    const certificate = await x509.X509CertificateGenerator.createSelfSigned({
      name: `CN=${name}`,
      keys,
      signingAlgorithm: ALGORITHM,
      notBefore: new Date(Date.now() - DAY_MS),
      notAfter: new Date(Date.now() + 10 * DAY_MS),
      extensions: [new x509.BasicConstraintsExtension(true, undefined, true)],
    });
    return new TestAuthority(certificate, keys);
  }

  get pem(): string {
    return this.#certificate.toString("pem");
  }

  /** The list of what it has revoked, in PEM. */
  async revoked(identities: readonly Identity[], { late = false } = {}): Promise<string> {
    const list = await x509.X509CrlGenerator.create({
      issuer: this.#certificate.subject,
      thisUpdate: new Date(Date.now() - 2 * DAY_MS),
      nextUpdate: new Date(Date.now() + (late ? -DAY_MS : DAY_MS)),
      signingAlgorithm: ALGORITHM,
      signingKey: this.#keys.privateKey,
      entries: identities.map(({ cert }) => ({
        serialNumber: new x509.X509Certificate(cert).serialNumber,
        revocationDate: new Date(Date.now() - DAY_MS),
      })),
    });
    return x509.PemConverter.encode(list.rawData, "X509 CRL");
  }

  /** A certificate for these names: `dns:localhost`, `ip:127.0.0.1`, `url:spiffe://...`, `email:...`. */
  async issue(names: readonly string[], { expired = false } = {}): Promise<Identity> {
    const keys = await newKeys();
    const altNames = names.map((name) => {
      const at = name.indexOf(":");
      return { type: name.slice(0, at) as x509.GeneralNameType, value: name.slice(at + 1) };
    });
    const certificate = await x509.X509CertificateGenerator.create({
      subject: "CN=not looked at",
      issuer: this.#certificate.subject,
      publicKey: keys.publicKey,
      signingKey: this.#keys.privateKey,
      signingAlgorithm: ALGORITHM,
      notBefore: new Date(Date.now() - 5 * DAY_MS),
      notAfter: new Date(Date.now() + (expired ? -DAY_MS : 5 * DAY_MS)),
      extensions: [new x509.SubjectAlternativeNameExtension(altNames)],
    });
    const key = await webcrypto.subtle.exportKey("pkcs8", keys.privateKey);
    return { cert: certificate.toString("pem"), key: x509.PemConverter.encode(key, "PRIVATE KEY") };
  }
}

/** Writes a server's three files. @returns their settings */
export function tlsFiles(directory: string, { cert, key }: Identity, ca?: string) {
  const paths = { certificateFile: join(directory, "tls.crt"), keyFile: join(directory, "tls.key") };
  writeFileSync(paths.certificateFile, cert);
  writeFileSync(paths.keyFile, key);
  if (ca === undefined) return paths;
  const clientCaFile = join(directory, "ca.crt");
  writeFileSync(clientCaFile, ca);
  return { ...paths, clientCaFile };
}

function newKeys(): Promise<webcrypto.CryptoKeyPair> {
  return webcrypto.subtle.generateKey(ALGORITHM, true, ["sign", "verify"]) as Promise<webcrypto.CryptoKeyPair>;
}
