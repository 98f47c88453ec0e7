import { createPrivateKey, X509Certificate } from "node:crypto";
import { createSecureContext, type SecureContextOptions } from "node:tls";
import type { TlsConfig } from "../../config/settings.ts";
import { AlbertError } from "../../errors.ts";
import { WatchedFiles } from "../../platform/watched-files.ts";
import type { ServerLog } from "../log.ts";

// The one set of certificates with which all listeners speak TLS, as it is now.

/**
 * TLS 1.3, and of TLS 1.2 only what has forward secrecy and authenticated encryption (the "intermediate" profile of Mozilla's
 * server-side TLS guidelines 5.7, without DHE).
 */
const CIPHERS = [
  "TLS_AES_128_GCM_SHA256",
  "TLS_AES_256_GCM_SHA384",
  "TLS_CHACHA20_POLY1305_SHA256",
  "ECDHE-ECDSA-AES128-GCM-SHA256",
  "ECDHE-RSA-AES128-GCM-SHA256",
  "ECDHE-ECDSA-AES256-GCM-SHA384",
  "ECDHE-RSA-AES256-GCM-SHA384",
  "ECDHE-ECDSA-CHACHA20-POLY1305",
  "ECDHE-RSA-CHACHA20-POLY1305",
].join(":");

/** Connections that do not finish their handshake in this time are cut. */
export const HANDSHAKE_TIMEOUT_MS = 10_000;

/** How often files are looked at, unless a test is in a hurry. */
const INTERVAL_MS = 2000;

/** Which certificates a listener asks its clients for. */
export type ClientCertificates = "none" | "optional" | "required";

/**
 * The server's certificate, key and, where clients have certificates, the authorities that vouch for them and what these have
 * revoked: one set for all
 * listeners, read again when the files change. New connections then get the new set; those that are open stay as they are.
 */
export class Certificates {
  readonly clients: ClientCertificates;
  readonly #listeners = new Set<(context: SecureContextOptions) => void>();
  #context: SecureContextOptions = {};
  #files: WatchedFiles | undefined;

  private constructor(clients: ClientCertificates) {
    this.clients = clients;
  }

  /** @throws AlbertError precondition (TLS_UNUSABLE) for files that cannot be read or do not belong together */
  static async open(config: TlsConfig, log: ServerLog, intervalMs = INTERVAL_MS): Promise<Certificates> {
    const { certificateFile, keyFile, clientCaFile, revocationListFile } = config;
    const certificates = new Certificates(clientCaFile === "" ? "none" : config.clientCertificates);
    // Lists of revocation are nothing without authorities.
    const paths = [certificateFile, keyFile, clientCaFile, revocationListFile].filter((path) => path !== "");
    try {
      certificates.#files = await WatchedFiles.open(paths, {
        intervalMs,
        onChange: ([cert, key, ca, crl]) => certificates.#use(contextOf(cert!, key!, ca, crl), log),
        onError: (error) =>
          log.error({ err: error }, "the TLS files changed and cannot be used: the certificates from before stay"),
      });
    } catch (cause) {
      const { message } = cause as Error;
      throw new AlbertError("precondition", `TLS cannot be used: ${message}: check the files of tls.*`, {
        reason: "TLS_UNUSABLE",
        cause,
      });
    }
    return certificates;
  }

  /** What new connections are made with now. */
  get context(): SecureContextOptions {
    return this.#context;
  }

  /** Hears of each later context until the returned function is called. */
  onChange(listener: (context: SecureContextOptions) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Looks at the files now instead of at the next interval. */
  async check(): Promise<void> {
    await this.#files?.check();
  }

  close(): void {
    this.#files?.close();
  }

  #use(context: SecureContextOptions, log: ServerLog): void {
    const first = this.#context.cert === undefined;
    this.#context = context;
    for (const listener of this.#listeners) listener(context);
    const { subject, validTo } = new X509Certificate(context.cert as Buffer);
    const facts = { subject: subject?.replaceAll("\n", ", "), valid_to: validTo };
    if (Date.parse(validTo) < Date.now()) log.error(facts, "the TLS certificate has expired: clients will refuse it");
    else if (!first) log.info(facts, "the TLS certificates were read again");
  }
}

/** @throws Error that says which file is at fault */
function contextOf(cert: Buffer, key: Buffer, ca: Buffer | undefined, crl: Buffer | undefined): SecureContextOptions {
  const leaf = parsed("tls.certificate_file", "certificate", () => new X509Certificate(cert));
  const secret = parsed("tls.key_file", "private key", () => createPrivateKey(key));
  if (!leaf.checkPrivateKey(secret)) throw new Error("the key of tls.key_file is not that of tls.certificate_file");
  if (ca !== undefined) parsed("tls.client_ca_file", "certificate", () => new X509Certificate(ca));
  if (crl !== undefined) {
    parsed("tls.revocation_list_file", "list of revoked certificates", () => createSecureContext({ crl }));
  }
  const context: SecureContextOptions = {
    cert,
    key,
    ...(ca === undefined ? {} : { ca }),
    ...(crl === undefined ? {} : { crl }),
    minVersion: "TLSv1.2",
    ciphers: CIPHERS,
    honorCipherOrder: true,
  };
  createSecureContext(context);
  return context;
}

function parsed<T>(setting: string, what: string, parse: () => T): T {
  try {
    return parse();
  } catch {
    // OpenSSL's own words may quote what it read.
    throw new Error(`${setting} holds no ${what} in PEM`);
  }
}
