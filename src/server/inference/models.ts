import type { MessageInitShape } from "@bufbuild/protobuf";
import type { PrecisionLoss } from "../../deployment/gate/gate-report.ts";
import {
  HeadKind as HeadKindField,
  type ModelInfoSchema,
  ModelState,
  type PrecisionLossSchema,
} from "../../gen/albert/v1/inference_pb.js";
import type { AnswerLoss, Model, ModelManifest } from "../../model/directory/model-directory.ts";
import type { Head, HeadKind } from "../../model/heads.ts";
import type { ModelRegistry } from "../../serving/models/registry.ts";
import type { ModelSelector } from "../../serving/models/selection.ts";
import { failureOf, type Outage, outageOf } from "../../serving/models/status.ts";
import { infersEntailment } from "../../tasks/classification/entailment.ts";
import { PROBLEM_TYPES } from "./reply-fields.ts";

// What `ListModels` and `GetModel` tell of the models. It changes none.

/** The version of every name that answers requests now, by name. */
export function servedModels(live: ModelRegistry): ServedModel[] {
  const names = live.list().filter(({ current }) => current !== undefined);
  return names.map(({ name }) => findModel(live, { name })).sort(byName);
}

/** The names under which nothing answers, with why, by name. */
export function absentModels(live: ModelRegistry): AbsentModel[] {
  return live
    .list()
    .flatMap((status, index) => {
      const outage = outageOf(status);
      return outage === undefined ? [] : [{ name: status.name, isDefault: index === 0, outage }];
    })
    .sort(byName);
}

function byName(a: { readonly name: string }, b: { readonly name: string }): number {
  return a.name < b.name ? -1 : 1;
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
  const failed = failureOf(live.status(version.name).versions);
  return {
    name: version.name,
    version: version.version,
    isDefault: live.list()[0]?.name === version.name,
    ready: version.version === current,
    device: version.engine.device,
    model: version.model,
    failure: failed?.state.reason ?? "",
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
  /** Reason of the version of its name that failed to load last; empty where none did. */
  readonly failure: string;
}

/** A name under which nothing answers, as `ListModels` tells it. */
export interface AbsentModel {
  readonly name: string;
  readonly isDefault: boolean;
  readonly outage: Outage;
}

/** In what products are computed, and what that changes in the answers of a version, where it was measured. */
export interface ServedPrecision {
  readonly precision: string;
  readonly lossOf: (name: string, version: string) => Promise<PrecisionLoss | undefined>;
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

export async function modelInfo(
  served: ServedModel,
  limits: PublishedLimits,
  { precision, lossOf }: ServedPrecision,
): Promise<MessageInitShape<typeof ModelInfoSchema>> {
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
    precision,
    precisionLosses: precisionLosses(manifest, await lossOf(served.name, served.version), precision),
    state: ModelState.SERVING,
    failure: served.failure,
  };
}

/** What is known of a name under which nothing answers. */
export function absentModelInfo({ name, isDefault, outage }: AbsentModel): MessageInitShape<typeof ModelInfoSchema> {
  const { version, state, failure } = outage;
  return { name, version, isDefault, ready: false, state: OUTAGE_STATES[state], failure: failure?.reason ?? "" };
}

export const OUTAGE_STATES: Readonly<Record<Outage["state"], ModelState>> = {
  loading: ModelState.LOADING,
  failed: ModelState.FAILED,
  standby: ModelState.STANDBY,
};

function headInfo(head: Head) {
  const base = { name: head.name, kind: HEAD_KINDS[head.kind] };
  if (head.kind !== "classification") return base;
  const { problemType, labels, temperature, thresholds = [] } = head;
  return {
    ...base,
    problemType: PROBLEM_TYPES[problemType],
    labels: [...labels],
    takesCandidateLabels: infersEntailment(head),
    thresholds: [...thresholds],
    ...(temperature === undefined ? {} : { temperature }),
  };
}

type LossMessage = MessageInitShape<typeof PrecisionLossSchema>;

/**
 * Of the stored weights, as the manifest says, and of the products, as the gate found, else as their scales were measured.
 *
 * @param serving  what products are computed in here, where that is known
 */
export function precisionLosses(
  { lineage }: ModelManifest,
  ofProducts: PrecisionLoss | undefined,
  serving = "int8",
): LossMessage[] {
  const { converted, quantised } = lineage ?? {};
  const ofWeights =
    converted?.measured === undefined ? [] : [lossMessage("weights", converted.weights, converted.measured)];
  if (ofProducts !== undefined) return [...ofWeights, precisionLossMessage(ofProducts)];
  return quantised?.measured === undefined || serving !== "int8"
    ? ofWeights
    : [...ofWeights, lossMessage("products", "int8", quantised.measured)];
}

export function precisionLossMessage(loss: PrecisionLoss): LossMessage {
  return lossMessage("products", loss.precision, loss);
}

function lossMessage(
  of: string,
  format: string,
  { task, examples, changedAnswers, before, after }: AnswerLoss,
): LossMessage {
  return { of, format, task, examples, changedAnswers, before: { ...before }, after: { ...after } };
}
