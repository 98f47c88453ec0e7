import { randomUUID } from "node:crypto";
import { AlbertError, invariant } from "../errors.ts";
import { decodeRecord, encodeRecord, isDamagedRecord } from "../model/formats/records.ts";
import { bytesBody, type ObjectStore } from "./objects/object-store.ts";

// Leases that keep the garbage collection from removing what a writer is about to refer to.

/** What a writer is about to refer to, so that garbage collection leaves it alone. */
export interface LeaseClaims {
  /** sha256 of blobs. */
  readonly blobs?: readonly string[];
  /** Versions as `model@number`. */
  readonly versions?: readonly string[];
}

/** Times and waiting; tests bring their own. */
export interface StoreClock {
  /** Milliseconds since 1970. */
  now(): number;
  /** Resolves after `ms`, or earlier when the signal aborts. */
  wait(ms: number, signal?: AbortSignal): Promise<void>;
}

interface Lease extends Required<LeaseClaims> {
  readonly id: string;
  readonly expiresAt: number;
}

/** Says that a collection runs, and until when it counts as alive. */
interface Marker {
  readonly id: string;
  readonly until: number;
}

const LEASES = "leases/";
const MARKER = "collecting";
/** A writer that takes longer has been killed, or must begin again. */
const LEASE_MS = 3_600_000;
/** A collection shows that it lives by moving its end forward. */
const MARKER_MS = 60_000;
/** How far the clocks of two machines may disagree. */
export const CLOCK_SKEW_MS = 60_000;
const WAIT_FOR_COLLECTION_MS = 30_000;
const FIRST_POLL_MS = 50;

/**
 * Keeps writers and the garbage collection from stepping on each other without a lock that a killed process could hold.
 *
 * A writer first stores a lease that names what it will refer to, and then looks whether a collection runs; a collection
 * first sets its marker, and then reads the leases. Whichever comes second sees the other: the writer waits, or the
 * collection spares what the lease claims. Leases and marker expire, so what a killed process left is cleaned later.
 */
export class WriteLeases {
  readonly #objects: ObjectStore;
  readonly #clock: StoreClock;

  constructor(objects: ObjectStore, clock: StoreClock) {
    this.#objects = objects;
    this.#clock = clock;
  }

  /**
   * Runs a writer under a lease.
   *
   * @param write  gets a check that it must make right before the write that makes everything visible
   * @throws AlbertError unavailable (STORE_COLLECTING) when a collection does not end in time
   */
  async write<T>(claims: LeaseClaims, write: (stillHeld: () => void) => Promise<T>): Promise<T> {
    const { key, expiresAt } = await this.#acquire(claims);
    try {
      return await write(() => {
        const leftMs = expiresAt - this.#clock.now();
        // A clock that went back does not tell how long the write took.
        if (leftMs > CLOCK_SKEW_MS && leftMs <= LEASE_MS + CLOCK_SKEW_MS) return;
        throw new AlbertError("unavailable", "the write took longer than its lease; begin again", {
          reason: "STORE_LEASE_EXPIRED",
          retryAfterMs: 0,
        });
      });
    } finally {
      await this.#objects.delete(key).catch(() => {}); // it expires; the write's own outcome is what counts
    }
  }

  async #acquire(claims: LeaseClaims): Promise<{ key: string; expiresAt: number }> {
    const giveUpAt = this.#clock.now() + WAIT_FOR_COLLECTION_MS;
    for (let pollMs = FIRST_POLL_MS; ; pollMs *= 2) {
      const id = randomUUID();
      const expiresAt = this.#clock.now() + LEASE_MS;
      const lease: Lease = { id, expiresAt, blobs: claims.blobs ?? [], versions: claims.versions ?? [] };
      const key = `${LEASES}${id}.json`;
      invariant(await this.#objects.putIfAbsent(key, bytesBody(encodeRecord(lease))), "a random name was taken");
      if (!(await this.#isCollecting())) return { key, expiresAt };
      await this.#objects.delete(key);
      if (this.#clock.now() >= giveUpAt) {
        throw new AlbertError("unavailable", "the store is collecting garbage", {
          reason: "STORE_COLLECTING",
          retryAfterMs: MARKER_MS,
        });
      }
      await this.#clock.wait(pollMs);
    }
  }

  async #isCollecting(): Promise<boolean> {
    return this.#isCurrent(await this.#readMarker());
  }

  #isCurrent(marker: { readonly until: number } | undefined): boolean {
    const leftMs = marker === undefined ? Number.NEGATIVE_INFINITY : marker.until - this.#clock.now();
    return leftMs > -CLOCK_SKEW_MS && leftMs <= MARKER_MS + CLOCK_SKEW_MS;
  }

