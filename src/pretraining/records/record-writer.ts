import { once } from "node:events";
import { createWriteStream, type WriteStream } from "node:fs";
import { rename, rm } from "node:fs/promises";
import { dirname } from "node:path";
import { finished } from "node:stream/promises";
import { frameRecord } from "../../model/formats/tf-record.ts";
import { makeDirectory } from "../../platform/directories.ts";
import type { PretrainingInstance } from "../instances/instance.ts";
import { type FeatureSizes, toExample } from "./official-features.ts";
import { encodeExample } from "./tf-example.ts";

// Writes instances to TFRecord files that appear when all are complete.

/** What was written. */
export interface RecordReport {
  readonly instances: number;
  /** Without padding. */
  readonly tokens: number;
  readonly predictions: number;
  /** Instances with label 1. */
  readonly swappedOrRandom: number;
}

/**
 * Writes instances as TFRecords in the official layout, to the files in turn. Each file appears under its name when all of
 * them are complete. One instance is held at a time.
 */
export async function writeRecordFiles(
  instances: Iterable<PretrainingInstance>,
  files: readonly string[],
  sizes: FeatureSizes,
): Promise<RecordReport> {
  for (const file of files) await makeDirectory(dirname(file));
  const streams = files.map((file) => createWriteStream(`${file}.partial`));
  const report = { instances: 0, tokens: 0, predictions: 0, swappedOrRandom: 0 };
  try {
    for (const instance of instances) {
      const stream = streams[report.instances % streams.length]!;
      await write(stream, frameRecord(encodeExample(toExample(instance, sizes))));
      report.instances++;
      report.tokens += instance.inputIds.length;
      report.predictions += instance.maskedIds.length;
      report.swappedOrRandom += instance.label;
    }
    for (const stream of streams) {
      stream.end();
      await finished(stream);
    }
    for (const file of files) await rename(`${file}.partial`, file);
  } catch (error) {
    for (const stream of streams) stream.destroy();
    for (const file of files) await rm(`${file}.partial`, { force: true });
    throw error;
  }
  return report;
}

async function write(stream: WriteStream, bytes: Uint8Array): Promise<void> {
  if (stream.errored !== null) throw stream.errored;
  if (!stream.write(bytes)) await once(stream, "drain");
}
