import { createReadStream } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import { AlbertError } from "../../errors.ts";
import { readRecords } from "../../model/formats/tf-record.ts";
import { deriveSeed, permutation } from "../../model/random.ts";
import { isSystemFault } from "../../platform/disk-space.ts";
import type { PretrainingInstance } from "../instances/instance.ts";
import type { Instances } from "../step-source.ts";
import { fromExample } from "./official-features.ts";
import { decodeExample } from "./tf-example.ts";

// Reads instances from TFRecord files, and orders them for every epoch.

/**
 * Instances that the official script (or `albert pretraining-data`) wrote as TFRecords: masked once and for all, in another
 * order in every epoch. They are read into memory, about eight bytes a token.
 *
 * @throws AlbertError corrupt, naming file and record; precondition when there is no record
 */
export async function readRecordFiles(files: readonly string[]): Promise<readonly PretrainingInstance[]> {
  const instances: PretrainingInstance[] = [];
  for (const file of files) {
    const handle = await openFile(file);
    try {
      for await (const record of readRecords(createReadStream("", { fd: handle, autoClose: false }))) {
        instances.push(fromExample(decodeExample(record)));
      }
    } finally {
      await handle.close();
    }
  }
  if (instances.length === 0) {
    throw new AlbertError("precondition", "the record files hold no instance", { reason: "TEXT_WITHOUT_INSTANCES" });
  }
  return instances;
}

/** Recorded instances as a source: a new order for every epoch. */
export class RecordedInstances implements Instances {
  readonly #instances: readonly PretrainingInstance[];
  readonly #seed: number;
  #order: { readonly epoch: number; readonly indexes: Uint32Array } | undefined;

  constructor(instances: readonly PretrainingInstance[], seed: number) {
    this.#instances = instances;
    this.#seed = seed;
  }

  get length(): number {
    return this.#instances.length;
  }

  instance(epoch: number, position: number): PretrainingInstance {
    if (this.#order?.epoch !== epoch) {
      this.#order = { epoch, indexes: permutation(this.length, deriveSeed(this.#seed, "record-order", epoch)) };
    }
    return this.#instances[this.#order.indexes[position]!]!;
  }
}

async function openFile(file: string): Promise<FileHandle> {
  return open(file, "r").catch((cause: unknown) => {
    if (isSystemFault(cause)) throw cause;
    throw new AlbertError("not-found", `${file} cannot be read`, { reason: "FILE_NOT_READABLE", cause });
  });
}
