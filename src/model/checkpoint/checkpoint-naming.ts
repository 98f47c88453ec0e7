import { corrupt } from "../../errors.ts";
import type { AlbertConfig } from "../config.ts";
import type { ModelFamily } from "../families/family.ts";
import { HEAD_KINDS, type Head, kindsWithoutScope } from "../heads.ts";
import { headParameters, type ParameterSpec } from "../parameters.ts";
import type { CheckpointReader } from "./checkpoint-reader.ts";

// Recognises by which names a checkpoint spells its variables.

/** Which names a checkpoint spells its variables with, and how its kernels lie. */
export interface Naming {
  readonly origin: "tensorflow" | "hugging-face";
  /** Whether a file of equal E and H holds a projection that may be the identity. */
  readonly storesIdentityProjection: boolean;
  /** Name of a parameter in the file of a model with these heads. */
  fileName(spec: ParameterSpec, heads: readonly Head[]): string;
  /** Other names that a file may have for it. */
  aliases(spec: ParameterSpec): readonly string[];
  /** The masked-LM output matrix, which some files store a second time where it is tied. */
  readonly decoder: string | undefined;
  /** Whether the file holds the transpose of a parameter. */
  transposed(spec: ParameterSpec): boolean;
  /** Whether a tensor is no weight of a model: an optimizer's slot, a counter, a buffer, an alias of a tied matrix. */
  ignorable(fileName: string): boolean;
  /** Whether a tensor belongs to some head, of whichever kind and scope. */
  belongsToHead(fileName: string): boolean;
}

/** Slots that the official optimizers store with each variable, and the step counter. */
const OPTIMIZER_STATE = /(^|\/)(adam_m|adam_v|lamb_m|lamb_v)$|^(module\/)?global_step$/;

/** Buffers of older Hugging Face files. */
const BUFFER = /(^|\.)embeddings\.(position_ids|token_type_ids)$/;

/**
 * Recognises a checkpoint's naming by where its word embeddings are: Google's (alone or inside a TF-Hub `module/`), or
 * Hugging Face's (a model with a head, or a bare trunk without the family's prefix, such as `albert.`).
 *
 * @throws AlbertError corrupt when there are none
 */
export function detectNaming(reader: CheckpointReader, family: ModelFamily): Naming {
  const { tensorFlowName, trunkPrefix } = family;
  for (const prefix of tensorFlowName === undefined ? [] : ["", "module/"]) {
    if (reader.entries.has(`${prefix}bert/embeddings/word_embeddings`)) {
      return tensorflowNaming(prefix, tensorFlowName ?? ((name) => name));
    }
  }
  for (const prefix of [trunkPrefix, ""]) {
    if (reader.entries.has(`${prefix}embeddings.word_embeddings.weight`)) return huggingFaceNaming(family, prefix);
  }
  const some = [...reader.entries.keys()].slice(0, 3).join(", ");
  throw corrupt(
    `${reader.name} holds no ${family.name.toUpperCase()}: neither bert/embeddings/word_embeddings nor ` +
      `${trunkPrefix}embeddings.word_embeddings.weight is in it; it has ${some === "" ? "no tensor" : some}`,
    { reason: "CHECKPOINT_MISMATCH" },
  );
}

function tensorflowNaming(prefix: string, nameOf: (variable: string) => string): Naming {
  const headNames = new Set(ONE_HEAD_OF_EACH.flatMap((head) => headParameters(NO_SIZES, head).map(({ name }) => name)));
  return {
    origin: "tensorflow",
    storesIdentityProjection: false,
    fileName: (spec) => prefix + nameOf(spec.name),
    aliases: () => [],
    decoder: undefined,
    transposed: () => false,
    ignorable: (name) => OPTIMIZER_STATE.test(name),
    belongsToHead: (name) =>
      name.startsWith(prefix) && headNames.has(name.slice(prefix.length).replace(/^heads\/[^/]+\//, "")),
  };
}

function huggingFaceNaming(family: ModelFamily, prefix: string): Naming {
  const { decoder, leftAside } = family;
  const headNames = new Set(
    ONE_HEAD_OF_EACH.flatMap((head) => {
      const names = [...headParameters(NO_SIZES, head).map(({ hfName }) => hfName), ...POOLER];
      return names.map((name) => family.tensorName(name, new Set([head.kind])));
    }).filter((name) => !name.startsWith(family.trunkPrefix)),
  );
  return {
    origin: "hugging-face",
    storesIdentityProjection: family.storesIdentityProjection,
    fileName: (spec, heads) => {
      const name = family.tensorName(spec.hfName, kindsWithoutScope(heads));
      return name.startsWith(family.trunkPrefix) ? prefix + name.slice(family.trunkPrefix.length) : name;
    },
    // The masked-LM bias lies under either of its two names.
    aliases: ({ hfName }) => {
      if (hfName === "predictions.bias") return [`${decoder}.bias`];
      return hfName === "predictions.decoder.bias" ? [family.tensorName("predictions.bias", new Set())] : [];
    },
    decoder: `${decoder}.weight`,
    transposed: (spec) => spec.hfTransposed,
    ignorable: (name) =>
      BUFFER.test(name) ||
      name === `${decoder}.weight` ||
      name === `${decoder}.bias` ||
      (leftAside?.test(name) ?? false),
    belongsToHead: (name) => headNames.has(name.replace(/^heads\.[^.]+\./, "")),
  };
}

/** A head of each kind; labels do not enter the names. */
const ONE_HEAD_OF_EACH: readonly Head[] = HEAD_KINDS.map((kind) =>
  kind === "classification" ? { kind, name: "", problemType: "single-label", labels: ["", ""] } : { kind, name: "" },
);

/** In some families the dense layer over [CLS] belongs to a head. */
const POOLER = ["albert.pooler.weight", "albert.pooler.bias"];

/** Names do not depend on sizes. */
const NO_SIZES = { vocabSize: 1, embeddingSize: 1, hiddenSize: 1 } as AlbertConfig;
