import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { AlbertError, corrupt } from "../../errors.ts";
import { replaceFile } from "../../platform/atomic-files.ts";
import { makeDirectory } from "../../platform/directories.ts";
import type { FineTuneSpec } from "../fine-tune.ts";
import type { Figures, Standing } from "./decide.ts";
import type { SweepPlan } from "./sweep.ts";

// The file that says how far a sweep of this machine is: the table of its trials, and all that a later run needs to go on.

/** The name of that file in a sweep's work directory. */
export const SWEEP_FILE = "sweep.json";

/** One trial as the file has it. */
export interface TrialState {
  readonly number: number;
  readonly settings: Readonly<Record<string, string>>;
  readonly state: Standing["state"];
  /** Figures at each rung. */
  readonly judged: readonly Figures[];
  /** Steps it was trained for. */
  readonly step: number;
  /** Why it failed; absent where it did not. */
  readonly failed?: string;
}

/** The contents of the file. */
export interface SweepState {
  readonly form: 1;
  /** Digest of what was asked: a directory belongs to one sweep. */
  readonly asked: string;
  /** Name of the metric that trials are compared by; empty before the first judgement. */
  readonly metric: string;
  readonly rungs: SweepPlan["rungs"];
  readonly trials: readonly TrialState[];
  /** The best trial so far. */
  readonly best?: number;
}

/** What becomes of a trial. */
export type TrialChange = Partial<Pick<TrialState, "state" | "step" | "failed">> & { readonly judgement?: Figures };

/** An open file: each change is on the disk when it resolves. */
export interface OpenSweepState {
  readonly state: SweepState;
  change(trial: number, change: TrialChange, metric?: string): Promise<void>;
  setBest(trial: number | undefined): Promise<void>;
}

/**
 * Opens the state of a sweep in a directory, or makes it.
 *
 * @param specs  of its trials, in order
 * @throws AlbertError precondition (OUTPUT_NOT_EMPTY) for another sweep's, or one that is not to be resumed
 */
export async function openSweepState(
  directory: string,
  plan: SweepPlan,
  specs: readonly FineTuneSpec[],
  resume: boolean,
): Promise<OpenSweepState> {
  const path = join(directory, SWEEP_FILE);
  const asked = askedOf(plan, specs);
  const found = await readState(path);
  if (found !== undefined && !resume) throw notEmpty("holds a sweep: resume it, or choose another directory");
  if (found !== undefined && found.asked !== asked) {
    throw notEmpty(
      "holds a sweep of other settings, data or start: repeat it as it was asked, or choose another directory",
    );
  }
  let state: SweepState = found ?? {
    ...{ form: 1, asked, metric: "", rungs: plan.rungs },
    trials: plan.trials.map((trial) => ({ ...trial, state: "missing", judged: [], step: 0 })),
  };
  const save = async (next: SweepState) => {
    await replaceFile(path, `${JSON.stringify(next, null, 2)}\n`);
    state = next;
  };
  await makeDirectory(directory);
  await save(state);
  return {
    get state() {
      return state;
    },
    async change(number, { judgement, ...change }, metric = state.metric) {
      const trials = state.trials.map((trial) =>
        trial.number === number
          ? { ...trial, ...change, judged: judgement === undefined ? trial.judged : [...trial.judged, judgement] }
          : trial,
      );
      await save({ ...state, metric, trials });
    },
    async setBest(best) {
      if (best !== undefined && best !== state.best) await save({ ...state, best });
    },
  };
}

/** How its trials stand. */
export function standingsOf({ trials }: SweepState): readonly Standing[] {
  return trials.map(({ number, state, judged }) => ({ number, state, judged }));
}

async function readState(path: string): Promise<SweepState | undefined> {
  const text = await readFile(path, "utf8").catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return undefined;
    throw error;
  });
  if (text === undefined) return undefined;
  try {
    const state = JSON.parse(text) as SweepState; // checked below as far as it is used
    if (state.form === 1 && Array.isArray(state.trials)) return state;
  } catch {
    // said below
  }
  throw corrupt(`${SWEEP_FILE} in the work directory is not one that a sweep writes: remove it, or choose another`, {
    reason: "RECORD_CORRUPT",
  });
}

/** Everything that decides the result, but for where files lie and what computes. */
function askedOf({ rungs }: SweepPlan, specs: readonly FineTuneSpec[]): string {
  const parts = specs.map(({ data, version, start, given }) => ({ data, version, start, given }));
  return createHash("sha256")
    .update(JSON.stringify([rungs, parts]))
    .digest("hex");
}

function notEmpty(what: string): AlbertError {
  return new AlbertError("precondition", `the work directory ${what}`, { reason: "OUTPUT_NOT_EMPTY" });
}
