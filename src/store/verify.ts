import { createHash } from "node:crypto";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { AlbertError } from "../errors.ts";
import { MANIFEST_FILE } from "../model/directory/manifest.ts";
import { sha256Of, withFile } from "../model/formats/random-access-file.ts";
import { decodeRecord, encodeRecord, isDamagedRecord, isTooNewRecord } from "../model/formats/records.ts";
import { makeTemporaryDirectory } from "../platform/temporary-directories.ts";
import type { Aliases } from "./aliases.ts";
import type { Blobs } from "./blobs.ts";
import type { CanaryEvidence } from "./canary-evidence.ts";
import type { DatasetVersion } from "./datasets.ts";
import { bytesBody, type ObjectStore } from "./objects/object-store.ts";
import { type ModelVersion, versionName } from "./versions.ts";
import type { WriteLeases } from "./write-leases.ts";

// Looks at everything that a store holds, byte by byte, and mends what can be mended. It removes nothing: what is damaged
// goes into quarantine.

/** Something wrong with a store. */
export interface StoreProblem {
  /** What is damaged or missing, such as "version sentiment@3". */
  readonly where: string;
  readonly problem: string;
  /** What was done about it; undefined where nothing was. */
  readonly repaired: string | undefined;
  /** What a person has to do, or could have done by a repair. */
  readonly advice: string;
}

/** What was looked at, and what is wrong with it. */
export interface StoreReport {
  readonly versions: number;
  readonly datasets: number;
  /** Files of versions and data sets, each counted once, and their bytes. */
  readonly files: number;
  readonly bytes: number;
  readonly problems: readonly StoreProblem[];
}

/** The parts of a store that are looked at. */
export interface VerifiedStore {
  readonly objects: ObjectStore;
  readonly blobs: Blobs;
  readonly aliases: Aliases;
  readonly evidence: CanaryEvidence;
  readonly leases: WriteLeases;
  readonly cacheDirectory: string;
}

/** Records of one kind, which lie under keys of one form. */
interface RecordKind {
  readonly prefix: string;
  readonly pattern: RegExp;
  /** What a person does where one is damaged. */
  readonly advice: string;
  /** Key of the record that a damaged one leaves behind, for those whose number must not be given again. */
  readonly leaves?: (key: string) => string;
}

