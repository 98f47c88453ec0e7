import { corrupt } from "../../errors.ts";
import type { AlbertConfig } from "../config.ts";
import { HEAD_KINDS, type Head } from "../heads.ts";
import { headParameters, type ParameterSpec } from "../parameters.ts";
import type { CheckpointReader } from "./checkpoint-reader.ts";

// Recognises by which names a checkpoint spells its variables.

/** Which names a checkpoint spells its variables with, and how its kernels lie. */
export interface Naming {
  readonly family: "tensorflow" | "hugging-face";
  /** Name of a parameter in the file. */
  fileName(spec: ParameterSpec): string;
  /** Whether the file holds the transpose of a parameter. */
  transposed(spec: ParameterSpec): boolean;
  /** Whether a tensor is no weight of a model: an optimizer's slot, a counter, a buffer, an alias of a tied matrix. */
  ignorable(fileName: string): boolean;
  /** Whether a tensor belongs to some head, of whichever kind and scope. */
  belongsToHead(fileName: string): boolean;
}

/** Slots that the official optimizers store with each variable, and the step counter. */
const OPTIMIZER_STATE = /(^|\/)(adam_m|adam_v|lamb_m|lamb_v)$|^(module\/)?global_step$/;

/** Buffers of older Hugging Face files, and aliases of the tied masked-LM output. */
const BUFFER_OR_ALIAS = /(^|\.)embeddings\.position_ids$|^predictions\.decoder\.(weight|bias)$/;

/**
 * Recognises a checkpoint's naming by where its word embeddings are: Google's (alone or inside a TF-Hub `module/`), or
 * Hugging Face's (a model with a head, or the bare `AlbertModel` without the `albert.` prefix).
 *
 * @throws AlbertError corrupt when there are none
 */
export function detectNaming(reader: CheckpointReader): Naming {
  for (const prefix of ["", "module/"]) {
    if (reader.entries.has(`${prefix}bert/embeddings/word_embeddings`)) return tensorflowNaming(prefix);
  }
  for (const prefix of ["albert.", ""]) {
    if (reader.entries.has(`${prefix}embeddings.word_embeddings.weight`)) return huggingFaceNaming(prefix);
  }
  const some = [...reader.entries.keys()].slice(0, 3).join(", ");
  throw corrupt(
    `${reader.name} holds no ALBERT: neither bert/embeddings/word_embeddings nor ` +
      `albert.embeddings.word_embeddings.weight is in it; it has ${some === "" ? "no tensor" : some}`,
    { reason: "CHECKPOINT_MISMATCH" },
  );
}

function tensorflowNaming(prefix: string): Naming {
  return {
    family: "tensorflow",
    fileName: (spec) => prefix + spec.name,
    transposed: () => false,
    ignorable: (name) => OPTIMIZER_STATE.test(name),
    belongsToHead: (name) =>
      name.startsWith(prefix) &&
      KNOWN_HEAD_NAMES.tensorflow.has(name.slice(prefix.length).replace(/^heads\/[^/]+\//, "")),
  };
}

function huggingFaceNaming(prefix: string): Naming {
  return {
    family: "hugging-face",
    fileName: (spec) =>
      spec.hfName.startsWith("albert.") ? prefix + spec.hfName.slice("albert.".length) : spec.hfName,
    transposed: (spec) => spec.hfTransposed,
    ignorable: (name) => BUFFER_OR_ALIAS.test(name),
    belongsToHead: (name) => KNOWN_HEAD_NAMES.huggingFace.has(name.replace(/^heads\.[^.]+\./, "")),
  };
}

/** A head of each kind; labels do not enter the names. */
const ONE_HEAD_OF_EACH: readonly Head[] = HEAD_KINDS.map((kind) =>
  kind === "classification" ? { kind, name: "", problemType: "single-label", labels: ["", ""] } : { kind, name: "" },
);

const KNOWN_HEAD_NAMES = knownHeadNames();

function knownHeadNames(): { tensorflow: ReadonlySet<string>; huggingFace: ReadonlySet<string> } {
  const sizes = { vocabSize: 1, embeddingSize: 1, hiddenSize: 1 } as AlbertConfig; // names do not depend on sizes
  const specs = ONE_HEAD_OF_EACH.flatMap((head) => headParameters(sizes, head));
  return {
    tensorflow: new Set(specs.map((spec) => spec.name)),
    huggingFace: new Set(specs.map((spec) => spec.hfName)),
  };
}
