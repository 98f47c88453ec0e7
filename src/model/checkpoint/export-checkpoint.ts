import { join } from "node:path";
import { AlbertError } from "../../errors.ts";
import { createDirectoryAtomically, writeNewFile } from "../../platform/atomic-files.ts";
import { type AlbertConfig, albertConfigToJson } from "../config.ts";
import { huggingFaceConfig, huggingFaceTokenizerConfig } from "../directory/hugging-face-config.ts";
import type { SentenceEncoding } from "../directory/model-directory.ts";
import { type Vocabulary, vocabularyFileName } from "../directory/vocabulary.ts";
import { withoutLibraryKeys } from "../families/config-keys.ts";
import { writeSafetensors } from "../formats/safetensors-writer.ts";
import { writeTensorBundle } from "../formats/tensor-bundle-writer.ts";
import type { Head } from "../heads.ts";
import { modelParameters } from "../parameters.ts";
import type { Parameters } from "../tensor.ts";
import type { ArrayTensor } from "./checkpoint-reader.ts";
import { toHuggingFaceTensors } from "./hugging-face-tensors.ts";
import { writeSentenceTransformer } from "./sentence-transformers.ts";

// Writes a model as a checkpoint for Google's code or for Hugging Face.

/** What an export takes of a model. */
export interface ExportedModel {
  readonly config: AlbertConfig;
  readonly heads: readonly Head[];
  readonly parameters: Parameters;
  readonly vocabulary: Vocabulary | undefined;
  /** Longest sequence; as many tokens as the model has positions unless given. */
  readonly maxSequenceLength?: number;
  /** Of a model that turns texts into vectors. */
  readonly encoding?: SentenceEncoding;
}

/**
 * Writes a directory for Google's code: `albert_config.json`, `model.ckpt-best.*` with the official variable names and a
 * `global_step` of 0 (as the official export leaves it), `checkpoint`, and the vocabulary.
 *
 * @throws AlbertError precondition when Google's code would compute something else with these weights
 */
export async function exportTensorFlow(directory: string, model: ExportedModel): Promise<void> {
  const { config, heads, parameters, vocabulary } = model;
  const refuse = (what: string) =>
    new AlbertError("precondition", `Google's code cannot run this model: ${what}`, { reason: "EXPORT_UNFAITHFUL" });
  if (config.family !== "albert") throw refuse(`its family is ${config.family}; export it with --format hf`);
  if (config.embeddingProjection && config.embeddingSize === config.hiddenSize) {
    throw refuse("it has an embedding projection although embedding_size equals hidden_size");
  }
  if (config.hiddenAct === "gelu_erf") throw refuse("its activation is the exact-erf gelu");
  if (config.hiddenAct === "silu") throw refuse("its activation is silu");
  if (config.layerNormEps !== 1e-12) throw refuse(`its layer_norm_eps is ${config.layerNormEps}, not 1e-12`);
  if (vocabulary?.kind === "tokenizer-json") {
    throw refuse(
      "its vocabulary is a tokenizer.json, and that code reads spiece.model or vocab.txt; export it with --format hf",
    );
  }
  const tensors = new Map<string, ArrayTensor>([["global_step", { shape: [], data: new BigInt64Array(1) }]]);
  for (const { name } of modelParameters(config, heads)) tensors.set(name, parameters.get(name)!);
  const { layer_norm_eps: _, ...json } = withoutLibraryKeys(albertConfigToJson(config));
  const sorted = Object.fromEntries(Object.entries(json).sort(([a], [b]) => (a < b ? -1 : 1)));
  await createDirectoryAtomically(directory, async (temporary) => {
    await writeTensorBundle(join(temporary, "model.ckpt-best"), tensors);
    await writeNewFile(join(temporary, "albert_config.json"), jsonBytes(sorted));
    await writeVocabulary(temporary, vocabulary);
  });
}

/** Writes a directory for Hugging Face's `from_pretrained`, and for sentence-transformers where the model is for that. */
export async function exportHuggingFace(directory: string, model: ExportedModel): Promise<void> {
  const { config, heads, parameters, vocabulary, encoding, maxSequenceLength = config.maxPositionEmbeddings } = model;
  await createDirectoryAtomically(directory, async (temporary) => {
    const tensors = toHuggingFaceTensors(config, heads, parameters);
    await writeSafetensors(join(temporary, "model.safetensors"), tensors, { format: "pt" });
    const json = huggingFaceConfig(config, heads, vocabulary);
    await writeNewFile(join(temporary, "config.json"), jsonBytes(json));
    await writeVocabulary(temporary, vocabulary);
    if (vocabulary !== undefined) {
      const tokenizer = huggingFaceTokenizerConfig(vocabulary, maxSequenceLength);
      await writeNewFile(join(temporary, "tokenizer_config.json"), jsonBytes(tokenizer));
    }
    if (encoding !== undefined) {
      await writeSentenceTransformer(temporary, encoding, { hiddenSize: config.hiddenSize, maxSequenceLength });
    }
  });
}

async function writeVocabulary(directory: string, vocabulary: Vocabulary | undefined): Promise<void> {
  if (vocabulary === undefined) return;
  await writeNewFile(join(directory, vocabularyFileName(vocabulary.kind)), vocabulary.bytes);
}

function jsonBytes(value: unknown): Uint8Array {
  return Buffer.from(`${JSON.stringify(value, null, 2)}\n`, "utf8");
}
