import type { MessageInitShape } from "@bufbuild/protobuf";
import { HeadKind as HeadKindField, type ModelInfoSchema } from "../../gen/albert/v1/inference_pb.js";
import type { Model } from "../../model/directory/model-directory.ts";
import type { Head, HeadKind } from "../../model/heads.ts";
import type { ModelRegistry } from "../../serving/models/registry.ts";
import type { ModelSelector } from "../../serving/models/selection.ts";
import { PROBLEM_TYPES } from "./reply-fields.ts";

// What `ListModels` and `GetModel` tell of the versions that serve. It changes none.

/** The version of every name that answers requests now; a name that is still loading is not among them. */
export function listModels(live: ModelRegistry): ServedModel[] {
  const names = live.list().filter(({ current }) => current !== undefined);
  return names.map(({ name }) => findModel(live, { name })).sort((a, b) => (a.name < b.name ? -1 : 1));
}

/**
 * One version: the pinned one, else the one the name points to, whatever share of requests a challenger gets.
 *
 * @throws AlbertError not-found MODEL_NOT_FOUND; precondition VERSION_NOT_LOADED; unavailable WARMING, NO_VERSION
 */
export function findModel(live: ModelRegistry, selector: ModelSelector): ServedModel {
  const { current } = live.status(selector.name ?? "");
  const pinned = selector.version !== undefined || selector.digest !== undefined || current === undefined;
  const reference = live.acquire(pinned ? selector : { ...selector, version: current });
  reference.release();
  const { version } = reference;
  return {
    name: version.name,
    version: version.version,
    isDefault: live.list()[0]?.name === version.name,
    ready: version.version === current,
    device: version.engine.device,
    model: version.model,
  };
}

/** A served version as `ListModels` tells it. */
export interface ServedModel {
  readonly name: string;
  readonly version: string;
  readonly isDefault: boolean;
  readonly ready: boolean;
  readonly device: string;
  readonly model: Pick<Model, "digest" | "manifest" | "config" | "heads" | "tokenizer">;
}

/** What the server admits, whatever the model. */
export interface PublishedLimits {
  readonly maxChars: number;
  readonly maxWindows: number;
  readonly maxChoices: number;
  readonly maxBatchItems: number;
  readonly maxMessageBytes: number;
}

const HEAD_KINDS: Readonly<Record<HeadKind, HeadKindField>> = {
  classification: HeadKindField.CLASSIFICATION,
  span: HeadKindField.SPAN,
  "span-answerability": HeadKindField.SPAN_ANSWERABILITY,
  "multiple-choice": HeadKindField.MULTIPLE_CHOICE,
  "masked-lm": HeadKindField.MASKED_LM,
  "sentence-order": HeadKindField.SENTENCE_ORDER,
};

export function modelInfo(served: ServedModel, limits: PublishedLimits): MessageInitShape<typeof ModelInfoSchema> {
  const { digest, manifest, config, heads, tokenizer } = served.model;
  return {
    name: served.name,
    version: served.version,
    digest,
    tokenizerDigest: tokenizer.digest,
    isDefault: served.isDefault,
    ready: served.ready,
    device: served.device,
    heads: heads.map(headInfo),
    limits: { ...limits, maxTokens: Math.min(manifest.maxSequenceLength, config.maxPositionEmbeddings) },
    architecture: {
      vocabSize: config.vocabSize,
      embeddingSize: config.embeddingSize,
      hiddenSize: config.hiddenSize,
      numHiddenLayers: config.numHiddenLayers,
      numHiddenGroups: config.numHiddenGroups,
      numAttentionHeads: config.numAttentionHeads,
      intermediateSize: config.intermediateSize,
    },
    metrics: { ...manifest.metrics },
    description: manifest.description ?? "",
  };
}

function headInfo(head: Head) {
  const base = { name: head.name, kind: HEAD_KINDS[head.kind] };
  if (head.kind !== "classification") return base;
  return { ...base, problemType: PROBLEM_TYPES[head.problemType], labels: [...head.labels] };
}
