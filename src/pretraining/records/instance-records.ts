import type { Tokenizer } from "../../tokenizer/tokenizer.ts";
import { collectDocuments, emptyTextReport, readDocuments, type TextReport } from "../corpus/text-documents.ts";
import { TokenStore } from "../corpus/token-store.ts";
import { type InstanceOptions, maxPredictions } from "../instances/instance.ts";
import { InstanceSource } from "../instances/instance-source.ts";
import { createOfficialInstances } from "../instances/official-instances.ts";
import { PythonRng } from "../instances/python-random.ts";
import { type RecordReport, writeRecordFiles } from "./record-writer.ts";

// Writes instances of a text as TFRecord files.

/** How text becomes instances, and where they go. */
export interface InstanceRecords {
  readonly options: InstanceOptions;
  /** How often the text is turned into differently masked instances. */
  readonly dupeFactor: number;
  /** Decides every random choice. */
  readonly seed: number;
  /** TFRecord files in the official layout, written in turn. */
  readonly output: readonly string[];
  /** Called before each instance; what it throws ends the work and leaves no file. */
  readonly beforeInstance?: () => void;
}

/** Writes the instances of tokenised text. Memory does not grow with the text. @param store  directory of a token store */
export async function writeInstanceRecords(store: string, records: InstanceRecords): Promise<RecordReport> {
  const { options, dupeFactor, seed, beforeInstance } = records;
  const documents = new TokenStore(store);
  try {
    const source = new InstanceSource(documents, { ...options, seed });
    return await writeRecordFiles(passes(source, dupeFactor, beforeInstance), records.output, sizesOf(options));
  } finally {
    documents.close();
  }
}

/** Writes the official script's own instances, for which all text is held in memory. NumPy's generator, which the script leaves to chance, gets the same seed. */
export async function writeOfficialRecords(
  files: readonly string[],
  tokenizer: Tokenizer,
  { options, dupeFactor, seed, output }: InstanceRecords,
): Promise<{ readonly text: TextReport; readonly records: RecordReport }> {
  const text = emptyTextReport();
  const documents = await collectDocuments(readDocuments(files, tokenizer, { officialQuirks: true }, text));
  const rng = new PythonRng({ random: seed, numpy: seed });
  const instances = createOfficialInstances(documents, { ...options, dupeFactor }, rng);
  return { text, records: await writeRecordFiles(instances, output, sizesOf(options)) };
}

function* passes(source: InstanceSource, count: number, beforeInstance: () => void = () => {}) {
  for (let epoch = 0; epoch < count; epoch++) {
    for (let position = 0; position < source.length; position++) {
      beforeInstance();
      yield source.instance(epoch, position);
    }
  }
}

function sizesOf(options: InstanceOptions) {
  return { maxSequenceLength: options.maxSequenceLength, maxPredictions: maxPredictions(options) };
}
