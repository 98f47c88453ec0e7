import { mkdir, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { checkJobSpec } from "../../../src/jobs/check-job-spec.ts";
import { openJobService } from "../../../src/jobs/open-job-service.ts";
import { resolveFromStore } from "../../../src/jobs/runner/resolved-spec.ts";
import { ThreadJobRunner } from "../../../src/jobs/runner/thread-runner.ts";
import type { ThreadHost } from "../../../src/platform/threads/hosted-thread.ts";
import { openStore } from "../../../src/store/open-store.ts";
import { versionName } from "../../../src/store/versions.ts";
import { specOf } from "../fake-runner.ts";

const WORDS = "a fine and lovely film indeed dull tedious bore again";

/** A small data set and vocabulary below one dataset root. */
export async function writeData(root: string): Promise<void> {
  await mkdir(root, { recursive: true });
  await writeFile(
    join(root, "vocab.txt"),
    ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", ...WORDS.split(" ")].join("\n"),
  );
  const rows = Array.from({ length: 24 }, (_, i) =>
    i % 2 === 0
      ? `a fine and lovely film ${"indeed ".repeat(i % 5)}\t1`
      : `a dull and tedious bore ${"again ".repeat(i % 7)}\t0`,
  );
  await writeFile(join(root, "train.tsv"), ["sentence\tlabel", ...rows].join("\n"));
}

/** A fine-tune from random weights that takes a few seconds at most. */
export const TINY_JOB = specOf({
  train: { kind: "path", path: "train.tsv" },
  eval: { kind: "path", path: "train.tsv" },
  recipe: {
    random_init: "2x128",
    vocabulary: "vocab.txt",
    train_batch_size: "8",
    train_step: "12",
    save_checkpoints_steps: "2",
    max_seq_length: "32",
  },
});

/** Jobs over a directory store, worked on by real threads. */
export async function openJobs(directory: string, host?: ThreadHost) {
  const store = await openStore(join(directory, "store"));
  const runner = new ThreadJobRunner(
    resolveFromStore({
      store,
      cache: join(directory, "cache"),
      executor: { kind: "onnx", device: "cpu", threads: 1 },
      program: "test",
      resolvePath: async (path) => resolve(directory, "data", path),
    }),
    host === undefined ? {} : { host },
  );
  const service = await openJobService({
    directory: join(directory, "jobs"),
    runner,
    publisher: {
      keep: async ({ name, path }) => (await store.datasets.add(name, path)).digest,
      keepReport: async () => {},
      publish: async (job, modelDirectory) => ({
        version: versionName(await store.versions.publish(job.spec.model, modelDirectory)),
      }),
      runGate: async () => ({ verdict: "inconclusive", better: false, report: {} }),
      promoteIfUnchanged: async () => true,
    },
    checkSpec: checkJobSpec,
    ...(host === undefined ? { poisonKills: Number.POSITIVE_INFINITY } : {}), // kills of the server at any instant are tried
    onDefect: (error) => {
      throw error;
    },
  });
  return { store, service };
}

// Run by itself it is a process to be killed: it works on whatever jobs its directory holds until none is left.
if (process.argv[1] === import.meta.filename) {
  const { service } = await openJobs(process.argv[2]!);
  const [job] = service.list();
  process.stdout.write("opened\n");
  for await (const event of service.watch(job!.id, 0)) {
    if (event.kind === "step_metrics") process.stdout.write("step\n");
  }
  await service.close();
}
