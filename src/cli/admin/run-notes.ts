import { mkdir, writeFile } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { Readable } from "node:stream";
import { type Command, Option } from "commander";
import { extract } from "tar-stream";
import type { AdminClient } from "../../client/admin-client.ts";
import { CallError } from "../../client/call-error.ts";
import { AlbertError } from "../../errors.ts";
import { AnnotateJobResponseSchema, type Job, RunFormat } from "../../gen/albert/v1/training_pb.js";
import { refuseExisting } from "../new-output.ts";
import { type AdminFlags, addAdminOptions, print, withAdmin } from "./admin-call.ts";

// The commands of `albert jobs` about what people keep of runs: notes, tags, and curves as files.

interface NoteFlags extends AdminFlags {
  readonly append?: true;
  readonly clear?: true;
}

interface ExportFlags extends AdminFlags {
  readonly csv?: string;
  readonly tensorboard?: string;
}

/** Adds `note`, `tag`, `untag` and `export` to `albert jobs`. */
export function registerRunNotes(jobs: Command): void {
  addAdminOptions(jobs.command("note <job> [text...]").description("show or replace the note of a job"))
    .option("--append", "add the text as further lines of the note")
    .addOption(new Option("--clear", "remove the note").conflicts("append"))
    .action((jobId: string, words: readonly string[], flags: NoteFlags) =>
      withAdmin(flags, async (client) => printAnnotated(flags, await noted(client, jobId, words.join(" "), flags))),
    );
  for (const [verb, field] of [
    ["tag", "addTags"],
    ["untag", "removeTags"],
  ] as const) {
    const description = verb === "tag" ? "give a job tags" : "take tags from a job";
    addAdminOptions(jobs.command(`${verb} <job> <tag...>`).description(description)).action(
      (jobId: string, tags: readonly string[], flags: AdminFlags) =>
        withAdmin(flags, async ({ training }) => {
          const { job } = await training.annotateJob({ jobId, [field]: [...tags] });
          printAnnotated(flags, job!);
        }),
    );
  }
  addAdminOptions(jobs.command("export <job...>").description("write the curves of jobs as CSV or for TensorBoard"))
    .option("--csv <file>", "write a table: run, model, curve, step, value, time (default: to the terminal or pipe)")
    .addOption(
      new Option(
        "--tensorboard <directory>",
        "write an event file for each run, to open with `tensorboard --logdir`",
      ).conflicts("csv"),
    )
    .action((jobIds: readonly string[], flags: ExportFlags) =>
      withAdmin(flags, async (client) => {
        for (const path of await exported(client, jobIds, flags)) process.stderr.write(`wrote ${path}\n`);
      }),
    );
}

/** Tries to add to a note that others change meanwhile. */
const APPEND_TRIES = 5;

/** A job after what the flags want of its note. */
async function noted(
  { training }: AdminClient,
  jobId: string,
  text: string,
  { append, clear }: NoteFlags,
): Promise<Job> {
  if (clear && text !== "") {
    const message = "--clear removes the note and takes no text: give one of the two";
    throw new AlbertError("invalid-input", message, { reason: "FIELD_INVALID" });
  }
  if (clear) return (await training.annotateJob({ jobId, note: "" })).job!;
  if (text !== "" && !append) return (await training.annotateJob({ jobId, note: text })).job!;
  for (let left = APPEND_TRIES; ; left--) {
    const job = (await training.getJob({ jobId })).job!;
    if (text === "") return job;
    const note = job.note === "" ? text : `${job.note}\n${text}`;
    try {
      return (await training.annotateJob({ jobId, note, revision: job.annotationRevision })).job!;
    } catch (error) {
      if (!(error instanceof CallError) || error.reason !== "NOTES_CHANGED" || left === 1) throw error;
    }
  }
}

function printAnnotated(flags: AdminFlags, job: Job): void {
  print(flags, AnnotateJobResponseSchema, { $typeName: "albert.v1.AnnotateJobResponse", job }, () => [
    `${job.id}  ${job.tags.length === 0 ? "no tags" : job.tags.join(", ")}`,
    ...(job.note === "" ? [] : [job.note]),
  ]);
}

/** @returns the files that were written; none where the table went to the standard output */
async function exported(
  { training }: AdminClient,
  jobIds: readonly string[],
  { csv, tensorboard }: ExportFlags,
): Promise<readonly string[]> {
  if (csv !== undefined) await refuseExisting(csv);
  const format = tensorboard === undefined ? RunFormat.CSV : RunFormat.TENSORBOARD;
  const pieces: Uint8Array[] = [];
  for await (const { data } of training.exportRuns({ jobIds: [...jobIds], format })) pieces.push(data);
  if (tensorboard !== undefined) return unpack(pieces, tensorboard);
  const table = Buffer.concat(pieces);
  if (csv === undefined) {
    process.stdout.write(table);
    return [];
  }
  await writeFile(csv, table);
  return [csv];
}

/** Where a run's file lies in the archive that a server sends; no other name is written. */
const RUN_FILE = /^[\w.-]+\/events\.out\.tfevents\.[\w.-]+$/;

async function unpack(pieces: readonly Uint8Array[], directory: string): Promise<readonly string[]> {
  const archive = Readable.from(pieces).pipe(extract());
  const written: string[] = [];
  for await (const entry of archive) {
    const chunks: Uint8Array[] = [];
    for await (const chunk of entry) chunks.push(chunk as Uint8Array); // a stream without encoding yields buffers
    const { name } = entry.header;
    if (!RUN_FILE.test(name) || dirname(name).startsWith(".")) continue;
    const path = join(directory, basename(dirname(name)), basename(name));
    await mkdir(dirname(path), { recursive: true });
    await writeFile(path, Buffer.concat(chunks));
    written.push(path);
  }
  return written;
}
