import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { Model } from "../src/model/model-directory.ts";
import { loadTokenizer } from "../src/tokenizer/load-tokenizer.ts";
import { randomAlbert } from "./random-albert.ts";

/** A random model of a published shape with a small vocabulary, ready to be served. */
export function benchModel(shape: Parameters<typeof randomAlbert>[0]): Model {
  const bytes = readFileSync(join(import.meta.dirname, "../test/fixtures/tokenizer/vocab.txt"));
  const vocabulary = { kind: "wordpiece", lowerCase: true, bytes } as const;
  const { config, heads, parameters } = randomAlbert(shape);
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
    config,
    heads,
    parameters,
    tokenizer: loadTokenizer(vocabulary),
    vocabulary,
    warnings: [],
  };
}
