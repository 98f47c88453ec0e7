import { randomUUID } from "node:crypto";
import { decodeRecord, encodeRecord, isDamagedRecord } from "../model/formats/records.ts";
import { checkName } from "./names.ts";
import type { ObjectStore } from "./objects/object-store.ts";

// What all servers together have counted of a canary. It judges nothing.

/** Numbers by name. What they count, the servers agree on. */
export type Counts = Readonly<Record<string, number>>;

interface EvidenceRecord {
  readonly form: 1;
  /** The rule that the counts belong to. */
  readonly rule: string;
  readonly counts: Counts;
  /** Tells a server whose answer got lost that its write was the last. */
  readonly change: string;
}

/** Tries of a server that others come before; it tries again with its next counts. */
const TRIES = 3;

/**
 * Sums of what the servers count, in one register for each model: `evidence/<model>`. Only the newest rule of a model has any.
 * A damaged register counts as none: the evidence begins anew.
 */
export class CanaryEvidence {
  readonly #objects: ObjectStore;

  constructor(objects: ObjectStore) {
    this.#objects = objects;
  }

  /** Everything counted under a rule so far. */
  async read(model: string, rule: string): Promise<Counts> {
    const { record } = await this.#read(model);
    return record?.rule === rule ? record.counts : {};
  }

  /**
   * Adds what one server counted.
   *
   * @param change  names these counts: where they are in already because an answer got lost, they are not added again
   * @param onBeaten  called each time that another server wrote first
   * @returns the sums; undefined where other servers wrote at the same time, again and again
   */
  async add(
    model: string,
    rule: string,
    counts: Counts,
    change: string = randomUUID(),
    onBeaten: () => void = () => {},
  ): Promise<Counts | undefined> {
    for (let tries = 0; tries < TRIES; tries++) {
      const { record, tag } = await this.#read(model);
      if (record?.change === change) return record.counts;
      const sums = added(record?.rule === rule ? record.counts : {}, counts);
      const next: EvidenceRecord = { form: 1, rule, counts: sums, change };
      if (await this.#objects.writeRegister(registerKey(model), encodeRecord(next), tag)) return sums;
      onBeaten();
    }
    return undefined;
  }

  /** Whether the register of a model is damaged. @param repair  begins it anew */
  async isDamaged(model: string, repair: boolean): Promise<boolean> {
    const { record, tag } = await this.#read(model);
    const damaged = record === undefined && tag !== undefined;
    if (damaged && repair) {
      const empty: EvidenceRecord = { form: 1, rule: "", counts: {}, change: randomUUID() };
      await this.#objects.writeRegister(registerKey(model), encodeRecord(empty), tag);
    }
    return damaged;
  }

  async #read(model: string): Promise<{ record: EvidenceRecord | undefined; tag: string | undefined }> {
    checkName("model", model);
    const register = await this.#objects.readRegister(registerKey(model));
    if (register === undefined) return { record: undefined, tag: undefined };
    try {
      const record = decodeRecord<EvidenceRecord>(register.bytes, `the evidence on a canary of ${model}`);
      return { record, tag: register.tag };
    } catch (error) {
      if (!isDamagedRecord(error)) throw error;
      return { record: undefined, tag: register.tag };
    }
  }
}

/** Sums by name; a name that only one of them has counts as 0 in the other. */
function added(a: Counts, b: Counts): Counts {
  const names = new Set([...Object.keys(a), ...Object.keys(b)]);
  return Object.fromEntries([...names].map((name) => [name, (a[name] ?? 0) + (b[name] ?? 0)]));
}

function registerKey(model: string): string {
  return `evidence/${model}`;
}
