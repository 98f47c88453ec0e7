import { link, mkdir, readdir, rm, stat, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { corrupt } from "../../errors.ts";
import { sha256Of, withFile } from "../../model/formats/random-access-file.ts";
import { makeDirectory } from "../../platform/directories.ts";
import type { StoredJobs } from "../../store/jobs/stored-jobs.ts";
import type { Job, KeptFile } from "../job.ts";
import { WORK_DIRECTORY } from "../runner/job-control.ts";
import { type OwnedJob, untilReached } from "./shared-job.ts";

// Keeps the checkpoints of a job in the store, so that any server can go on from them.

/** The folder in which a run keeps its checkpoints. */
const CHECKPOINTS = "checkpoints";
/** Where second names of files lie while they are being stored: their run may remove its own at any time. */
const STAGING = ".keeping";

/**
 * Brings the checkpoints of a run into the store, behind its back: the run does not wait. What is kept becomes visible by an event of
 * the job's log, which only the present owner can write, and lies under the generation of its claim, so that an earlier owner can
 * neither show its own files nor remove those of another.
 */
export class FileKeeper {
  readonly #store: StoredJobs;
  readonly #record: OwnedJob;
  readonly #patience: AbortSignal;
  readonly #onError: (error: unknown) => void;
  /** Digests by what tells one state of a file from another. */
  readonly #digests = new Map<string, string>();
  #working: Promise<void> = Promise.resolve();
  #waits = false;

  /** @param onError  told of what could not be kept; the checkpoint before stays the one to go on from */
  constructor(store: StoredJobs, record: OwnedJob, patience: AbortSignal, onError: (error: unknown) => void) {
    this.#store = store;
    this.#record = record;
    this.#patience = patience;
    this.#onError = onError;
  }

  /** Keeps the newest checkpoints as soon as those before are kept. */
  note(): void {
    if (this.#waits) return; // what waits will find the newest
    this.#waits = true;
    this.#working = this.#working.then(async () => {
      this.#waits = false;
      await this.#keep().catch(this.#onError);
    });
  }

  /** Resolves once everything that was noted is kept, or has failed. */
  settled(): Promise<void> {
    return this.#working;
  }

  async #keep(): Promise<void> {
    const { directory, claim, job } = this.#record;
    const staging = join(directory, STAGING);
    await rm(staging, { recursive: true, force: true });
    await mkdir(staging);
    try {
      const known = new Map((job.kept ?? []).map((file) => [`${file.sha256}/${file.bytes}`, file]));
      const files: KeptFile[] = [];
      for (const { path, staged } of await this.#stage(directory, staging)) {
        const { size: bytes, ino, mtimeMs } = await stat(staged);
        const state = `${ino}/${bytes}/${mtimeMs}`;
        const sha256 = this.#digests.get(state) ?? (await withFile(staged, sha256Of));
        this.#digests.set(state, sha256);
        const there = known.get(`${sha256}/${bytes}`);
        const file: KeptFile = { path, sha256, bytes, generation: there?.generation ?? claim.generation };
        if (there === undefined) await untilReached(() => this.#store.putFile(job.id, file, staged), this.#patience);
        files.push(file);
      }
      if (files.length === 0) return;
      const steps = new Set(files.map(({ path }) => dirname(path))).size;
      const summary = `${steps} ${steps === 1 ? "checkpoint" : "checkpoints"} in the store`;
      await this.#record.append({ kind: "files_kept", summary, detail: { generation: claim.generation, files } });
      await this.#store.removeFiles(job.id, claim.generation, files);
    } finally {
      await rm(staging, { recursive: true, force: true });
    }
  }

  /** Gives every file of a whole checkpoint a second name. */
  async #stage(directory: string, staging: string): Promise<{ readonly path: string; readonly staged: string }[]> {
    const found: { readonly path: string; readonly staged: string }[] = [];
    for (const place of await checkpointPlaces(directory)) {
      for (const step of (await readdir(join(directory, place)).catch(absentAsEmpty)).filter(isFinal)) {
        const ofStep: typeof found = [];
        try {
          for (const name of await readdir(join(directory, place, step))) {
            const path = join(place, step, name);
            const staged = join(staging, `${found.length + ofStep.length}`);
            await rm(staged, { force: true });
            await link(join(directory, path), staged);
            ofStep.push({ path, staged });
          }
          found.push(...ofStep);
        } catch (error) {
          absentAsEmpty(error as NodeJS.ErrnoException); // the run has removed it meanwhile
        }
      }
    }
    return found;
  }
}

/** Where a job keeps checkpoints, below its directory: its run, and where it has several, each of them in a folder of its own. */
async function checkpointPlaces(directory: string): Promise<string[]> {
  const entries = await readdir(join(directory, WORK_DIRECTORY), { withFileTypes: true }).catch(absentAsEmpty);
  const runs = entries.filter((entry) => entry.isDirectory() && entry.name !== CHECKPOINTS);
  return [CHECKPOINTS, ...runs.map(({ name }) => join(name, CHECKPOINTS))].map((place) => join(WORK_DIRECTORY, place));
}

/** Names that begin with a dot are of what is being written or removed. */
function isFinal(name: string): boolean {
  return !name.startsWith(".");
}

/**
 * Makes a job's directory on this machine what the store keeps of it: its checkpoints, and nothing else.
 *
 * @throws AlbertError corrupt (JOB_FILES_CORRUPT) when a file is missing or is not what was kept; nothing is left then
 */
export async function restoreFiles(store: StoredJobs, { id, kept = [] }: Job, directory: string): Promise<void> {
  const clear = async () => {
    await rm(directory, { recursive: true, force: true });
    await makeDirectory(directory);
  };
  await clear();
  try {
    for (const file of kept) {
      const path = join(directory, file.path);
      await makeDirectory(dirname(path));
      if (file.bytes === 0) {
        await writeFile(path, "");
        continue;
      }
      const sound = (await store.fetchFile(id, file, path)) && (await withFile(path, sha256Of)) === file.sha256;
      if (sound) continue;
      throw corrupt(`${file.path} of job ${id} is missing in the store or damaged`, { reason: "JOB_FILES_CORRUPT" });
    }
  } catch (error) {
    await clear();
    throw error;
  }
}

function absentAsEmpty(error: NodeJS.ErrnoException): never[] {
  if (error.code !== "ENOENT") throw error;
  return [];
}
