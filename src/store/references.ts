import { randomUUID } from "node:crypto";
import { decodeRecord, encodeRecord } from "../model/formats/records.ts";
import { checkName } from "./names.ts";
import { bytesBody, type ObjectStore } from "./objects/object-store.ts";
import { CLOCK_SKEW_MS, type StoreClock, type WriteLeases } from "./write-leases.ts";

// What servers need of a shared store: references that its garbage collection respects until they expire.

/** What garbage collection starts from: versions and datasets that must stay, though no alias names them. */
export interface GcRoots {
  /** Versions as `model@number`. */
  readonly versions: readonly string[];
  /** Digests of datasets. */
  readonly datasets: readonly string[];
}

/** The gc roots of one holder, until they expire. */
export interface Reference extends GcRoots {
  readonly holder: string;
  /** A description of the holder, for people. */
  readonly description: string;
  /** Milliseconds since 1970. */
  readonly expiresAt: number;
}

/** Where references lie in a store; released stores have them under this name. */
const PREFIX = "holds/";

/**
 * What the servers that share a store need of it: `holds/<holder>/<random>.json`, of which the newest counts. Garbage collection
 * leaves alone what a reference names. A reference expires, so that a server that never comes back keeps nothing forever; a
 * server that lives renews its own long before.
 */
export class References {
  readonly #objects: ObjectStore;
  readonly #leases: WriteLeases;
  readonly #clock: StoreClock;

  constructor(objects: ObjectStore, leases: WriteLeases, clock: StoreClock) {
    this.#objects = objects;
    this.#leases = leases;
    this.#clock = clock;
  }

  /**
   * Registers what a holder needs from now on, in place of what it needed before. A version that was removed before this
   * returns is gone.
   *
   * @param forMs  how long the reference counts
   * @throws AlbertError unavailable (STORE_COLLECTING) when a collection does not end in time
   */
  async set(holder: string, description: string, { versions, datasets }: GcRoots, forMs: number): Promise<void> {
    checkName("holder", holder);
    const reference: Reference = { holder, description, versions, datasets, expiresAt: this.#clock.now() + forMs };
    // A collection either sees the lease, or has begun before it and is waited for, or comes later and sees the reference.
    await this.#leases.write({ versions }, async () => {
      const before = await this.#keys(holder);
      await this.#objects.putIfAbsent(`${PREFIX}${holder}/${randomUUID()}.json`, bytesBody(encodeRecord(reference)));
      for (const key of before) await this.#objects.delete(key);
    });
  }

  /** Removes the references of a holder. */
  async release(holder: string): Promise<void> {
    checkName("holder", holder);
    for (const key of await this.#keys(holder)) await this.#objects.delete(key);
  }

  /**
   * Every reference that has not expired; both of a holder that was killed while it renewed its own.
   *
   * @throws AlbertError corrupt (RECORD_CORRUPT) when one is damaged: nobody knows then what must stay
   */
  async list(): Promise<Reference[]> {
    const references: Reference[] = [];
    for await (const { reference } of this.#all()) if (!this.#isExpired(reference)) references.push(reference);
    return references;
  }

  /** Removes what has expired. Only for the garbage collection. */
  async sweep(): Promise<void> {
    for await (const { key, reference } of this.#all()) if (this.#isExpired(reference)) await this.#objects.delete(key);
  }

  #isExpired({ expiresAt }: Reference): boolean {
    return expiresAt + CLOCK_SKEW_MS < this.#clock.now();
  }

  async *#all(): AsyncIterable<{ readonly key: string; readonly reference: Reference }> {
    for await (const { key } of this.#objects.list(PREFIX)) {
      const bytes = await this.#objects.get(key);
      if (bytes === undefined) continue;
      yield { key, reference: decodeRecord<Reference>(bytes, `the reference ${key}`) };
    }
  }

  async #keys(holder: string): Promise<string[]> {
    const keys: string[] = [];
    for await (const { key } of this.#objects.list(`${PREFIX}${holder}/`)) keys.push(key);
    return keys;
  }
}