const VERSION: RecordKind = {
  prefix: "models/",
  pattern: /^models\/[^/]+\/versions\//,
  advice: "publish or import the model again, and promote that version",
  leaves: (key) => key.replace("/versions/", "/removed/"),
};
const DATASET: RecordKind = { prefix: "datasets/", pattern: /./, advice: "upload or register the data again" };
const OTHER_RECORDS: readonly RecordKind[] = [
  { prefix: "models/", pattern: /^models\/[^/]+\/reports\//, advice: "let the gate judge the version again" },
  { prefix: "models/", pattern: /^models\/[^/]+\/removed\//, advice: "repair the store", leaves: (key) => key },
  { prefix: "holds/", pattern: /./, advice: "repair the store: a server that runs announces its needs again" },
  { prefix: "jobs/", pattern: /./, advice: "create the job again" },
  // A note stays in its place: a log has no gap, and nobody writes that number again.
  { prefix: "job-logs/", pattern: /./, advice: "delete the job, and create it again", leaves: (key) => key },
  { prefix: "job-ends/", pattern: /./, advice: "repair the store: the pieces of the log are there too" },
  { prefix: "job-requests/", pattern: /./, advice: "repair the store" },
  { prefix: "judgements/", pattern: /./, advice: "repair the store; the answer is judged no more" },
  { prefix: "leases/", pattern: /./, advice: "repair the store once nothing is being published" },
];

/** A file that something refers to. */
interface NeededFile {
  readonly bytes: number;
  /** What needs it, for messages. */
  readonly owners: string[];
  /** Where this machine may have a copy. */
  readonly copies: string[];
}

/**
 * Reads every record, every alias and every file of a store.
 *
 * @param repair  moves what is damaged into quarantine, and restores files of which this machine has a sound copy
 */
export async function verifyStore(store: VerifiedStore, repair: boolean): Promise<StoreReport> {
  const problems: StoreProblem[] = [];
  const files = new Map<string, NeededFile>();
  const numbers = new Map<string, Set<number>>();
  let datasets = 0;
  for await (const version of readRecords<ModelVersion>(store, VERSION, repair, problems)) {
    const known = numbers.get(version.model) ?? new Set();
    numbers.set(version.model, known.add(version.version));
    const local = join(store.cacheDirectory, "models", version.files[MANIFEST_FILE]!.sha256);
    for (const [name, { sha256, bytes }] of Object.entries(version.files)) {
      need(files, sha256, bytes, `version ${versionName(version)}`, join(local, name));
    }
  }
  for await (const dataset of readRecords<DatasetVersion>(store, DATASET, repair, problems)) {
    datasets++;
    const { digest, name, bytes, path } = dataset;
    if (path === undefined) {
      need(files, digest, bytes, `dataset ${name}`, join(store.cacheDirectory, "datasets", digest, name));
    }
  }
  for (const kind of OTHER_RECORDS) for await (const _ of readRecords(store, kind, repair, problems));
  if (await store.leases.isMarkerDamaged(repair)) {
    const repaired = repair ? "restored as that of a collection that began now" : undefined;
    problems.push({
      where: "marker of garbage collection",
      problem: "is damaged",
      repaired,
      advice: "repair the store",
    });
  }
  for (const [model, versions] of numbers) {
    problems.push(...(await checkAliases(store, model, versions, repair)));
    problems.push(...(await checkEvidence(store, model, repair)));
  }
  const temporary = await makeTemporaryDirectory("verify");
  try {
    for (const [sha256, file] of files) {
      const problem = await checkFile(store, sha256, file, join(temporary, "file"), repair);
      if (problem !== undefined) problems.push(problem);
    }
  } finally {
    await rm(temporary, { recursive: true, force: true });
  }
  const count = (counted: Iterable<ReadonlySet<number>>) => [...counted].reduce((sum, { size }) => sum + size, 0);
  const bytes = [...files.values()].reduce((sum, file) => sum + file.bytes, 0);
  return { versions: count(numbers.values()), datasets, files: files.size, bytes, problems };
}

function need(files: Map<string, NeededFile>, sha256: string, bytes: number, owner: string, copy: string): void {
  const file = files.get(sha256) ?? { bytes, owners: [], copies: [] };
  file.owners.push(owner);
  file.copies.push(copy);
  files.set(sha256, file);
}

/** The sound records below a prefix; the others become problems. */
async function* readRecords<T extends object>(
  { objects }: VerifiedStore,
  { prefix, pattern, advice, leaves }: RecordKind,
  repair: boolean,
  problems: StoreProblem[],
): AsyncGenerator<T> {
  const keys: string[] = [];
  for await (const { key } of objects.list(prefix)) if (pattern.test(key)) keys.push(key);
  for (const key of keys.sort()) {
    const bytes = await objects.get(key);
    if (bytes === undefined) continue; // removed meanwhile
    try {
      yield decodeRecord<T>(bytes, `the record ${key}`);
    } catch (error) {
      if (isTooNewRecord(error)) {
        problems.push(tooNew(`record ${key}`, error));
        continue;
      }
      if (!isDamagedRecord(error)) throw error;
      if (repair) {
        const suffix = createHash("sha256").update(bytes).digest("hex").slice(0, 8);
        await objects.putIfAbsent(`quarantine/records/${key}-${suffix}`, bytesBody(bytes));
        const left = leaves?.(key);
        const note = bytesBody(encodeRecord({ setAside: true }));
        if (left !== undefined && left !== key) await objects.putIfAbsent(left, note);
        await objects.delete(key);
        if (left === key) await objects.putIfAbsent(key, note);
      }
      problems.push({
        where: `record ${key}`,
        problem: (error as Error).message,
        repaired: repair ? "moved into quarantine" : undefined,
        advice,
      });
    }
  }
}

/** What a repair leaves as it is. */
function tooNew(where: string, error: unknown): StoreProblem {
  return { where, problem: (error as Error).message, repaired: undefined, advice: "run the release that wrote it" };
}

async function checkAliases(
  { aliases }: VerifiedStore,
  model: string,
  versions: ReadonlySet<number>,
  repair: boolean,
): Promise<StoreProblem[]> {
  try {
    const { aliases: byName, traffic } = await aliases.list(model);
    const lost = Object.values(byName)
      .filter(({ version }) => !versions.has(version))
      .map(({ name, version }) => ({
        where: `alias ${name} of ${model}`,
        problem: `points at version ${version}, which the store does not have`,
        repaired: undefined,
        advice: "promote a version that it has",
      }));
    const { rule } = traffic;
    if (rule === undefined || versions.has(rule.version)) return lost;
    const where = `${rule.mode} of ${model}`;
    const problem = `gives traffic to version ${rule.version}, which the store does not have`;
    return [...lost, { where, problem, repaired: undefined, advice: "end its traffic" }];
  } catch (error) {
    if (isTooNewRecord(error)) return [tooNew(`aliases of ${model}`, error)];
    if (!isDamagedRecord(error)) throw error;
    if (repair) await aliases.setAside(model);
    return [
      {
        where: `aliases of ${model}`,
        problem: (error as Error).message,
        repaired: repair ? "moved into quarantine" : undefined,
        advice: "promote the version that shall serve",
      },
    ];
  }
}

async function checkEvidence({ evidence }: VerifiedStore, model: string, repair: boolean): Promise<StoreProblem[]> {
  const where = `evidence on a canary of ${model}`;
  try {
    if (!(await evidence.isDamaged(model, repair))) return [];
  } catch (error) {
    if (!isTooNewRecord(error)) throw error;
    return [tooNew(where, error)];
  }
  return [
    {
      where,
      problem: "is damaged: its checksum is not that of its contents",
      repaired: repair ? "restored as that of a canary that begins now" : undefined,
      advice: "repair the store: the canary is judged by what comes from then on",
    },
  ];
}

/** Compares a file with its name, which is the hash of its bytes. */
async function checkFile(
  { objects, blobs }: VerifiedStore,
  sha256: string,
  { owners, copies }: NeededFile,
  temporary: string,
  repair: boolean,
): Promise<StoreProblem | undefined> {
  const problem = await blobs.problemOf(sha256, temporary);
  if (problem === undefined) return undefined;
  const described = {
    where: `file ${sha256.slice(0, 12)} of ${[...new Set(owners)].join(", ")}`,
    problem,
    advice: "publish the same model, or upload the same data, again; that restores it",
  };
  if (!repair) return { ...described, repaired: undefined };
  await blobs.fetch(sha256, temporary).catch((error: unknown) => {
    if (!(error instanceof AlbertError) || error.code !== "corrupt") throw error; // it is in quarantine now, or was lost
  });
  await rm(temporary, { force: true });
  for (const copy of copies) {
    const digest = await withFile(copy, sha256Of).catch(() => undefined);
    if (digest !== sha256) continue;
    await blobs.put(sha256, copy);
    return { ...described, repaired: "restored from this machine's copy", advice: "none" };
  }
  const moved = (await objects.head(`blobs/${sha256.slice(0, 2)}/${sha256}`)) === undefined && problem !== "is missing";
  return { ...described, repaired: moved ? "moved into quarantine" : undefined };
}
