import { execFileSync } from "node:child_process";
import {
  appendFileSync,
  cpSync,
  existsSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { drawn, type Mutant } from "./mutants.ts";
import { testsByDistance } from "./nearest-tests.ts";
import { runTestFile, type TestRun } from "./test-run.ts";

// Asks whether the tests would notice: makes sampled small wrong changes (mutants) in a copy of the working tree, one at a time, runs the
// tests nearest to each by the import graph, and tells which mutants no test failed for. Each outcome is written down as it comes, so a
// run that was cut goes on where it stopped; delete the results to begin anew.
//
//   node --import tsx scripts/mutation/mutate.ts [--seed 1] [--count 100] [--from 1] [--tests 5] [--seconds 90] [--minutes 60] [--again] [--results FILE]
//     [--rooms serving,jobs,store,training,deployment]
//
// --at src/room/file.ts:12 tries every mutant of one line instead of a sample. --again tries the survivors of earlier runs once more. `equivalent.json` lists mutants that change nothing that can be seen, each with
// its reason; they are not drawn.

const root = join(import.meta.dirname, "../..");
const { values } = parseArgs({
  options: {
    seed: { type: "string", default: "1" },
    count: { type: "string", default: "100" },
    from: { type: "string", default: "1" },
    tests: { type: "string", default: "5" },
    seconds: { type: "string", default: "90" },
    minutes: { type: "string", default: "60" },
    at: { type: "string" },
    again: { type: "boolean", default: false },
    results: { type: "string" },
    rooms: { type: "string", default: "serving,jobs,store,training,deployment" },
  },
});
const results = resolve(values.results ?? `mutants-${values.seed}.log`);

/** A test file judges a mutant only if it passes without it in half of this time. */
const LONGEST_RUN_MS = 120_000;

/** What became of a mutant; one line of the results. */
interface Outcome {
  readonly kind: "mutant";
  readonly id: string;
  readonly place: string;
  readonly killed: boolean;
  readonly runs: readonly TestRun[];
}

type Entry = Outcome | { readonly kind: "without a mutant"; readonly run: TestRun };

const entries: Entry[] = existsSync(results)
  ? readFileSync(results, "utf8")
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line) as Entry)
  : [];

function record(entry: Entry): void {
  entries.push(entry);
  appendFileSync(results, `${JSON.stringify(entry)}\n`);
}

function outcomes(): Outcome[] {
  return entries.flatMap((entry) => (entry.kind === "mutant" ? [entry] : []));
}

/** A copy of what git knows and does not ignore, with this tree's packages. */
function copyOfTree(): string {
  const copy = mkdtempSync(join(tmpdir(), "albert-mutants-"));
  const names = execFileSync("git", ["ls-files", "-co", "--exclude-standard"], { cwd: root, encoding: "utf8" });
  for (const name of names.trim().split("\n")) {
    if (existsSync(join(root, name))) cpSync(join(root, name), join(copy, name));
  }
  symlinkSync(join(root, "node_modules"), join(copy, "node_modules"));
  const fixtures = resolve(root, "../shared/fixtures");
  if (existsSync(fixtures)) process.env["ALBERT_FIXTURES"] ??= fixtures;
  return copy;
}

/** Whether the test file passes without a mutant, and in time. */
async function canJudge(copy: string, file: string): Promise<boolean> {
  const known = entries.findLast((entry) => entry.kind !== "mutant" && entry.run.file === file);
  if (known?.kind === "without a mutant") return known.run.outcome === "passed";
  const run = await runTestFile(copy, file, LONGEST_RUN_MS / 2);
  record({ kind: "without a mutant", run });
  return run.outcome === "passed";
}

/** Runs the tests nearest to the mutant until one fails or they have had their time. */
async function tryMutant(copy: string, mutant: Mutant, nearest: ReturnType<typeof testsByDistance>): Promise<Outcome> {
  const path = join(copy, mutant.file);
  const before = readFileSync(path, "utf8");
  const mutated = before.slice(0, mutant.from) + mutant.text + before.slice(mutant.to);
  const runs: TestRun[] = [];
  let killed = false;
  for (const file of nearest(mutant.file).slice(0, Number(values.tests))) {
    const spent = runs.reduce((sum, { seconds }) => sum + seconds, 0);
    if (killed || spent > Number(values.seconds)) break;
    writeFileSync(path, mutated);
    const run = await runTestFile(copy, file, LONGEST_RUN_MS);
    writeFileSync(path, before);
    if (run.outcome !== "passed" && !(await canJudge(copy, file))) continue;
    runs.push(run);
    killed = run.outcome !== "passed";
  }
  return { kind: "mutant", id: mutant.id, place: `${mutant.file}:${mutant.line}  ${mutant.what}`, killed, runs };
}

const equivalents = JSON.parse(readFileSync(join(import.meta.dirname, "equivalent.json"), "utf8")) as {
  readonly mutant: string;
  readonly reason: string;
}[];
const excluded = new Set(equivalents.filter(({ reason }) => reason.trim() !== "").map(({ mutant }) => mutant));
const copy = copyOfTree();
const sample = drawn(copy, values.rooms.split(","), values.seed)
  .filter((mutant) =>
    values.at === undefined ? !excluded.has(mutant.id) : values.at === `${mutant.file}:${mutant.line}`,
  )
  .slice(0, Number(values.count))
  .slice(Number(values.from) - 1);

try {
  const nearest = testsByDistance(copy);
  const end = performance.now() + Number(values.minutes) * 60_000;
  let [tried, killed] = [0, 0];
  for (const mutant of sample) {
    const earlier = outcomes().findLast(({ id }) => id === mutant.id);
    const settled = earlier !== undefined && (earlier.killed || !values.again);
    if (!settled && performance.now() > end) continue;
    const entry = settled ? earlier : await tryMutant(copy, mutant, nearest);
    if (!settled) record(entry);
    tried++;
    if (entry.killed) killed++;
    process.stdout.write(`${entry.killed ? "killed  " : "SURVIVED"} ${mutant.file}:${mutant.line}  ${mutant.what}\n`);
  }
  process.stdout.write(`${killed} of ${tried} mutants were killed (seed ${values.seed}); results in ${results}\n`);
} finally {
  rmSync(copy, { recursive: true, force: true });
}
