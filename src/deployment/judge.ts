import { createHash } from "node:crypto";
import { AlbertError, invalidInput } from "../errors.ts";
import type { Head, ProblemType } from "../model/heads.ts";
import type { Model } from "../model/model-directory.ts";
import type { Engine } from "../runtime/engine.ts";
import { CHAMPION } from "../store/aliases.ts";
import type { Store } from "../store/store.ts";
import { type ModelVersion, versionName } from "../store/versions.ts";
import { type Example, headKindsOf, type TaskName } from "../tasks/datasets/examples.ts";
import { evaluateDataset } from "../tasks/evaluation/evaluate-dataset.ts";
import { selectHead, type TaskModel, taskModel } from "../tasks/plan.ts";
import { compareOnSet, GATE_RULES, type GateRules, totals } from "./gate.ts";
import type { GateReport } from "./gate-report.ts";
import { type Scored, scoreExamples } from "./measures.ts";

/** A frozen set on which versions are compared. */
export interface EvaluationSet {
  /** sha256, hex. */
  readonly digest: string;
  readonly examples: () => AsyncIterable<Example>;
}

export interface JudgeOptions {
  readonly store: Store;
  readonly openModel: (directory: string) => Promise<Model>;
  /** Builds the graph that would serve. */
  readonly createEngine: (model: Model) => Promise<Engine>;
  readonly rules?: GateRules;
}

/** What is to be judged, and by what. */
export interface Exam {
  readonly candidate: ModelVersion;
  readonly task: TaskName;
  /** @param head  the candidate's that answers the task: how rows are read may depend on it */
  readonly set: (head: Head) => Promise<EvaluationSet>;
}

/**
 * Lets a version and the present champion answer the same set through the serving graph, and compares them. Without a
 * champion, or when the candidate is it, whatever can be evaluated passes. A champion that cannot answer the set makes the
 * verdict inconclusive: a person must decide about replacing it.
 *
 * @throws AlbertError precondition (HEAD_MISSING) when the candidate has no head for the task; invalid-input for a set that
 *   does not fit
 */
export async function judge(options: JudgeOptions, { candidate, task, set: readSet }: Exam): Promise<GateReport> {
  const { store, rules = GATE_RULES } = options;
  const opened = await openVersion(options, candidate);
  const set = await readSet(selectHead(taskModel(opened), headKindsOf(task), undefined));
  const own = await answer(options, opened, task, set);
  if (own.set.examples === 0) throw invalidInput([{ field: "dataset", description: "holds no examples" }]);
  const alias = await store.aliases.get(candidate.model, CHAMPION);
  const base = {
    ...(alias === undefined ? {} : { champion: alias.version }),
    metric: own.measure.metric,
    candidateValue: own.measure.value(totals(own.set, own.measure.width)),
    examples: own.set.examples,
    dataset: set.digest,
  };
  if (alias === undefined || alias.version === candidate.version) {
    const finding = alias === undefined ? "there is no champion to compare with" : "this version is the champion";
    const verdict = { verdict: "pass", better: alias === undefined, findings: [finding] } as const;
    return { id: reportId(candidate, undefined, set, rules), ...base, ...verdict };
  }
  const champion = await store.versions.get(candidate.model, alias.version);
  const id = reportId(candidate, champion, set, rules);
  const other = await answerIfAble(options, champion, task, set);
  if (!("measure" in other)) {
    const finding = `champion ${versionName(champion)} cannot answer this set: ${other.message}`;
    return { id, ...base, verdict: "inconclusive", better: false, findings: [finding] };
  }
  if (other.measure.metric !== own.measure.metric) {
    const finding = `champion ${versionName(champion)} is measured by ${other.measure.metric}`;
    return { id, ...base, verdict: "inconclusive", better: false, findings: [finding] };
  }
  const comparison = await compareOnSet(own.measure, other.set, own.set, rules);
  const compared = `compared with champion ${versionName(champion)}`;
  return { id, ...base, ...comparison, findings: [compared, ...comparison.findings] };
}

/** How rows of a user's own classification data are read: as the head that answers them was trained. */
export function problemTypeOf(head: Head): ProblemType | undefined {
  return head.kind === "classification" ? head.problemType : undefined;
}

/** What a champion answers, or why it cannot: it may have other heads, or other labels. */
async function answerIfAble(
  options: JudgeOptions,
  champion: ModelVersion,
  task: TaskName,
  set: EvaluationSet,
): Promise<Scored | AlbertError> {
  try {
    return await answer(options, await openVersion(options, champion), task, set);
  } catch (error) {
    if (error instanceof AlbertError && (error.code === "invalid-input" || error.code === "precondition")) return error;
    throw error;
  }
}

async function answer(
  { createEngine }: JudgeOptions,
  model: Model,
  task: TaskName,
  set: EvaluationSet,
): Promise<Scored> {
  const tasks: TaskModel = taskModel(model);
  const head = selectHead(tasks, headKindsOf(task), undefined);
  const seen: Example[] = [];
  async function* remembered() {
    for await (const example of set.examples()) {
      seen.push(example);
      yield example;
    }
  }
  const engine = await createEngine(model);
  try {
    const { nullThreshold } = tasks;
    const evaluation = await evaluateDataset(engine, tasks, task, remembered(), {
      ...(nullThreshold === undefined ? {} : { nullThreshold }), // the one it would serve with
    });
    return scoreExamples(task, seen, evaluation, head.kind === "classification" ? head : undefined);
  } finally {
    await engine.close();
  }
}

async function openVersion({ store, openModel }: JudgeOptions, version: ModelVersion): Promise<Model> {
  return openModel(await store.versions.materialise(version));
}

/** The same judgement has the same id. */
function reportId(
  candidate: ModelVersion,
  champion: ModelVersion | undefined,
  set: EvaluationSet,
  rules: GateRules,
): string {
  const parts = [candidate.digest, champion?.digest ?? "", set.digest, rules];
  return createHash("sha256").update(JSON.stringify(parts)).digest("hex").slice(0, 16);
}
