import { createHash } from "node:crypto";
import { AlbertError } from "../errors.ts";
import type { SweepSpec } from "../training/sweeps/sweep.ts";

// What a caller asks of a job, as plain data, and its digest.

/** What a job does. */
export type JobKind =
  | "fine-tune"
  | "distil"
  | "pretrain"
  | "evaluate"
  | "convert"
  | "calibrate"
  | "quantise"
  | "sweep"
  | "train-vocabulary"
  | "pretraining-data";

/** What happens to the model a job made: a person promotes it, or the gate does. */
export type PromotePolicy = "manual" | "auto-if-better";

/** One source of rows: a stored dataset version, or a file below a configured root. */
export type DataSource =
  | { readonly kind: "dataset"; readonly digest: string }
  | { readonly kind: "path"; readonly path: string };

/** A source of rows with its share of what is drawn from several. */
export interface WeightedSource {
  readonly source: DataSource;
  readonly weight: number;
}

/** Which trial of a sweep a job is. */
export interface TrialOf {
  /** Id of the sweep's job. */
  readonly sweep: string;
  /** From 1. */
  readonly number: number;
  /** Of its own steps: where it is judged and waits for its sweep, in order; the last one is 1. */
  readonly shares: readonly number[];
}

/** A job's specification. It is checked as a whole and never changes. */
export interface JobSpec {
  readonly kind: JobKind;
  /** Name of the model whose versions this job adds to. */
  readonly model: string;
  /** Task of a fine-tune, sweep, distillation, evaluation, conversion or calibration; empty for other kinds. */
  readonly task: string;
  /** Where the weights start: a version ("name@7"), an alias ("name/champion") or a digest. Empty: the champion of `model`. */
  readonly init: string;
  /** Of a distillation, or a pretraining that has one: the version that is learnt from, as `init` is named. */
  readonly teacher?: string;
  readonly train?: DataSource;
  /** Further training data of a fine-tune or distillation, and the weight of `train`: shares of what is drawn. */
  readonly mix?: { readonly weight: number; readonly further: readonly WeightedSource[] };
  /** Absent: a stable split of the training data. */
  readonly eval?: DataSource;
  /** Of a distillation: texts without labels. */
  readonly unlabelled?: DataSource;
  /** Recipe values by their command-line names, as text. */
  readonly recipe: Readonly<Record<string, string>>;
  readonly seed: number;
  readonly promote: PromotePolicy;
  /** Higher runs first. */
  readonly priority: number;
  /** Bounds; reaching one ends the job as succeeded with `stoppedBy`. 0: none. */
  readonly maxWallSeconds: number;
  readonly maxSteps: number;
  /** Of a sweep: what it tries; all else is what its trials have in common. */
  readonly sweep?: SweepSpec;
  /** Of a trial of a sweep, which the sweep made. */
  readonly trial?: TrialOf;
  /** Free labels, returned unchanged. */
  readonly labels: Readonly<Record<string, string>>;
}

/** sha256 (hex) of a specification, whatever the order of its keys: equal content has an equal digest. */
export function specDigest(spec: JobSpec): string {
  return createHash("sha256").update(canonicalJson(spec)).digest("hex");
}

/** The refusal of a request id that made another job. */
export function requestIdReused(job: string, existing: string, given: string): AlbertError {
  return new AlbertError("already-exists", "this request id created a job with another specification", {
    reason: "REQUEST_ID_REUSED",
    metadata: { job, existing_digest: existing, given_digest: given },
  });
}

function canonicalJson(value: unknown): string {
  return JSON.stringify(value, (_, nested: unknown) =>
    typeof nested === "object" && nested !== null && !Array.isArray(nested)
      ? Object.fromEntries(Object.entries(nested).sort(([a], [b]) => (a < b ? -1 : 1)))
      : nested,
  );
}
