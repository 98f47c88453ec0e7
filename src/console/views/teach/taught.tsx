import { Code, ConnectError } from "@connectrpc/connect";
import { useEffect } from "preact/hooks";
import { JobState } from "../../../gen/albert/v1/training_pb.js";
import type { EvaluationReport } from "../../../report/evaluation-report.ts";
import { models, training } from "../../api.ts";
import { Problems } from "../../parts/calls/problems.tsx";
import { useCall } from "../../parts/calls/use-call.ts";
import { hrefOf } from "../../parts/words/address.ts";
import { JobDetail } from "../jobs/job-detail.tsx";
import { GateVerdictPart } from "../versions/gate-verdict.tsx";
import { againstGuessing } from "./against-guessing.ts";

/** A model that is being taught, live, and once it is done what it has become: against guessing, and against what serves. */
export function Taught({ jobId }: { readonly jobId: string }) {
  const [call, look] = useCall(async (signal) => {
    const { job } = await training.getJob({ jobId }, { signal });
    if (job?.state !== JobState.SUCCEEDED || job.modelVersion === "") return undefined;
    const [model = "", version = ""] = job.modelVersion.split("@");
    const details = await models.getVersion({ model, version }, { signal });
    return { details, name: job.modelVersion, model, report: await reportOf(model, version, signal) };
  });
  useEffect(() => void look(), [look]);
  const result = call.state === "done" ? call.value : undefined;
  return (
    <>
      <p class="crumbs">
        <a href={hrefOf("teach")}>Teach another</a>
      </p>
      <JobDetail
        jobId={jobId}
        showEvents={false}
        onChanged={() => void look()}
        onOpen={(id) => {
          window.location.hash = hrefOf("jobs", { job: id });
        }}
      />
      {call.state === "failed" && <Problems problems={call.problems} />}
      <section class="card become" aria-labelledby="verdict-heading" aria-live="polite">
        <h2 id="verdict-heading">What {result?.name ?? "it"} has become</h2>
        {result === undefined ? (
          <p class="empty">
            Once it has learnt, here is how good it is: against guessing, and against what serves now.
          </p>
        ) : (
          <>
            {result.report === undefined ? (
              <p class="empty">It was not measured, so there is nothing to say.</p>
            ) : (
              againstGuessing(result.report).map((sentence, i) => (
                <p key={sentence} class={i === 0 ? "answer" : "verdict"}>
                  {sentence}
                </p>
              ))
            )}
            {result.details.gateReport !== undefined && <GateVerdictPart report={result.details.gateReport} />}
            <p class="verdict">
              {result.details.version?.aliases.includes("champion") === true ? (
                <b>It serves now.</b>
              ) : (
                <>It does not serve: promote it under Versions if you want it to.</>
              )}
            </p>
            <div class="actions">
              <a href={hrefOf("versions", { of: result.name })}>Where it is wrong</a>
              <a href={hrefOf("versions", { q: result.model })}>Versions of {result.model}</a>
              <a href={hrefOf("feedback")}>Judge its answers</a>
            </div>
          </>
        )}
      </section>
    </>
  );
}

async function reportOf(model: string, version: string, signal: AbortSignal): Promise<EvaluationReport | undefined> {
  try {
    return JSON.parse((await models.getReport({ model, version }, { signal })).reportJson) as EvaluationReport;
  } catch (error) {
    if (ConnectError.from(error).code === Code.NotFound) return undefined;
    throw error;
  }
}
