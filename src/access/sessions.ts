import { createHash, randomBytes } from "node:crypto";
import type { Caller } from "./caller.ts";

/** A browser that somebody signed in from. */
interface Session {
  readonly caller: Caller;
  readonly expires: number;
}

/** Sessions at a time; a further one ends the oldest. */
const MOST_SESSIONS = 1000;

/**
 * Browsers that a token was shown from: each has a random id in a cookie in place of the token, for a short time. Kept in memory
 * by the hash of the id; they end with their token, with the time, and with the process.
 */
export class Sessions {
  readonly #lifeMs: number;
  readonly #now: () => number;
  readonly #sessions = new Map<string, Session>();

  /** @param now  milliseconds on a clock that never goes back, so that no session outlives its time */
  constructor(lifeMs: number, now: () => number = () => performance.now()) {
    this.#lifeMs = lifeMs;
    this.#now = now;
  }

  /** Begins a session. @returns its id, which only the browser keeps */
  begin(caller: Caller): string {
    const now = this.#now();
    for (const [key, { expires }] of this.#sessions) {
      if (expires > now && this.#sessions.size < MOST_SESSIONS) break; // the oldest come first
      this.#sessions.delete(key);
    }
    const id = randomBytes(32).toString("base64url");
    this.#sessions.set(keyOf(id), { caller, expires: now + this.#lifeMs });
    return id;
  }

  /** Who signed in; undefined for an unknown session, one that is over, or one whose token no longer holds. */
  find(id: string): Caller | undefined {
    const key = keyOf(id);
    const session = this.#sessions.get(key);
    if (session === undefined) return undefined;
    const { caller } = session;
    const valid = () => this.#sessions.get(key) === session && this.#now() < session.expires && caller.valid();
    if (valid()) return { ...caller, name: `${caller.name} in the console`, valid };
    this.#sessions.delete(key);
    return undefined;
  }

  end(id: string): void {
    this.#sessions.delete(keyOf(id));
  }
}

function keyOf(id: string): string {
  return createHash("sha256").update(id).digest("hex");
}
