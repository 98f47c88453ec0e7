import { createHash } from "node:crypto";
import { join } from "node:path";
import { invalidInput } from "../../errors.ts";
import { createDirectoryAtomically, writeNewFile } from "../../platform/atomic-files.ts";
import type { ActivationScales } from "../activation-scales.ts";
import { toHuggingFaceTensors } from "../checkpoint/hugging-face-tensors.ts";
import type { AlbertConfig } from "../config.ts";
import { sha256Of, withFile } from "../formats/random-access-file.ts";
import type { Head } from "../heads.ts";
import type { Parameters } from "../tensor.ts";
import { huggingFaceConfig, huggingFaceTokenizerConfig } from "./hugging-face-config.ts";
import { checkHeads, MANIFEST_FILE, modelDigest, serializeManifest } from "./manifest.ts";
import type { FineTuningHints, Lineage, Model, ModelManifest, SentenceEncoding } from "./model-directory.ts";
import { SCALES_FILE, serializeScales } from "./scales-file.ts";
import { type Vocabulary, vocabularyFileName } from "./vocabulary.ts";
import { EMBEDDINGS_FILE, writeWeights } from "./weight-files.ts";
import { inFormat, type WeightFormat } from "./weight-formats.ts";

// Writes a model directory, which appears complete or not at all.

/** Everything a model directory is made from. */
export interface ModelContents {
  readonly name: string;
  readonly description?: string;
  readonly config: AlbertConfig;
  readonly heads: readonly Head[];
  /** Exactly the parameters of `modelParameters(config, heads)`; others are left out. */
  readonly parameters: Parameters;
  readonly vocabulary: Vocabulary;
  /** As in the manifest; the configuration's number of positions unless given. */
  readonly maxSequenceLength?: number;
  readonly metrics?: Readonly<Record<string, number>>;
  readonly lineage?: Lineage;
  readonly fineTuning?: FineTuningHints;
  /** How the weights are stored; `float32`, which is exact, unless given. */
  readonly weights?: WeightFormat;
  /** Whether the word embeddings get a file of their own, which models of one trunk can share; not unless given. */
  readonly embeddingsApart?: boolean;
  readonly encoding?: SentenceEncoding;
  /** Of static int8; none unless given. */
  readonly scales?: ActivationScales;
}

/** What an opened model is written from again, under its own name. */
export function contentsOf({ manifest, config, parameters, vocabulary, scales }: Model): ModelContents {
  const { name, heads, description, maxSequenceLength, metrics, lineage, fineTuning, weights, encoding } = manifest;
  return {
    ...{ name, config, heads, parameters, vocabulary, maxSequenceLength },
    ...(description === undefined ? {} : { description }),
    ...(metrics === undefined ? {} : { metrics }),
    ...(lineage === undefined ? {} : { lineage }),
    ...(fineTuning === undefined ? {} : { fineTuning }),
    ...(weights === undefined ? {} : { weights }),
    ...(encoding === undefined ? {} : { encoding }),
    ...(scales === undefined ? {} : { scales }),
    embeddingsApart: Object.hasOwn(manifest.files, EMBEDDINGS_FILE),
  };
}

export interface WrittenModel {
  readonly manifest: ModelManifest;
  /** See `Model.digest`. */
  readonly digest: string;
}

/**
 * Writes a model directory that Hugging Face's `from_pretrained` opens too, unless its weights are stored as int8: the weights (`weight-files.ts`),
 * `config.json`, the vocabulary, `tokenizer_config.json`, and `manifest.json` last. It appears complete or not at all.
 *
 * @throws AlbertError invalid-input when heads contradict each other; already-exists when the directory does
 */
export async function writeModelDirectory(directory: string, contents: ModelContents): Promise<WrittenModel> {
  const { config, heads } = contents;
  const violations = checkHeads(config, heads);
  const maxSequenceLength = contents.maxSequenceLength ?? config.maxPositionEmbeddings;
  if (maxSequenceLength > config.maxPositionEmbeddings) {
    const description = `${maxSequenceLength} exceeds the model's ${config.maxPositionEmbeddings} positions`;
    violations.push({ field: "maxSequenceLength", description });
  }
  if (violations.length > 0) throw invalidInput(violations);
  let written: WrittenModel | undefined;
  await createDirectoryAtomically(directory, async (temporary) => {
    written = await fillModelDirectory(temporary, contents, maxSequenceLength);
  });
  return written!;
}

async function fillModelDirectory(
  directory: string,
  contents: ModelContents,
  maxSequenceLength: number,
): Promise<WrittenModel> {
  const { name, description, config, heads, vocabulary, metrics, lineage, fineTuning, weights, encoding } = contents;
  const files: Record<string, string> = {};
  const add = async (file: string, bytes: Uint8Array) => {
    await writeNewFile(join(directory, file), bytes);
    files[file] = createHash("sha256").update(bytes).digest("hex");
  };
  const tensors = inFormat(toHuggingFaceTensors(config, heads, contents.parameters), weights ?? "float32");
  const embeddingsApart = contents.embeddingsApart ?? false;
  for (const file of await writeWeights(directory, tensors, { embeddingsApart })) {
    files[file] = await withFile(join(directory, file), sha256Of);
  }
  if (contents.scales !== undefined) await add(SCALES_FILE, serializeScales(contents.scales, config));
  await add("config.json", jsonBytes(huggingFaceConfig(config, heads, vocabulary)));
  await add(vocabularyFileName(vocabulary.kind), vocabulary.bytes);
  await add("tokenizer_config.json", jsonBytes(huggingFaceTokenizerConfig(vocabulary, maxSequenceLength)));
  const manifest: ModelManifest = {
    formatVersion: 1,
    name,
    ...(description === undefined ? {} : { description }),
    heads,
    tokenizer: { file: vocabularyFileName(vocabulary.kind), kind: vocabulary.kind, lowerCase: vocabulary.lowerCase },
    maxSequenceLength,
    ...(metrics === undefined ? {} : { metrics }),
    ...(lineage === undefined ? {} : { lineage }),
    ...(fineTuning === undefined ? {} : { fineTuning }),
    ...(weights === undefined || weights === "float32" ? {} : { weights }),
    ...(encoding === undefined ? {} : { encoding }),
    files,
  };
  await writeNewFile(join(directory, MANIFEST_FILE), serializeManifest(manifest));
  return { manifest, digest: modelDigest(files, heads) };
}

function jsonBytes(value: unknown): Uint8Array {
  return Buffer.from(`${JSON.stringify(value, null, 2)}\n`, "utf8");
}
