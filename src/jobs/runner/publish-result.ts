import { isAbsolute, join, relative } from "node:path";
import type { JobRecord } from "../job-record.ts";
import type { WorkProduct } from "../job-runner.ts";
import type { JobResult } from "../job-state.ts";
import type { GateVerdict, Publication } from "./model-publisher.ts";

/**
 * Stores what a job made, has the gate judge it and promotes it, as the job's policy says. Whatever an earlier attempt, which
 * the end of a server cut short, has in the log already is not repeated.
 *
 * @param signal  aborting it ends the gate's work
 * @throws whatever storing, judging or promoting throws; the signal's reason
 */
export async function finishJob(
  record: JobRecord,
  { metrics, stoppedBy, modelDirectory, file }: WorkProduct,
  publication: Publication,
  signal: AbortSignal,
): Promise<JobResult> {
  let result: JobResult = { metrics, ...(stoppedBy === undefined ? {} : { stoppedBy }) };
  if (file !== undefined) result = { ...result, dataset: await keep(record, file, metrics, publication) };
  if (modelDirectory === undefined) return result;
  return { ...result, ...(await publish(record, modelDirectory, publication, signal)) };
}

/** Notes in the log that a job's work is done, so that nothing but its publication is left whatever happens. */
export async function noteProduct(record: JobRecord, product: WorkProduct): Promise<void> {
  if (record.job.product !== undefined) return;
  const summary = "its work is done; what it made is to be kept";
  await record.append({ kind: "result_ready", summary, detail: { ...placed(product, record.directory, relative) } });
}

/** What an earlier attempt at a job made, if the log has it. */
export function knownProduct({ job, directory }: JobRecord): WorkProduct | undefined {
  const at = (from: string, path: string) => (isAbsolute(path) ? path : join(from, path));
  return job.product === undefined ? undefined : placed(job.product, directory, at);
}

/** The log names files as they lie in the job's directory, which may be moved while no server works on it. */
function placed(
  product: WorkProduct,
  directory: string,
  place: (directory: string, path: string) => string,
): WorkProduct {
  const { modelDirectory, file, ...rest } = product;
  return {
    ...rest,
    ...(modelDirectory === undefined ? {} : { modelDirectory: place(directory, modelDirectory) }),
    ...(file === undefined ? {} : { file: { ...file, path: place(directory, file.path) } }),
  };
}

async function keep(
  record: JobRecord,
  file: NonNullable<WorkProduct["file"]>,
  metrics: JobResult["metrics"],
  publication: Publication,
): Promise<string> {
  const digest = await publication.keep(file);
  if (record.job.dataset !== digest) {
    const summary = `${file.name} stored as dataset ${digest}`;
    const detail = { digest, name: file.name };
    await record.append({ kind: "dataset_stored", summary, progress: { metrics }, detail });
  }
  return digest;
}

async function publish(
  record: JobRecord,
  modelDirectory: string,
  publication: Publication,
  signal: AbortSignal,
): Promise<Pick<JobResult, "modelVersion" | "gateReport">> {
  const { version } = await publication.publish(record.job, modelDirectory);
  if (record.job.modelVersion !== version) {
    await record.append({ kind: "published", summary: `published as ${version}`, detail: { version } });
  }
  const verdict = await judge(record, { version, modelDirectory }, publication, signal);
  signal.throwIfAborted();
  const promotes = record.job.spec.promote === "auto-if-better" && verdict.verdict === "pass" && verdict.better;
  if (promotes && !record.job.promoted) {
    if (await publication.promote(record.job, version, verdict)) {
      await record.append({ kind: "promoted", summary: `${version} is the champion`, detail: { version } });
    } else {
      const summary = `${version} was not promoted: the champion changed since the gate compared them`;
      await record.append({ kind: "warning", summary, detail: { version } });
    }
  }
  return { modelVersion: version, gateReport: record.job.gateReport };
}

/** A gate's verdict as the log keeps it. */
type Known = Pick<GateVerdict, "verdict" | "better"> & GateVerdict["report"];

async function judge(
  record: JobRecord,
  published: { readonly version: string; readonly modelDirectory: string },
  publication: Publication,
  signal: AbortSignal,
): Promise<GateVerdict> {
  const known = record.job.gateReport;
  if (known !== "") {
    const { verdict, better, ...report } = JSON.parse(known) as Known; // written below
    return { verdict, better, report };
  }
  const judged = await publication.judge(record.job, published, signal);
  const { verdict, better, report } = judged;
  const detail: Known = { ...report, verdict, better };
  await record.append({ kind: "gate_result", summary: `gate: ${verdict}${better ? ", better" : ""}`, detail });
  return judged;
}
