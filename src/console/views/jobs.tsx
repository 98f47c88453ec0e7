import { useState } from "preact/hooks";
import { type Job, JobStateSchema } from "../../gen/albert/v1/training_pb.js";
import { training } from "../api.ts";
import { Problems } from "../parts/calls/problems.tsx";
import { useCall, usePolling } from "../parts/calls/use-call.ts";
import { StateBadge } from "../parts/state-badge.tsx";
import { addressParameters, keepInAddress } from "../parts/words/address.ts";
import { enumName } from "../parts/words/enum-name.ts";
import { JobDetail } from "./jobs/job-detail.tsx";
import { jobTone } from "./jobs/job-tone.ts";
import { NewJobForm } from "./jobs/new-job-form.tsx";

/** Fine-tuning jobs: start one from a file, watch it learn, stop it. */
export function JobsView() {
  const [list, load] = useCall((signal) => training.listJobs({ pageSize: 50 }, { signal }));
  const [jobs, setJobs] = useState<readonly Job[] | undefined>(undefined);
  const [selected, setSelected] = useState(addressParameters().get("job") ?? undefined);
  const select = (id: string) => {
    setSelected(id);
    keepInAddress("jobs", { job: id });
  };
  const refresh = async () => {
    const reply = await load();
    if (reply !== undefined) setJobs(reply.jobs);
  };
  usePolling(() => void refresh(), 4_000);
  if (jobs === undefined) {
    return list.state === "failed" ? <Problems problems={list.problems} /> : <p class="muted">Reading the jobs …</p>;
  }
  return (
    <>
      {list.state === "failed" && <Problems problems={list.problems} />}
      <div class="bench">
        <NewJobForm
          onCreated={(job) => {
            select(job.id);
            void refresh();
          }}
        />
        <section class="card" aria-label="All jobs">
          <h2>All jobs</h2>
          {jobs.length === 0 ? (
            <p class="empty">No job yet.</p>
          ) : (
            <ul class="jobs">
              {jobs.map((job) => (
                <JobRow key={job.id} job={job} selected={job.id === selected} onSelect={() => select(job.id)} />
              ))}
            </ul>
          )}
        </section>
      </div>
      {selected !== undefined && (
        <JobDetail key={selected} jobId={selected} onChanged={() => void refresh()} onOpen={select} />
      )}
    </>
  );
}

function JobRow({
  job,
  selected,
  onSelect,
}: {
  readonly job: Job;
  readonly selected: boolean;
  readonly onSelect: () => void;
}) {
  const { step = 0, totalSteps = 0 } = job.progress ?? {};
  return (
    <li>
      <button type="button" class="job" aria-pressed={selected} onClick={onSelect}>
        <span class="job-name">
          <b>{job.spec?.model}</b> {job.spec?.task}
        </span>
        <StateBadge tone={jobTone(job.state)}>{enumName(JobStateSchema, job.state)}</StateBadge>
        <small class="muted">{job.id}</small>
        <small class="muted">
          {job.modelVersion !== "" ? job.modelVersion : totalSteps > 0 ? `${step} / ${totalSteps}` : ""}
          {job.owner === undefined ? "" : ` on ${job.owner.host}`}
        </small>
      </button>
    </li>
  );
}
