import { createHash } from "node:crypto";
import type { Clock } from "../../platform/waiting/clock.ts";
import type { SequenceInput } from "../../runtime/engine.ts";

// The inputs that are refused because they made the runtime fail. It holds hashes: no text, no tokens.

/** One refused input, known by its hash alone. */
export interface QuarantineEntry {
  readonly hash: string;
  /** Moment on the clock at which it is let in again. */
  readonly until: number;
}

/**
 * Inputs that made the runtime fail, by hash. Bounded: the oldest entry makes room for a new one; entries expire.
 */
export class Quarantine {
  readonly #clock: Clock;
  readonly #durationMs: number;
  readonly #capacity: number;
  readonly #until = new Map<string, number>();

  /** @param durationMs  how long an entry lasts; 0 keeps none */
  constructor(clock: Clock, durationMs: number, capacity = 1024) {
    this.#clock = clock;
    this.#durationMs = durationMs;
    this.#capacity = capacity;
  }

  get size(): number {
    this.#expire();
    return this.#until.size;
  }

  add(hash: string): void {
    if (this.#durationMs === 0) return;
    this.#until.delete(hash);
    this.#until.set(hash, this.#clock.now() + this.#durationMs);
    const [oldest] = this.#until.keys();
    if (this.#until.size > this.#capacity && oldest !== undefined) this.#until.delete(oldest);
  }

  /** Milliseconds for which an input is still refused; undefined for one that is admitted. */
  remainingMs(model: string, input: SequenceInput): number | undefined {
    if (this.#until.size === 0) return undefined;
    const until = this.#until.get(hashSequence(model, input));
    return until !== undefined && until > this.#clock.now() ? until - this.#clock.now() : undefined;
  }

  entries(): QuarantineEntry[] {
    this.#expire();
    return [...this.#until].map(([hash, until]) => ({ hash, until }));
  }

  /** Lets an input in again, and says whether it was refused. */
  release(hash: string): boolean {
    return this.#until.delete(hash);
  }

  /** All entries last equally long, so the map's order of insertion is the order of expiry. */
  #expire(): void {
    for (const [hash, until] of this.#until) {
      if (until > this.#clock.now()) return;
      this.#until.delete(hash);
    }
  }
}

/** sha256 (hex) over the model's identity and everything of a sequence that decides its computation. */
export function hashSequence(model: string, input: SequenceInput): string {
  const hash = createHash("sha256");
  const part = (bytes: Uint8Array) => hash.update(`${bytes.byteLength}:`).update(bytes);
  const array = (values: Int32Array | Uint8Array | undefined) =>
    part(values === undefined ? new Uint8Array() : new Uint8Array(values.buffer, values.byteOffset, values.byteLength));
  part(Buffer.from(model));
  array(input.inputIds);
  array(input.tokenTypeIds);
  array(input.maskedPositions);
  array(input.answerMask);
  part(Buffer.from(JSON.stringify([input.outputs, input.startTopN ?? null, input.endTopN ?? null])));
  return hash.digest("hex");
}
