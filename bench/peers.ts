import { readFileSync, writeFileSync } from "node:fs";
import { setTimeout } from "node:timers/promises";
import { openModelDirectory } from "../src/model/directory/open-model-directory.ts";
import { availableThreads } from "../src/runtime/cpu-quota.ts";
import { type Engine, POOLED_OUTPUT } from "../src/runtime/engine.ts";
import { createEngine, type EngineOptions } from "../src/runtime/packed-engine.ts";
import { startPython } from "./python-lines.ts";
import { ratioChart } from "./ratio-chart.ts";
import { rounded, type Timing, timingOf } from "./timing.ts";

// A model here and in every other runtime that is installed, batch by batch in turn.

const ROUNDS = 7;
/** Threads of whoever ran last may still wait in a loop for their next work; they sleep by then. */
const SETTLE_MS = 60;
/** Texts of a batch that is taken from a file. */
const TEXTS = 32;

const same = (count: number, length: number) => Array.from({ length: count }, () => length);

/** Lengths of one batch each. */
const BATCHES: Readonly<Record<string, readonly number[]>> = {
  "1x16": [16],
  "1x128": [128],
  "8x128": same(8, 128),
  "32 of 8 to 128": Array.from({ length: 32 }, (_, index) => 8 + Math.round((index * 120) / 31)),
  "4x384": same(4, 384),
};

/** What we serve with; which of them run depends on the machine. */
const OURS: Readonly<Record<string, Pick<EngineOptions, "device" | "precision">>> = {
  "here fp32": { device: "cpu", precision: "fp32" },
  "here int8": { device: "cpu", precision: "int8" },
  "here OpenVINO fp32": { device: "openvino", precision: "fp32" },
  "here OpenVINO bf16": { device: "openvino", precision: "bf16" },
  "here OpenVINO int8": { device: "openvino", precision: "int8" },
};

/** Runs one batch and tells the milliseconds. */
type Subject = (lengths: readonly number[]) => Promise<number>;

/**
 * Forward passes over ids that are there already: this program on every device and precision of the processor, and
 * `serving_peers.py`, which runs the same model in every runtime that its Python has. Needs `--model DIR`, a directory that transformers opens too;
 * `--python PYTHON` for the others; `--texts FILE` adds a batch of 32 of the file's lines, as long as they are; `--chart FILE` draws the ratios.
 * What fails is reported with its reason, and the rest is measured all the same.
 */
export async function benchPeers(
  _: ReadonlySet<string>,
  { model: directory, python, texts, chart }: Readonly<Record<string, unknown>>,
): Promise<unknown> {
  if (typeof directory !== "string") return "not run: it needs --model, a directory that transformers opens too";
  const model = await openModelDirectory(directory);
  const threads = availableThreads();
  const subjects: Record<string, Subject> = {};
  const absent: Record<string, string> = {};
  const engines: Engine[] = [];
  for (const [name, options] of Object.entries(OURS)) {
    try {
      const engine = await createEngine(model, { ...options, threads, calibrationMs: 0 });
      engines.push(engine);
      subjects[name] = async (lengths) => {
        const sequences = lengths.map((length) => ({
          inputIds: Int32Array.from({ length }, (_value, i) => 5 + ((i * 7_919) % (model.config.vocabSize - 5))),
          tokenTypeIds: new Int32Array(length),
          outputs: [model.heads[0]?.name ?? POOLED_OUTPUT],
        }));
        const startedAt = performance.now();
        await engine.run(sequences);
        return performance.now() - startedAt;
      };
    } catch (error) {
      absent[name] = messageOf(error);
    }
  }
  const others = typeof python === "string" ? await startPeers(python, directory, threads) : undefined;
  if (others === undefined) absent["other runtimes"] = "no --python was given";
  Object.assign(subjects, others?.subjects);
  Object.assign(absent, others?.absent);
  const batches = { ...BATCHES, ...(typeof texts === "string" ? { texts: lengthsOf(texts, model) } : {}) };
  const results: Record<string, BatchTimes> = {};
  try {
    for (const [name, lengths] of Object.entries(batches)) {
      if (Math.max(...lengths) <= model.config.maxPositionEmbeddings) results[name] = await timed(subjects, lengths);
    }
  } finally {
    others?.stop();
    for (const engine of engines) await engine.close();
  }
  const ratios = ratiosOf(results);
  if (typeof chart === "string")
    writeFileSync(chart, ratioChart(`${model.manifest.name}: times as fast as others`, ratios));
  return { model: model.manifest.name, digest: model.digest, threads, absent, batches: results, timesAsFast: ratios };
}

/** Milliseconds of each subject, or why it failed. */
type BatchTimes = Readonly<Record<string, Timing | string>>;

async function timed(subjects: Readonly<Record<string, Subject>>, lengths: readonly number[]): Promise<BatchTimes> {
  const times = new Map<string, number[]>(Object.keys(subjects).map((name) => [name, []]));
  const failed: Record<string, string> = {};
  for (let round = -1; round < ROUNDS; round++) {
    for (const [name, list] of times) {
      await setTimeout(SETTLE_MS);
      try {
        const ms = await subjects[name]!(lengths);
        if (round >= 0) list.push(ms); // the round before only warms up
      } catch (error) {
        failed[name] = messageOf(error);
        times.delete(name);
      }
    }
  }
  return { ...Object.fromEntries([...times].map(([name, list]) => [name, timingOf(list)])), ...failed };
}

/** What is compared: our best form of a precision, by batch, over each other runtime of that precision. */
function ratiosOf(results: Readonly<Record<string, BatchTimes>>): Record<string, Record<string, number>> {
  const ratios: Record<string, Record<string, number>> = {};
  for (const [batch, times] of Object.entries(results)) {
    const entries = Object.entries(times).filter((entry): entry is [string, Timing] => typeof entry[1] !== "string");
    for (const [name, { best }] of entries) {
      if (name.startsWith("here ")) continue;
      const precision = name.split(" ").at(-1)!;
      const ours = entries.filter(([mine]) => mine.startsWith("here ") && mine.endsWith(precision));
      if (ours.length === 0) continue;
      ratios[name] = { ...ratios[name], [batch]: rounded(best / Math.min(...ours.map(([, timing]) => timing.best))) };
    }
  }
  return ratios;
}

async function startPeers(python: string, directory: string, threads: number) {
  const lines = startPython(python, "serving_peers.py", String(threads), directory);
  // The script is ours; it prints these.
  const { ready, absent } = (await lines.next()) as { ready: string[]; absent: Record<string, string> };
  const run =
    (peer: string): Subject =>
    async (lengths) => {
      const answer = (await lines.ask({ peer, lengths })) as { ms: number } | { error: string };
      if ("error" in answer) throw new Error(answer.error);
      return answer.ms;
    };
  return { subjects: Object.fromEntries(ready.map((peer) => [peer, run(peer)])), absent, stop: lines.stop };
}

/** Token counts of lines spread evenly over a file. */
function lengthsOf(file: string, { tokenizer, config }: Awaited<ReturnType<typeof openModelDirectory>>): number[] {
  const lines = readFileSync(file, "utf8")
    .split("\n")
    .filter((line) => line.trim() !== "");
  if (lines.length < TEXTS) throw new Error(`${file} has ${lines.length} lines; --texts needs ${TEXTS} or more`);
  return Array.from({ length: TEXTS }, (_, index) => {
    const line = lines[Math.floor((index * lines.length) / TEXTS)]!;
    return Math.min(tokenizer.tokenize(line).ids.length + 2, config.maxPositionEmbeddings);
  });
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
