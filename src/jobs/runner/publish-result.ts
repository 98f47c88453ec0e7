import { readdir, rm } from "node:fs/promises";
import { isAbsolute, join, relative } from "node:path";
import type { Job } from "../job.ts";
import type { JobProduct } from "../job-outcome.ts";
import type { JobResult } from "../job-state.ts";
import type { JobWriter } from "../log/job-record.ts";
import { MODEL_DIRECTORY, WORK_DIRECTORY } from "./job-control.ts";

// Stores the result of a job, runs the gate on it, and promotes it. Each step is in the job's log before the next, so
// that none is repeated after a crash.

/** What the gate found about a new version. */
export interface GateVerdict {
  readonly verdict: "pass" | "fail" | "inconclusive";
  /** Better than the champion beyond chance, or there is none to compare with. */
  readonly better: boolean;
  readonly report: Readonly<Record<string, unknown>>;
}

/** What happens to a finished model; the composition root connects it with the store and with serving. */
export interface ModelPublisher {
  /** Keeps a file as a dataset; keeping the same bytes again gives the dataset that exists. @returns its digest */
  keep(file: { readonly name: string; readonly path: string }): Promise<string>;
  /** Keeps an evaluation report, a file, with a stored version; keeping the same again changes nothing. */
  keepReport(version: string, path: string): Promise<void>;
  /** Stores the directory as the model's next version; storing the same content again gives the version that exists. */
  publish(job: Job, modelDirectory: string): Promise<{ readonly version: string }>;
  /**
   * Compares the version with the champion on the job's evaluation data, and keeps the report with the version.
   *
   * @param signal  aborted when the job is to stop; then it rejects soon, and keeps nothing
   */
  runGate(
    job: Job,
    published: { readonly version: string; readonly modelDirectory: string },
    signal: AbortSignal,
  ): Promise<GateVerdict>;
  /**
   * Makes the version the champion, if the champion still is the one that the verdict compares with. Does nothing when the
   * version is the champion already.
   *
   * @returns whether it is the champion now
   */
  promoteIfUnchanged(job: Job, version: string, verdict: GateVerdict): Promise<boolean>;
}

/**
 * Stores what a job made, runs the gate on it and promotes it, as the job's policy says. Whatever an earlier attempt, which
 * the end of a server cut short, has in the log already is not repeated.
 *
 * @param signal  aborting it ends the gate's work
 * @throws whatever storing, the gate or promoting throws; the signal's reason
 */
export async function publishResult(
  record: JobWriter,
  { metrics, stoppedBy, modelDirectory, file, report }: JobProduct,
  publisher: ModelPublisher,
  signal: AbortSignal,
): Promise<JobResult> {
  let result: JobResult = { metrics, ...(stoppedBy === undefined ? {} : { stoppedBy }) };
  if (report !== undefined) await publisher.keepReport(report.version, report.path);
  if (file !== undefined) result = { ...result, dataset: await keep(record, file, metrics, publisher) };
  if (modelDirectory === undefined) return result;
  return { ...result, ...(await publish(record, modelDirectory, publisher, signal)) };
}

/** Records in the log that a job's run is done, so that nothing but its publication is left whatever happens. */
export async function recordProduct(record: JobWriter, product: JobProduct): Promise<void> {
  if (record.job.product !== undefined) return;
  const summary = "its work is done; what it made is to be kept";
  await record.append({ kind: "result_ready", summary, detail: { ...placed(product, record.directory, relative) } });
}

/** What an earlier attempt at a job made, if the log has it. */
export function earlierProduct({ job, directory }: JobWriter): JobProduct | undefined {
  const at = (from: string, path: string) => (isAbsolute(path) ? path : join(from, path));
  return job.product === undefined ? undefined : placed(job.product, directory, at);
}

/** The log names files as they lie in the job's directory, which may be moved while no server works on it. */
function placed(
  product: JobProduct,
  directory: string,
  place: (directory: string, path: string) => string,
): JobProduct {
  const { modelDirectory, file, report, ...rest } = product;
  return {
    ...rest,
    ...(modelDirectory === undefined ? {} : { modelDirectory: place(directory, modelDirectory) }),
    ...(file === undefined ? {} : { file: { ...file, path: place(directory, file.path) } }),
    ...(report === undefined ? {} : { report: { ...report, path: place(directory, report.path) } }),
  };
}

