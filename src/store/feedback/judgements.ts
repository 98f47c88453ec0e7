import { decodeRecord, encodeRecord, isDamagedRecord } from "../../model/formats/records.ts";
import { checkName } from "../names.ts";
import { bytesBody, type ObjectStore } from "../objects/object-store.ts";

// What people said of answers, kept in the store for all servers.

/** What a person said of one answer. */
export interface Judgement {
  readonly form: 1;
  /** Of the answer; letters, digits, - and _. */
  readonly id: string;
  readonly model: string;
  readonly version: string;
  readonly head: string;
  readonly text: string;
  readonly textPair?: string;
  /** What the model answered. */
  readonly answer: string;
  /** Of the answer, 0 to 1. */
  readonly probability: number;
  /** What is right. */
  readonly label: string;
  /** Who says so, if that is known. */
  readonly by?: string;
  /** Milliseconds since 1970. */
  readonly answeredMs: number;
  readonly judgedMs: number;
}

/**
 * What people said of answers: `judgements/<model>/<milliseconds of the judgement>-a<id>.json` each, written once. They stay until
 * somebody removes them. A damaged one counts as none.
 */
export class Judgements {
  readonly #objects: ObjectStore;
  /** Records never change, so each is read once. */
  readonly #read = new Map<string, Judgement>();

  constructor(objects: ObjectStore) {
    this.#objects = objects;
  }

  async add(judgement: Judgement): Promise<void> {
    checkName("model", judgement.model);
    const key = `${prefixOf(judgement.model)}${String(judgement.judgedMs).padStart(15, "0")}-a${judgement.id}.json`;
    await this.#objects.putIfAbsent(key, bytesBody(encodeRecord(judgement)));
  }

  /** All of a model, oldest first. */
  async list(model: string): Promise<readonly Judgement[]> {
    const keys = await this.#keys(model);
    const found: Judgement[] = [];
    for (const key of keys) {
      const judgement = this.#read.get(key) ?? (await this.#load(key));
      if (judgement !== undefined) found.push(judgement);
    }
    const there = new Set(keys);
    for (const key of this.#read.keys()) if (key.startsWith(prefixOf(model)) && !there.has(key)) this.#read.delete(key);
    return found;
  }

  /** Removes all of a model. @returns how many there were */
  async remove(model: string): Promise<number> {
    const keys = await this.#keys(model);
    for (const key of keys) await this.#objects.delete(key);
    return keys.length;
  }

  async #load(key: string): Promise<Judgement | undefined> {
    try {
      const bytes = await this.#objects.get(key);
      if (bytes === undefined) return undefined; // removed since
      const judgement = decodeRecord<Judgement>(bytes, "what was said of an answer");
      this.#read.set(key, judgement);
      return judgement;
    } catch (error) {
      if (!isDamagedRecord(error)) throw error;
      return undefined;
    }
  }

  async #keys(model: string): Promise<string[]> {
    checkName("model", model);
    const keys: string[] = [];
    for await (const { key } of this.#objects.list(prefixOf(model))) keys.push(key);
    return keys.sort();
  }
}

const prefixOf = (model: string) => `judgements/${model}/`;
