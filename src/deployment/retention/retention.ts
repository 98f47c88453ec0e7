import { randomUUID } from "node:crypto";
import { readFile, rm } from "node:fs/promises";
import { hostname } from "node:os";
import { join } from "node:path";
import type { Job } from "../../jobs/job.ts";
import { writeNewFile } from "../../platform/atomic-files.ts";
import type { ModelRegistry } from "../../serving/models/registry.ts";
import type { GcReport } from "../../store/gc.ts";
import type { Store } from "../../store/store.ts";
import { rootsOfJobs, rootsOfServing } from "./gc-roots.ts";
import { GcSchedule } from "./gc-schedule.ts";
import { KeepAlive } from "./keep-alive.ts";

// Registers what this server needs of a shared store, and collects what no server needs.

export interface RetentionOptions {
  readonly store: Store;
  readonly live: Pick<ModelRegistry, "list">;
  /** The jobs of this server; absent where it has none. */
  readonly jobs?: {
    readonly list: () => readonly Job[];
    /** Stays the same as long as the jobs do. */
    readonly holder: string;
  };
  readonly keepVersions: number;
  readonly keepAliasChanges: number;
  /** Between two collections; 0: none but those that are asked for. */
  readonly intervalMs: number;
  readonly onCollected: (report: GcReport) => void;
  readonly onError: (error: unknown) => void;
}

/** Jobs wait for a server that is down; one that stays away for longer keeps nothing any more. */
const JOBS_REFERENCE_MS = 30 * 86_400_000;
/** What a server had in memory means nothing after its end. */
const SERVING_REFERENCE_MS = 3_600_000;

/** What this server needs of a store that others use too, and the removal of what no server needs. */
export class Retention {
  readonly #options: RetentionOptions;
  readonly #ofServing: KeepAlive;
  readonly #ofJobs: KeepAlive | undefined;
  readonly #collections: GcSchedule | undefined;

  constructor(options: RetentionOptions) {
    this.#options = options;
    const { store, live, jobs, intervalMs, onCollected, onError } = options;
    this.#ofServing = new KeepAlive({
      store,
      holder: `serving-${randomUUID()}`,
      description: `the memory of a server on ${hostname()}`,
      roots: () => rootsOfServing(live.list()),
      lastsMs: SERVING_REFERENCE_MS,
      onError,
    });
    if (jobs !== undefined) {
      this.#ofJobs = new KeepAlive({
        store,
        holder: jobs.holder,
        description: `jobs of a server on ${hostname()}`,
        roots: () => rootsOfJobs(store, jobs.list()),
        lastsMs: JOBS_REFERENCE_MS,
        onError,
      });
    }
    if (intervalMs > 0) {
      const collect = () => this.#collect(false);
      this.#collections = new GcSchedule({
        collect,
        trimCache: () => store.trimCache(),
        intervalMs,
        onCollected,
        onError,
      });
    }
    void this.update();
  }

  /** Tells the store at once what this server needs now. */
  async update(): Promise<void> {
    await Promise.all([this.#ofServing.update(), this.#ofJobs?.update()]);
  }

  /**
   * Removes what nothing keeps.
   *
   * @param dryRun  only says what would be removed
   * @throws AlbertError unavailable (STORE_COLLECTING) when another process collects
   */
  async collect(dryRun: boolean): Promise<GcReport> {
    const report = await this.#collect(dryRun);
    if (!dryRun) this.#options.onCollected(report);
    return report;
  }

  /** Ends what runs. What its jobs need stays registered: they go on when the server comes back. */
  async close(): Promise<void> {
    await this.#collections?.close();
    await this.#ofJobs?.close({ release: false });
    await this.#ofServing.close({ release: true });
  }

  #collect(dryRun: boolean): Promise<GcReport> {
    const { store, live, jobs, keepVersions, keepAliasChanges } = this.#options;
    const roots = async () => [
      ...rootsOfServing(live.list()).versions,
      ...(await rootsOfJobs(store, jobs?.list() ?? [])).versions,
    ];
    return store.collectGarbage({ keepVersions, keepAliasChanges, roots, dryRun });
  }
}

const HOLDER_FILE = "jobs.holder";

/** The name under which the jobs of a directory register what they need, made when there is none yet. */
export async function holderOf(directory: string): Promise<string> {
  const path = join(directory, HOLDER_FILE);
  const known = await readFile(path, "utf8").catch((error: NodeJS.ErrnoException) => {
    if (error.code !== "ENOENT") throw error;
    return "";
  });
  if (/^jobs-[0-9a-f-]{36}\n$/.test(known)) return known.trim();
  const holder = `jobs-${randomUUID()}`;
  await rm(path, { force: true }); // half of it, when a crash cut the writing short
  await writeNewFile(path, Buffer.from(`${holder}\n`));
  return holder;
}
