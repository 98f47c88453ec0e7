import { randomUUID } from "node:crypto";
import { checkName } from "./names.ts";
import { bytesBody, type ObjectStore } from "./objects/object-store.ts";
import { CLOCK_SKEW_MS, type StoreClock, type WriteLeases } from "./write-leases.ts";

/** What a server needs of a store, though nothing in the store says so. */
export interface Needs {
  /** Versions as `model@number`. */
  readonly versions: readonly string[];
  /** Digests of datasets. */
  readonly datasets: readonly string[];
}

/** What somebody needs, until it expires. */
export interface Hold extends Needs {
  readonly holder: string;
  /** Who that is, for people. */
  readonly description: string;
  /** Milliseconds since 1970. */
  readonly expiresAt: number;
}

const HOLDS = "holds/";

/**
 * What the servers that share a store need of it: `holds/<holder>/<random>.json`, of which the newest counts. Retention leaves
 * alone what anybody holds. A hold expires, so that a server that never comes back holds nothing for ever; one that lives renews
 * what it holds long before.
 */
export class Holds {
  readonly #objects: ObjectStore;
  readonly #leases: WriteLeases;
  readonly #clock: StoreClock;

  constructor(objects: ObjectStore, leases: WriteLeases, clock: StoreClock) {
    this.#objects = objects;
    this.#leases = leases;
    this.#clock = clock;
  }

  /**
   * Says what a holder needs from now on, in place of what it said before. A version that was removed before this returns is gone.
   *
   * @param forMs  how long that counts
   * @throws AlbertError unavailable (STORE_COLLECTING) when a collection does not end in time
   */
  async set(holder: string, description: string, { versions, datasets }: Needs, forMs: number): Promise<void> {
    checkName("holder", holder);
    const hold: Hold = { holder, description, versions, datasets, expiresAt: this.#clock.now() + forMs };
    // A collection either sees the lease, or has begun before it and is waited for, or comes later and sees the hold.
    await this.#leases.write({ versions }, async () => {
      const before = await this.#keys(holder);
      await this.#objects.putIfAbsent(`${HOLDS}${holder}/${randomUUID()}.json`, bytesBody(jsonBytes(hold)));
      for (const key of before) await this.#objects.delete(key);
    });
  }

  /** Lets everything go that a holder needs. */
  async release(holder: string): Promise<void> {
    checkName("holder", holder);
    for (const key of await this.#keys(holder)) await this.#objects.delete(key);
  }

  /** Every hold that has not expired; of a holder that was killed while it renewed its hold, both. */
  async list(): Promise<Hold[]> {
    const holds: Hold[] = [];
    for await (const { hold } of this.#all()) if (!this.#isExpired(hold)) holds.push(hold);
    return holds;
  }

  /** Removes what has expired. Only for the garbage collection. */
  async sweep(): Promise<void> {
    for await (const { key, hold } of this.#all()) if (this.#isExpired(hold)) await this.#objects.delete(key);
  }

  #isExpired({ expiresAt }: Hold): boolean {
    return expiresAt + CLOCK_SKEW_MS < this.#clock.now();
  }

  async *#all(): AsyncIterable<{ readonly key: string; readonly hold: Hold }> {
    for await (const { key } of this.#objects.list(HOLDS)) {
      const bytes = await this.#objects.get(key);
      if (bytes === undefined) continue;
      yield { key, hold: JSON.parse(Buffer.from(bytes).toString()) as Hold }; // objects are whole, and this class wrote it
    }
  }

  async #keys(holder: string): Promise<string[]> {
    const keys: string[] = [];
    for await (const { key } of this.#objects.list(`${HOLDS}${holder}/`)) keys.push(key);
    return keys;
  }
}

function jsonBytes(value: unknown): Uint8Array {
  return Buffer.from(JSON.stringify(value));
}
