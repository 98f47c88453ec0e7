import { createHash } from "node:crypto";
import {
  createLocalJWKSet,
  createRemoteJWKSet,
  type JSONWebKeySet,
  type JWTPayload,
  type JWTVerifyGetKey,
  jwtVerify,
} from "jose";
import type { TokenVerifier } from "./authenticator.ts";
import type { Caller } from "./caller.ts";
import { ALL_MODELS, isModelPattern, isScope, type Scope } from "./scopes.ts";

// Bearer tokens that an identity provider signed (OpenID Connect, JWT of RFC 7519), checked by its published keys (JWKS).

/** Whose tokens are taken, and for whom they must be. */
export interface SignedTokenOptions {
  readonly issuer: string;
  readonly audience: string;
  /** Milliseconds since 1970. */
  readonly now?: () => number;
  /** Milliseconds since some fixed moment; never set. */
  readonly steadyClock?: () => number;
}

/** Signatures by key pairs only: a token of a shared secret, or of none, is nobody's. */
const ALGORITHMS = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"];
/** How far the clocks of two machines may be apart. */
const CLOCK_TOLERANCE_S = 30;
/** How long a checked token counts without being checked again; a key that was taken away counts no longer than that. */
const CHECKED_MS = 60_000;
/** Checked tokens that are remembered; beyond them the oldest is checked again. */
const MOST_CHECKED = 10_000;
const FETCH_TIMEOUT_MS = 5000;
/** How long published keys count without being fetched again. */
const KEYS_MS = 600_000;

/** Scopes stand in `scope` (words) or `scp` (a list) with this before each, as those of other services may stand there too. */
const SCOPE_PREFIX = "albert:";

/** Checks signed tokens, and remembers for a while which it has checked: a signature costs far more than a hash. */
export class SignedTokens {
  readonly #options: SignedTokenOptions;
  readonly #now: () => number;
  readonly #steadyClock: () => number;
  readonly #checked = new Map<string, { readonly caller: Caller; readonly until: number }>();
  #keys: JWTVerifyGetKey;

  /** @param keys  of the issuer */
  constructor(keys: JWTVerifyGetKey, options: SignedTokenOptions) {
    this.#keys = keys;
    this.#options = options;
    this.#now = options.now ?? Date.now;
    this.#steadyClock = options.steadyClock ?? (() => performance.now());
  }

  /** Other keys from now on; what was checked with the old ones counts no longer. */
  use(keys: JWTVerifyGetKey): void {
    this.#keys = keys;
    this.#checked.clear();
  }

  readonly verify: TokenVerifier = async (token) => {
    const key = createHash("sha256").update(token).digest("base64");
    const known = this.#checked.get(key);
    if (known !== undefined && this.#steadyClock() < known.until && known.caller.valid()) return known.caller;
    this.#checked.delete(key);
    const keys = this.#keys;
    const caller = await this.#check(token, keys);
    if (caller === undefined || keys !== this.#keys) return caller;
    const [oldest] = this.#checked.keys();
    if (this.#checked.size >= MOST_CHECKED && oldest !== undefined) this.#checked.delete(oldest);
    this.#checked.set(key, { caller, until: this.#steadyClock() + CHECKED_MS });
    return caller;
  };

  async #check(token: string, keys: JWTVerifyGetKey): Promise<Caller | undefined> {
    const { issuer, audience } = this.#options;
    try {
      const { payload } = await jwtVerify(token, keys, {
        issuer,
        audience,
        algorithms: ALGORITHMS,
        clockTolerance: CLOCK_TOLERANCE_S,
        requiredClaims: ["exp", "sub"],
        currentDate: new Date(this.#now()),
      });
      return this.#callerOf(payload, keys);
    } catch {
      // Whatever is wrong with it, or with the keys: nobody is told more than that it does not hold.
      return undefined;
    }
  }

  #callerOf(payload: JWTPayload, keys: JWTVerifyGetKey): Caller {
    const { sub = "", exp = 0 } = payload;
    const models = payload["albert_models"];
    const patterns = Array.isArray(models)
      ? models.filter((one) => typeof one === "string" && isModelPattern(one))
      : [];
    return {
      name: `subject ${sub.replace(/[^\x21-\x7e]/g, "?").slice(0, 128)}`,
      scopes: scopesOf(payload),
      models: models === undefined ? [ALL_MODELS] : (patterns as string[]), // only texts passed
      valid: () => keys === this.#keys && this.#now() / 1000 < exp + CLOCK_TOLERANCE_S,
    };
  }
}

function scopesOf({ scope, scp }: JWTPayload): Scope[] {
  const words = [scope, scp].flatMap((claim) =>
    typeof claim === "string" ? claim.split(" ") : Array.isArray(claim) ? claim.map(String) : [],
  );
  return words
    .filter((word) => word.startsWith(SCOPE_PREFIX))
    .map((word) => word.slice(SCOPE_PREFIX.length))
    .filter(isScope);
}

/**
 * Keys that a provider publishes; fetched when they are needed, and again for a key that is not among them, at most every 30 s. Their
 * age is told by a clock that nobody sets: otherwise a clock set back would let a key count for hours that was taken away.
 */
export function publishedKeys(url: string, steadyClock: () => number = () => performance.now()): JWTVerifyGetKey {
  const keys = createRemoteJWKSet(new URL(url), {
    timeoutDuration: FETCH_TIMEOUT_MS,
    cacheMaxAge: Number.POSITIVE_INFINITY,
  });
  let fetched = Number.NEGATIVE_INFINITY;
  return async (header, token) => {
    if (steadyClock() - fetched > KEYS_MS) {
      await keys.reload();
      fetched = steadyClock();
    }
    return keys(header, token);
  };
}

/** Keys of a file. @throws Error when it is no set of keys */
export function keysOf(text: string): JWTVerifyGetKey {
  return createLocalJWKSet(JSON.parse(text) as JSONWebKeySet); // which checks it
}
