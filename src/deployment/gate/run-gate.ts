import { createHash } from "node:crypto";
import { performance } from "node:perf_hooks";
import { defaultHeapBytes, inThread, type ThreadHost } from "../../platform/threads/hosted-thread.ts";
import { callThread } from "../../platform/threads/worker-rpc.ts";
import { GATE_RULES, type GateRules } from "../../report/comparison/compare.ts";
import { differenceInWords } from "../../report/comparison/words.ts";
import type { EvaluationReport } from "../../report/evaluation-report.ts";
import type { EngineOptions } from "../../runtime/packed-engine.ts";
import { CHAMPION } from "../../store/aliases.ts";
import type { Store } from "../../store/store.ts";
import { type ModelVersion, versionName } from "../../store/versions.ts";
import { saysTrivial } from "../../training/evaluation/findings.ts";
import type { Task } from "../../training/settings/recipes.ts";
import type { EvaluationData } from "./evaluation-data.ts";
import type { GateEvaluation, GateEvaluationResult } from "./gate-evaluation.ts";
import { type GateReport, keepGateReport } from "./gate-report.ts";
import { keepEvaluation } from "./kept-reports.ts";

// Runs the gate for one version: finds what it replaces, evaluates both on the gate's thread, and writes the report. It promotes
// nothing.

export interface GateOptions {
  readonly store: Store;
  /** What would serve. */
  readonly engine: () => Promise<Pick<EngineOptions, "device" | "precision" | "threads">>;
  readonly rules?: GateRules;
  /** Whether the gate yields to other threads, such as those that serve. */
  readonly background: boolean;
  /** Where the gate's thread runs; default: in this process, with the heap that jobs get by default. */
  readonly host?: ThreadHost;
  /** Receives each report, and when its comparison began, on the clock of `performance.now()`. */
  readonly onReport?: (report: GateReport, startedAt: number) => void;
}

/** The version that may take over, and what it is evaluated on. */
export interface GateInput {
  readonly candidate: ModelVersion;
  readonly task: Task;
  readonly data: EvaluationData;
  /** A file that the version was trained on, where it is not the one that it is evaluated on. */
  readonly training?: string;
  /** What the run that made it found, for the reader of the report. */
  readonly ofRun?: readonly string[];
}

/**
 * Lets a version and the present champion answer the same set through the serving graph, on a thread of their own, and
 * compares them. Without a champion, or when the candidate is it, whatever answers better than without reading the texts
 * passes. What does not, and a champion that cannot answer the set, make the verdict inconclusive: a person must decide. A
 * candidate that has learnt nothing is never better than a champion.
 *
 * @param signal  aborting it ends the gate after the batch in hand
 * @throws AlbertError precondition (HEAD_MISSING) when the candidate has no head for the task; invalid-input for a set that
 *   does not fit; too-large (WORK_TOO_LARGE)
 */
export async function runGate(options: GateOptions, input: GateInput, signal: AbortSignal): Promise<GateOutcome> {
  const startedAt = performance.now();
  const outcome = await evaluateAndCompare(options, input, signal);
  options.onReport?.(outcome.report, startedAt);
  return outcome;
}

/** What the gate found: its judgement, and where the version is wrong. */
export interface GateOutcome {
  readonly report: GateReport;
  readonly evaluation: EvaluationReport;
}

/** Keeps both with the version that they are about. @throws AlbertError as `Versions.attachReport` */
export async function keepOutcome(
  { versions }: Pick<Store, "versions">,
  candidate: Pick<ModelVersion, "model" | "version">,
  { report, evaluation }: GateOutcome,
): Promise<void> {
  await keepEvaluation(versions, candidate, evaluation);
  await keepGateReport(versions, candidate.model, candidate.version, report);
}

async function evaluateAndCompare(
  options: GateOptions,
  { candidate, task, data, training, ofRun = [] }: GateInput,
  signal: AbortSignal,
): Promise<GateOutcome> {
  const { store, engine, background, rules = GATE_RULES, host = inThread({ heapBytes: defaultHeapBytes() }) } = options;
  const alias = await store.aliases.get(candidate.model, CHAMPION);
  const champion =
    alias === undefined || alias.version === candidate.version
      ? undefined
      : await store.versions.get(candidate.model, alias.version);
  const request: GateEvaluation = {
    task,
    data,
    ...(training === undefined ? {} : { training }),
    rules,
    background,
    engine: await engine(),
    candidate: await store.versions.materialise(candidate),
    ...(champion === undefined ? {} : { champion: await store.versions.materialise(champion) }),
  };
  const entry = new URL("./gate-thread", import.meta.url);
  const {
    champion: outcome,
    trivial,
    evaluation: found,
    ...measured
  } = await callThread<GateEvaluation, GateEvaluationResult>(entry, import.meta.url, request, signal, host);
  const evaluation = { ...found, model: { name: versionName(candidate), digest: candidate.digest } };
  const { precision = "fp32" } = request.engine;
  const id = reportId(candidate, champion, measured.dataset, rules, precision);
  const result = { ...measured, ...(alias === undefined ? {} : { champion: alias.version }) };
  // The set that decides here may be another one than the run's: what is said of it replaces what the run said.
  const learnt = [...(trivial === undefined ? [] : [trivial]), ...ofRun.filter((found) => !saysTrivial(found))];
  if (champion === undefined || outcome === undefined) {
    const finding = alias === undefined ? "there is no champion to compare with" : "this version is the champion";
    const verdict = trivial === undefined ? "pass" : "inconclusive";
    const better = alias === undefined && trivial === undefined;
    return { report: { id, ...result, verdict, better, findings: [finding, ...learnt] }, evaluation };
  }
  if ("incomparable" in outcome) {
    const finding = `champion ${versionName(champion)} ${outcome.incomparable}`;
    const findings = [finding, ...learnt];
    return { report: { id, ...result, verdict: "inconclusive", better: false, findings }, evaluation };
  }
  const { comparison } = outcome;
  const compared = `compared with champion ${versionName(champion)}`;
  const better = comparison.better && trivial === undefined;
  const words = differenceInWords(comparison, [versionName(champion), versionName(candidate)]);
  const findings = [compared, words, ...comparison.findings, ...learnt];
  return { report: { id, ...result, ...comparison, better, findings }, evaluation };
}

/** The same evaluation has the same id. */
function reportId(
  candidate: ModelVersion,
  champion: ModelVersion | undefined,
  dataset: string,
  rules: GateRules,
  precision: string,
): string {
  const parts = [
    candidate.digest,
    champion?.digest ?? "",
    dataset,
    rules,
    ...(precision === "fp32" ? [] : [precision]),
  ];
  return createHash("sha256").update(JSON.stringify(parts)).digest("hex").slice(0, 16);
}
