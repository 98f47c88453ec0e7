import type { Job } from "../job.ts";

/** The gate's judgement of a new version. */
export interface GateVerdict {
  readonly verdict: "pass" | "fail" | "inconclusive";
  /** Better than the champion beyond chance, or there is none to compare with. */
  readonly better: boolean;
  readonly report: Readonly<Record<string, unknown>>;
}

/** What becomes of a finished model; the composition root connects it with the store and with serving. */
export interface Publication {
  /** Keeps a file as a dataset; keeping the same bytes again gives the dataset that exists. @returns its digest */
  keep(file: { readonly name: string; readonly path: string }): Promise<string>;
  /** Stores the directory as the model's next version; storing the same content again gives the version that exists. */
  publish(job: Job, modelDirectory: string): Promise<{ readonly version: string }>;
  /**
   * Compares the version with the champion on the job's evaluation data, and keeps the report with the version.
   *
   * @param signal  aborted when the job is to stop; then it rejects soon, and keeps nothing
   */
  judge(
    job: Job,
    published: { readonly version: string; readonly modelDirectory: string },
    signal: AbortSignal,
  ): Promise<GateVerdict>;
  /**
   * Makes the version the champion, if the champion still is the one that the verdict compares with. Does nothing when the
   * version is the champion already.
   *
   * @returns whether it is the champion now
   */
  promote(job: Job, version: string, verdict: GateVerdict): Promise<boolean>;
}
