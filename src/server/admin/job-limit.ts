import type { Allowances } from "../../access/allowances.ts";
import type { Caller } from "../../access/caller.ts";
import { creatorOf } from "../../jobs/job.ts";
import type { JobService } from "../../jobs/job-service.ts";
import { isTerminal } from "../../jobs/job-state.ts";

type Created = Awaited<ReturnType<JobService["create"]>>;

/** Holds callers to the number of jobs that each may have unfinished. */
export class JobLimit {
  readonly #jobs: Pick<JobService, "list">;
  readonly #allowances: Allowances | undefined;
  /** Jobs that are being created, by caller: they are in no list yet. */
  readonly #coming = new Map<string | undefined, number>();

  constructor(jobs: Pick<JobService, "list">, allowances: Allowances | undefined) {
    this.#jobs = jobs;
    this.#allowances = allowances;
  }

  /**
   * Creates a job unless its caller has too many. Whoever asks again for a job that exists gets it.
   *
   * @throws AlbertError overloaded CALLER_LIMIT
   */
  async create(caller: Caller | undefined, requestId: string, make: () => Promise<Created>): Promise<Created> {
    const name = caller?.name;
    const most = this.#allowances?.jobsOf(caller?.limits) ?? 0;
    const jobs = this.#jobs.list();
    if (most === 0 || jobs.some((job) => job.requestId === requestId)) return make();
    const coming = this.#coming.get(name) ?? 0;
    const unfinished = jobs.filter(
      // A sweep counts once, however many trials it has.
      (job) => creatorOf(job) === name && !isTerminal(job.state) && job.spec.trial === undefined,
    ).length;
    if (this.#allowances !== undefined && unfinished + coming >= most) throw this.#allowances.refuseJob(most);
    this.#coming.set(name, coming + 1);
    try {
      return await make();
    } finally {
      const left = (this.#coming.get(name) ?? 1) - 1;
      if (left > 0) this.#coming.set(name, left);
      else this.#coming.delete(name);
    }
  }
}
