import { readFile } from "node:fs/promises";
import type { Config } from "../../config/settings.ts";
import { latestEvaluation } from "../../deployment/gate/kept-reports.ts";
import type { JobService } from "../../jobs/job-service.ts";
import { MlflowClient } from "../../jobs/tracking/mlflow-client.ts";
import { RunTracking } from "../../jobs/tracking/run-tracking.ts";
import type { JobMetrics } from "../../metrics/jobs.ts";
import { everyUnreferenced } from "../../platform/waiting/clock.ts";
import { modelCard } from "../../report/render/card.ts";
import type { Store } from "../../store/store.ts";
import type { ServerLog } from "../log.ts";

// Joins the jobs of a server to the tracking server that its settings name.

/** What a tracking server is told by. */
export interface TrackedParts {
  readonly config: Pick<Config, "tracking">;
  readonly jobs: JobService;
  readonly store: Pick<Store, "resolve" | "versions">;
  /** Names this server among those that share jobs; absent where the jobs are its own. */
  readonly trainer?: string;
  readonly log: ServerLog;
  readonly metrics: Pick<JobMetrics, "tracked" | "trackingFailed">;
}

/** Begins to tell a tracking server of jobs, where the settings name one. */
export function trackRuns({ config, jobs, store, trainer, log, metrics }: TrackedParts): RunTracking | undefined {
  const { mlflowUri: uri, mlflowExperiment: experiment, mlflowCredentialFile: file } = config.tracking;
  if (uri === "") return undefined;
  const credential = async () => (file === "" ? "" : (await readFile(file, "utf8")).trim());
  return new RunTracking({
    client: new MlflowClient({ uri, credential }),
    ...{ experiment, jobs, every: everyUnreferenced, onPoints: metrics.tracked },
    ...(trainer === undefined ? {} : { trainer }),
    card: (version) => cardOf(store, version),
    onReach(error) {
      if (error === undefined) {
        log.info({}, "the tracking server can be reached again: it is told what it missed");
        return;
      }
      metrics.trackingFailed();
      log.warn(
        { err: error },
        "the tracking server cannot be reached: jobs go on, and it is told of them once it can be",
      );
    },
    onRefused(error, job) {
      metrics.trackingFailed();
      log.warn({ err: error, job }, "the tracking server refuses a run: the job goes on, and is told no further");
    },
  });
}

async function cardOf(store: TrackedParts["store"], name: string): Promise<string> {
  const [model = "", number = ""] = name.split("@");
  const stored = await store.resolve(model, number);
  const report = await latestEvaluation(store.versions, stored);
  const { digest, manifest } = stored;
  return modelCard({ name, digest, manifest, ...(report === undefined ? {} : { report }) });
}