  /**
   * Runs a garbage collection: alone, and with what present writers claim.
   *
   * @param collect  must call `alive` before each deletion; it throws when another process has taken over
   * @throws AlbertError unavailable (STORE_COLLECTING) when one runs already
   */
  async collect<T>(
    collect: (
      claims: { readonly blobs: Set<string>; readonly versions: Set<string> },
      alive: () => Promise<void>,
    ) => Promise<T>,
  ): Promise<T> {
    const id = randomUUID();
    const running = await this.#readMarker();
    if (this.#isCurrent(running)) throw alreadyCollecting();
    let { tag, until } = await this.#mark(id, running?.tag);
    const alive = async () => {
      const leftMs = until - this.#clock.now();
      if (leftMs > MARKER_MS / 2 && leftMs <= MARKER_MS) return;
      ({ tag, until } = await this.#mark(id, tag));
    };
    try {
      return await collect(await this.#claims(), alive);
    } finally {
      await this.#objects.writeRegister(MARKER, encodeRecord({ id, until: 0 }), tag).catch(() => false); // it expires
    }
  }

  async #mark(id: string, tag: string | undefined): Promise<{ tag: string; until: number }> {
    const until = this.#clock.now() + MARKER_MS;
    if (!(await this.#objects.writeRegister(MARKER, encodeRecord({ id, until }), tag))) throw alreadyCollecting();
    const written = await this.#readMarker();
    if (written?.id !== id) throw alreadyCollecting();
    return { tag: written.tag, until };
  }

  /** Everything that unexpired leases claim; expired ones are removed. */
  async #claims(): Promise<{ blobs: Set<string>; versions: Set<string> }> {
    const claims = { blobs: new Set<string>(), versions: new Set<string>() };
    for await (const { key } of this.#objects.list(LEASES)) {
      const bytes = await this.#objects.get(key);
      if (bytes === undefined) continue;
      const lease = decodeRecord<Lease>(bytes, `the lease ${key}`); // nobody knows what a damaged one claims
      if (lease.expiresAt + CLOCK_SKEW_MS < this.#clock.now()) {
        await this.#objects.delete(key);
        continue;
      }
      for (const blob of lease.blobs) claims.blobs.add(blob);
      for (const version of lease.versions) claims.versions.add(version);
    }
    return claims;
  }

  /** Whether the marker is damaged. @param repair  replaces it, as the next writer or collection would */
  async isMarkerDamaged(repair: boolean): Promise<boolean> {
    const register = await this.#objects.readRegister(MARKER);
    if (register === undefined || parseMarker(register.bytes) !== undefined) return false;
    if (repair) await this.#readMarker();
    return true;
  }

  /** A damaged marker is replaced by one of a collection that begins now, and ends unless it shows that it lives. */
  async #readMarker(): Promise<{ id: string; until: number; tag: string } | undefined> {
    for (;;) {
      const register = await this.#objects.readRegister(MARKER);
      if (register === undefined) return undefined;
      const marker = parseMarker(register.bytes);
      if (marker !== undefined) return { ...marker, tag: register.tag };
      const until = this.#clock.now() + MARKER_MS;
      await this.#objects.writeRegister(MARKER, encodeRecord({ id: randomUUID(), until }), register.tag);
    }
  }
}

/** Undefined for a damaged one. */
function parseMarker(bytes: Uint8Array): Marker | undefined {
  try {
    return decodeRecord<Marker>(bytes, "the marker of garbage collection");
  } catch (error) {
    if (!isDamagedRecord(error)) throw error;
    return undefined;
  }
}

function alreadyCollecting(): AlbertError {
  return new AlbertError("unavailable", "this store is being collected already", {
    reason: "STORE_COLLECTING",
    retryAfterMs: MARKER_MS,
  });
}
