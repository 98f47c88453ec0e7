import { hash, randomBytes, timingSafeEqual } from "node:crypto";

// Bearer tokens: `albert_<id>_<secret>`. The id is no secret, it names the token in lists and logs; the secret is 256 random
// bits. What is stored is SHA-256 of the whole token. Slow hashes such as scrypt protect secrets that people choose and that
// can be guessed; 256 random bits cannot be guessed, however fast the hash, and a fast one lets a token be checked on each call,
// so that a revoked or expired one is refused at once.

const FORM = /^albert_([0-9a-f]{12})_[A-Za-z0-9_-]{43}$/;

/** A new token. */
export function newToken(): { readonly id: string; readonly token: string } {
  const id = randomBytes(6).toString("hex");
  return { id, token: `albert_${id}_${randomBytes(32).toString("base64url")}` };
}

/** What is stored of a token: SHA-256 in hexadecimal. */
export function tokenHash(token: string): string {
  return hash("sha256", token);
}

/** The id that a text claims if it has the form of a token; undefined for any other text. */
export function tokenId(text: string): string | undefined {
  return FORM.exec(text)?.[1];
}

/** What a text is compared with that claims an unknown id, so that it takes as long as any other. */
const NOBODY = randomBytes(32).toString("hex");

/** Whether a text is the token of this hash; without a hash it never is, and takes as long. */
export function isTokenOf(text: string, stored: string | undefined): boolean {
  const same = timingSafeEqual(Buffer.from(tokenHash(text)), Buffer.from(stored ?? NOBODY));
  return same && stored !== undefined;
}
