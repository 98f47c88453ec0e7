import { pack } from "tar-stream";
import { RunFormat } from "../../gen/albert/v1/training_pb.js";
import type { Job } from "../../jobs/job.ts";
import type { JobEvent } from "../../jobs/job-event.ts";
import { type CurvePoint, runCurves } from "../../jobs/log/run-curves.ts";
import { fileVersionRecord, scalarsRecord } from "../../training/tensorboard.ts";

// Writes the curves of jobs as files that other programs read.

/** A job and its log. */
export interface LoggedRun {
  readonly job: Job;
  /** Read when it is its turn. */
  readonly events: AsyncIterable<JobEvent>;
}

type RunFileWriter = (runs: readonly LoggedRun[]) => AsyncIterable<Uint8Array>;

/** What writes each format. */
export const RUN_FILES: Readonly<Partial<Record<RunFormat, RunFileWriter>>> = {
  [RunFormat.CSV]: inPieces(csv),
  [RunFormat.TENSORBOARD]: inPieces(tensorBoard),
};

/** One table for all runs. */
async function* csv(runs: readonly LoggedRun[]): AsyncGenerator<Uint8Array> {
  yield Buffer.from("run,model,curve,step,value,time\n");
  for (const { job, events } of runs) {
    const rows = (await curvesOf(events)).map(({ curve, step, value, timeMs }) =>
      [job.id, job.spec.model, curve, step, value, new Date(timeMs).toISOString()].map(cell).join(","),
    );
    yield Buffer.from(rows.map((row) => `${row}\n`).join(""));
  }
}

/** Quoted where RFC 4180 wants it. */
function cell(value: string | number): string {
  const text = String(value);
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

/** A directory a run, which is how TensorBoard tells runs apart. */
async function* tensorBoard(runs: readonly LoggedRun[]): AsyncGenerator<Uint8Array> {
  const archive = pack();
  const writing = (async () => {
    for (const { job, events } of runs) {
      const seconds = Math.floor(job.createdMs / 1000);
      const directory = `${job.spec.model.replaceAll(/[^\w.-]/g, "_")}-${job.id}`;
      const name = `${directory}/events.out.tfevents.${seconds}.${job.id}.albert`;
      const points = await curvesOf(events);
      const records = points.map(({ curve, step, value, timeMs }) =>
        scalarsRecord(timeMs / 1000, step, { [curve]: value }),
      );
      const file = Buffer.concat([fileVersionRecord(job.createdMs / 1000), ...records]);
      archive.entry({ name, mtime: new Date(job.updatedMs) }, file);
    }
    archive.finalize();
  })();
  writing.catch((error: Error) => archive.destroy(error));
  yield* archive as AsyncIterable<Uint8Array>;
  await writing;
}

async function curvesOf(events: AsyncIterable<JobEvent>): Promise<CurvePoint[]> {
  const all: JobEvent[] = [];
  for await (const event of events) all.push(event);
  return runCurves(all);
}

/** Well below what a message may hold. */
const PIECE_BYTES = 1 << 18;

/** The same bytes, in pieces that fit into messages. */
function inPieces(write: RunFileWriter): RunFileWriter {
  return async function* (runs) {
    for await (const bytes of write(runs)) {
      for (let at = 0; at < bytes.length; at += PIECE_BYTES) yield bytes.subarray(at, at + PIECE_BYTES);
    }
  };
}