async function keep(
  record: JobWriter,
  file: NonNullable<JobProduct["file"]>,
  metrics: JobResult["metrics"],
  publisher: ModelPublisher,
): Promise<string> {
  const digest = await publisher.keep(file);
  if (record.job.dataset !== digest) {
    const summary = `${file.name} stored as dataset ${digest}`;
    const detail = { digest, name: file.name };
    await record.append({ kind: "dataset_stored", summary, progress: { metrics }, detail });
  }
  return digest;
}

async function publish(
  record: JobWriter,
  modelDirectory: string,
  publisher: ModelPublisher,
  signal: AbortSignal,
): Promise<Pick<JobResult, "modelVersion" | "gateReport">> {
  const { version } = await publisher.publish(record.job, modelDirectory);
  if (record.job.modelVersion !== version) {
    await record.append({ kind: "published", summary: `published as ${version}`, detail: { version } });
  }
  const verdict = await gateVerdict(record, { version, modelDirectory }, publisher, signal);
  signal.throwIfAborted();
  if (record.job.spec.promote === "auto-if-better") await promoteIfBetter(record, version, verdict, publisher);
  return { modelVersion: version, gateReport: record.job.gateReport };
}

/** Makes the version the champion, or says in the log why it does not. */
async function promoteIfBetter(
  record: JobWriter,
  version: string,
  verdict: GateVerdict,
  publisher: ModelPublisher,
): Promise<void> {
  if (record.job.promoted || record.job.notPromoted !== "") return;
  let why = reasonAgainst(verdict);
  if (why === undefined) {
    if (await publisher.promoteIfUnchanged(record.job, version, verdict)) {
      await record.append({ kind: "promoted", summary: `${version} is the champion`, detail: { version } });
      return;
    }
    why = "the champion changed since the gate compared them";
  }
  await record.append({
    kind: "not_promoted",
    summary: `${version} was not promoted: ${why}`,
    detail: { version, why },
  });
}

/** Why the policy `auto-if-better` leaves the champion as it is; undefined where it does not. */
function reasonAgainst({ verdict, better, report }: GateVerdict): string | undefined {
  if (verdict === "pass" && better) return undefined;
  const found =
    verdict === "pass" ? "the gate does not show that it is better than the champion" : `the gate is ${verdict}`;
  const { findings = [] } = report as { readonly findings?: readonly string[] };
  return [found, ...findings].join("; ");
}

/** A gate's verdict as the log keeps it. */
type Known = Pick<GateVerdict, "verdict" | "better"> & GateVerdict["report"];

async function gateVerdict(
  record: JobWriter,
  published: { readonly version: string; readonly modelDirectory: string },
  publisher: ModelPublisher,
  signal: AbortSignal,
): Promise<GateVerdict> {
  const known = record.job.gateReport;
  if (known !== "") {
    const { verdict, better, ...report } = JSON.parse(known) as Known; // written below
    return { verdict, better, report };
  }
  const found = await publisher.runGate(record.job, published, signal);
  const { verdict, better, report } = found;
  const detail: Known = { ...report, verdict, better };
  await record.append({ kind: "gate_result", summary: `gate: ${verdict}${better ? ", better" : ""}`, detail });
  return found;
}

/** What a job needs until it has succeeded and is of no use afterwards: its model and its file are in the store by then. */
const SPENT = [
  MODEL_DIRECTORY,
  join(WORK_DIRECTORY, "checkpoints"), // where `training/` and `pretraining/` put them
  join(WORK_DIRECTORY, "instances.tf_record"),
];

/** Frees the disk that a job which has succeeded does not need any more; its log and results stay. */
export async function removeSpentFiles(directory: string): Promise<void> {
  const work = join(directory, WORK_DIRECTORY);
  const found = await readdir(work, { withFileTypes: true }).catch(() => []);
  // Of several runs each has a folder of its own.
  const runs = found.filter((entry) => entry.isDirectory());
  const checkpoints = runs.map(({ name }) => join(WORK_DIRECTORY, name, "checkpoints"));
  for (const path of [...SPENT, ...checkpoints]) await rm(join(directory, path), { recursive: true, force: true });
}
