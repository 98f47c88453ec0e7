import { type AccessList, type CertificateEntry, NOBODY, type TokenEntry } from "./access-file.ts";
import type { Caller } from "./caller.ts";
import { isTokenOf, tokenId } from "./tokens.ts";

// Finds out who a caller is, by token or certificate. It does not decide what a caller may do.

/** What a caller shows. */
export interface Credentials {
  /** The header of that name. */
  readonly authorization: string | undefined;
  /** Session of a browser that signed in, where a request belongs to one. */
  readonly sessionId: string | undefined;
  /** Alternative names of the client's certificate, where the client authorities vouch for it. */
  certificateNames(): readonly string[];
}

/** Makes callers of bearer tokens that are none of ours, such as signed ones. */
export type TokenVerifier = (token: string) => Promise<Caller | undefined>;

/** Knows who may call: tokens and certificates of the file, which may change at any time, and what other verifiers know. */
export class Authenticator {
  readonly #verifiers: readonly TokenVerifier[];
  readonly #now: () => number;
  #tokens: ReadonlyMap<string, TokenEntry> = new Map();
  #certificates: ReadonlyMap<string, CertificateEntry> = new Map();

  constructor(list: AccessList = NOBODY, verifiers: readonly TokenVerifier[] = [], now: () => number = Date.now) {
    this.#verifiers = verifiers;
    this.#now = now;
    this.use(list);
  }

  /** Replaces who is known, from this moment on. */
  use({ tokens, certificates }: AccessList): void {
    this.#tokens = new Map(tokens.map((token) => [token.id, token]));
    this.#certificates = new Map(certificates.map((certificate) => [certificate.name, certificate]));
  }

  /**
   * Who shows these credentials. A bearer token decides alone; a certificate counts where there is none.
   *
   * @returns undefined for an unknown caller: without a credential, or with a wrong, unknown, revoked or expired one
   */
  authenticate({ authorization, certificateNames }: Credentials): Caller | undefined | Promise<Caller | undefined> {
    if (authorization === undefined) return this.#byCertificate(certificateNames());
    const [, token] = /^Bearer +([\x21-\x7e]{1,8192})$/i.exec(authorization) ?? [];
    return token === undefined ? undefined : this.byToken(token);
  }

  /** Who has this bearer token. @returns as `authenticate` */
  byToken(token: string): Caller | undefined | Promise<Caller | undefined> {
    const id = tokenId(token);
    return id === undefined && this.#verifiers.length > 0 ? this.#verified(token) : this.#byHash(token, id);
  }

  #byHash(token: string, id: string | undefined): Caller | undefined {
    const entry = id === undefined ? undefined : this.#tokens.get(id);
    if (!isTokenOf(token, entry?.sha256) || entry === undefined || !this.#holds(entry)) return undefined;
    const { name, scopes, models, limits, sha256 } = entry;
    return {
      name: `token ${name} (${entry.id})`,
      scopes,
      models,
      ...(limits === undefined ? {} : { limits }),
      valid: () => {
        const now = this.#tokens.get(entry.id);
        return now !== undefined && now.sha256 === sha256 && this.#holds(now);
      },
    };
  }

  async #verified(token: string): Promise<Caller | undefined> {
    for (const verify of this.#verifiers) {
      const caller = await verify(token);
      if (caller !== undefined) return caller;
    }
    return undefined;
  }

  #byCertificate(names: readonly string[]): Caller | undefined {
    const name = names.find((candidate) => this.#certificates.has(candidate));
    const entry = name === undefined ? undefined : this.#certificates.get(name);
    if (entry === undefined) return undefined;
    const { name: _, ...grant } = entry;
    return { name: `certificate ${entry.name}`, ...grant, valid: () => this.#certificates.has(entry.name) };
  }

  #holds({ expires }: TokenEntry): boolean {
    return expires === undefined || this.#now() < expires;
  }
}
