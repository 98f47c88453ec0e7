import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { basename, extname, join } from "node:path";
import { invalidInput } from "../../errors.ts";
import { digestOf } from "../../training/data/validate-dataset.ts";

// `albert predict` and `albert evaluate` over several files: a folder for each, and a record of what is done, so that a run
// that was interrupted goes on with the files that are missing.

/** Beside the results of a file: of what they are. */
const RECORD = "albert-run.json";

/** What decides the results of one file. */
interface RunKey {
  readonly data: string;
  readonly model: string;
  readonly settings: string;
}

/** Flags that decide no result. */
const NO_RESULT: ReadonlySet<string> = new Set(["data", "output", "report", "json", "threads"]);

/** One of several files, and the folder of its results. */
export interface OneOfFiles {
  readonly data: string;
  readonly output: string;
}

/**
 * The folder of each file: named like the file without its endings.
 *
 * @throws AlbertError invalid-input where two files would have the same folder
 */
export function foldersOf(files: readonly string[], output: string): OneOfFiles[] {
  const byFolder = new Map<string, string>();
  return files.map((data) => {
    const name = stemOf(data);
    const other = byFolder.get(name);
    if (other !== undefined) {
      const description = `${other} and ${data} would both be written to ${join(output, name)}: rename one, or run them apart`;
      throw invalidInput([{ field: "--data", description }]);
    }
    byFolder.set(name, data);
    return { data, output: join(output, name) };
  });
}

/** `a.report.html` for `report.html` and the data `x/a.csv.gz`. */
export function reportOfFile(report: string, data: string): string {
  const ending = extname(report);
  return `${report.slice(0, report.length - ending.length)}.${stemOf(data)}${ending}`;
}

function stemOf(path: string): string {
  return basename(path).replace(/(\.(csv|tsv|jsonl?|txt|tar|gz))+$/i, "") || basename(path);
}

/**
 * Runs one file, or takes what an earlier run wrote: the same data, model and settings give the same result.
 *
 * @param needed  files besides that must be there
 * @param run     computes and writes; what it returns is kept
 */
export async function onceForEach<T extends object>(
  { data, output }: OneOfFiles,
  key: { readonly model: string; readonly flags: object; readonly needed: readonly string[] },
  run: () => Promise<T>,
): Promise<T & { readonly before: boolean }> {
  const wanted: RunKey = { data: await digestOf([data]), model: key.model, settings: settingsOf(key.flags) };
  const record = join(output, RECORD);
  const kept = await readRecord<T>(record);
  if (kept !== undefined && sameKey(kept.key, wanted) && key.needed.every((path) => existsSync(path))) {
    return { ...kept.result, before: true };
  }
  const result = await run();
  await mkdir(output, { recursive: true });
  await writeFile(record, `${JSON.stringify({ key: wanted, result }, null, 2)}\n`);
  return { ...result, before: false };
}

function settingsOf(flags: object): string {
  const entries = Object.entries(flags)
    .filter(([name]) => !NO_RESULT.has(name))
    .sort(([a], [b]) => (a < b ? -1 : 1));
  return createHash("sha256").update(JSON.stringify(entries)).digest("hex");
}

function sameKey(a: RunKey, b: RunKey): boolean {
  return a.data === b.data && a.model === b.model && a.settings === b.settings;
}

/** A record that is not there or was cut off is none. */
async function readRecord<T>(path: string): Promise<{ readonly key: RunKey; readonly result: T } | undefined> {
  try {
    return JSON.parse(await readFile(path, "utf8"));
  } catch {
    return undefined;
  }
}
