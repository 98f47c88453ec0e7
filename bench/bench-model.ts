import { readFileSync } from "node:fs";
import { join } from "node:path";
import { removeModelFiles } from "../src/runtime/session/model-files.ts";
import { prepareModel } from "../src/runtime/session/prepared-model.ts";
import type { ServableModel } from "../src/serving/models/reader.ts";
import { loadTokenizer } from "../src/tokenizer/load-tokenizer.ts";
import { randomAlbert } from "./random-albert.ts";

/** A random model of a published shape with a small vocabulary, ready to be served. */
export async function benchModel(shape: Parameters<typeof randomAlbert>[0]): Promise<ServableModel> {
  const bytes = readFileSync(join(import.meta.dirname, "../test/fixtures/tokenizer/vocab.txt"));
  const vocabulary = { kind: "wordpiece", lowerCase: true, bytes } as const;
  const model = randomAlbert(shape);
  const prepared = await prepareModel(model, { device: "cpu", precision: "fp32" });
  const { config, heads } = model;
  return {
    digest: `bench ${shape}`,
    manifest: {
      formatVersion: 1,
      name: shape,
      heads,
      tokenizer: { file: "vocab.txt", kind: "wordpiece", lowerCase: true },
      maxSequenceLength: config.maxPositionEmbeddings,
      files: {},
    },
    ...prepared,
    tokenizer: loadTokenizer(vocabulary),
    vocabulary,
    warnings: [],
    remove: () => removeModelFiles(prepared),
  };
}
