import type { Config } from "../../config/settings.ts";
import { AlbertError, invalidInput } from "../../errors.ts";
import { checkTemplate, type JobTemplate } from "../../jobs/kubernetes/job-template.ts";
import { KubernetesPlaces } from "../../jobs/kubernetes/kubernetes-places.ts";
import { openCluster } from "../../jobs/kubernetes/open-cluster.ts";
import type { JobPlaces } from "../../jobs/shared/open-shared-job-service.ts";
import { readJsonObject } from "../../platform/json-file.ts";
import type { ServerLog } from "../log.ts";

/**
 * Where jobs run besides this server: in the pods of a cluster, where the settings say so.
 *
 * @throws AlbertError invalid-input for a template of which no Job can be made; precondition KUBERNETES_UNAVAILABLE, CLUSTER_REFUSED
 */
export async function openJobPlaces(jobs: Config["jobs"], log: ServerLog): Promise<JobPlaces | undefined> {
  if (jobs.runner === "server") return undefined;
  const { kubernetesNamespace: namespace, kubernetesName: queue, kubernetesQueue: kueue } = jobs;
  let places: KubernetesPlaces | undefined;
  const template = await readJsonObject(jobs.kubernetesTemplate);
  const { cluster, known } = await openCluster({ namespace, queue, onChange: () => places?.noteChange() });
  try {
    places = new KubernetesPlaces({
      ...{ cluster, queue, kueue, clock: Date.now },
      template: checked(template, known),
      most: jobs.kubernetesPods,
      atWorkPerSubmitter: jobs.atWorkPerSubmitter,
      onReach(error) {
        if (error === undefined) log.info({ namespace }, "the cluster can be asked again: jobs get their pods");
        else
          log.error({ err: error, namespace }, "jobs get no pods, for the cluster cannot be asked; it is tried again");
      },
      onCreated: (name, job) => log.info({ job: job.id, name, namespace: cluster.namespace }, "made a Job for a job"),
    });
    return places;
  } catch (error) {
    cluster.close();
    throw error;
  }
}

/** A template without what is wrong with it, or all of that under the setting's name. */
function checked(template: Readonly<Record<string, unknown>>, known: (job: object) => unknown): JobTemplate {
  try {
    return checkTemplate(template, known);
  } catch (error) {
    if (!(error instanceof AlbertError)) throw error;
    const field = "jobs.kubernetes_template";
    throw invalidInput(
      error.violations.map((violation) => ({ field, description: `${violation.field}: ${violation.description}` })),
    );
  }
}
