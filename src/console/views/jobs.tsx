import { useState } from "preact/hooks";
import { type Job, JobKindSchema, JobStateSchema } from "../../gen/albert/v1/training_pb.js";
import { training } from "../api.ts";
import { enumName } from "../parts/enum-name.ts";
import { Problems } from "../parts/problems.tsx";
import { useCall, usePolling } from "../parts/use-call.ts";
import { JobDetail } from "./job-detail.tsx";
import { NewJobForm } from "./new-job-form.tsx";

/** Fine-tuning jobs: start one from a file, watch it learn, stop it. */
export function JobsView() {
  const [list, load] = useCall((signal) => training.listJobs({ pageSize: 50 }, { signal }));
  const [jobs, setJobs] = useState<readonly Job[]>([]);
  const [selected, setSelected] = useState<string | undefined>(undefined);
  const refresh = async () => {
    const reply = await load();
    if (reply !== undefined) setJobs(reply.jobs);
  };
  usePolling(() => void refresh(), 4_000);
  return (
    <>
      <NewJobForm
        onCreated={(job) => {
          setSelected(job.id);
          void refresh();
        }}
      />
      {list.state === "failed" && <Problems problems={list.problems} />}
      {selected !== undefined && <JobDetail key={selected} jobId={selected} onChanged={() => void refresh()} />}
      <section>
        <h2>All jobs</h2>
        {jobs.length === 0 ? (
          <p class="muted">No job yet.</p>
        ) : (
          <div class="scroll">
            <table>
              <thead>
                <tr>
                  <th scope="col">Job</th>
                  <th scope="col">What</th>
                  <th scope="col">State</th>
                  <th scope="col">Step</th>
                  <th scope="col">Result</th>
                </tr>
              </thead>
              <tbody>
                {jobs.map((job) => (
                  <tr key={job.id}>
                    <td>
                      <button type="button" class="quiet" onClick={() => setSelected(job.id)}>
                        {job.id.slice(0, 13)}
                      </button>
                    </td>
                    <td>
                      {enumName(JobKindSchema, job.spec?.kind ?? 0)} {job.spec?.task} → {job.spec?.model}
                    </td>
                    <td>{enumName(JobStateSchema, job.state)}</td>
                    <td>
                      {job.progress?.step ?? 0} / {job.progress?.totalSteps ?? 0}
                    </td>
                    <td>{job.modelVersion || "–"}</td>
                  </tr>
                ))}
              </tbody>
            </table>
          </div>
        )}
      </section>
    </>
  );
}
