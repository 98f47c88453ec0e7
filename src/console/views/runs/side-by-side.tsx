import { useEffect } from "preact/hooks";
import { type Job, RunFormat } from "../../../gen/albert/v1/training_pb.js";
import { training } from "../../api.ts";
import { Problems } from "../../parts/calls/problems.tsx";
import { useCall } from "../../parts/calls/use-call.ts";
import { CurvesOver } from "../../parts/charts/curves-over.tsx";
import { saveFile } from "../../parts/download.tsx";
import { type Run, readRun } from "./read-run.ts";

/** Several runs: their curves over each other, and the settings in which they differ. */
export function SideBySide({ jobs }: { readonly jobs: readonly Job[] }) {
  const [call, read] = useCall((signal) => Promise.all(jobs.map((job) => readRun(job, signal))));
  useEffect(() => void read(), [read]);
  return (
    <section class="card" aria-label="Side by side">
      <h2>Side by side</h2>
      {call.state === "running" && <p class="muted">Reading their logs …</p>}
      {call.state === "failed" && <Problems problems={call.problems} />}
      {call.state === "done" && <Shown runs={call.value} />}
    </section>
  );
}

/** What a run is called beside others. */
function nameOf({ job: { id, spec, modelVersion } }: Run): string {
  return `${modelVersion === "" ? (spec?.model ?? "") : modelVersion} ${id.slice(0, 8)}`;
}

function Shown({ runs }: { readonly runs: readonly Run[] }) {
  const names = [...new Set(runs.flatMap(({ curves }) => curves.names))];
  const settings = [...new Set(runs.flatMap((run) => [...run.settings.keys()]))].sort();
  const differing = settings.filter((name) => new Set(runs.map((run) => run.settings.get(name))).size > 1);
  return (
    <>
      <SaveCurves jobIds={runs.map(({ job }) => job.id)} />
      {names.length === 0 ? (
        <p class="empty">These runs have told no curve: they have not begun, or take no steps.</p>
      ) : (
        <div class="curves">
          {names.map((name) => (
            <CurvesOver
              key={name}
              title={name}
              lines={runs.flatMap((run, i) =>
                // Of one job each of its runs has a colour, of several jobs each job.
                run.curves.of(name).map((line, j) => ({
                  ...line,
                  name: line.run === "" ? nameOf(run) : `${nameOf(run)} ${line.run}`,
                  colour: runs.length === 1 ? j : i,
                })),
              )}
            />
          ))}
        </div>
      )}
      <h3>Settings that differ</h3>
      {differing.length === 0 ? (
        <p class="empty">{runs.length === 1 ? "Choose a second run to see what differs." : "None."}</p>
      ) : (
        // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by keyboard
        <section class="settings-diff" tabIndex={0} aria-label="Settings that differ">
          <table class="compared">
            <thead>
              <tr>
                <th scope="col">Setting</th>
                {runs.map((run) => (
                  <th key={run.job.id} scope="col">
                    {nameOf(run)}
                  </th>
                ))}
              </tr>
            </thead>
            <tbody>
              {differing.map((name) => (
                <tr key={name}>
                  <th scope="row">{name}</th>
                  {runs.map((run) => (
                    <td key={run.job.id}>{run.settings.get(name) ?? "–"}</td>
                  ))}
                </tr>
              ))}
            </tbody>
          </table>
        </section>
      )}
    </>
  );
}

/** The curves as files, as the server writes them. */
function SaveCurves({ jobIds }: { readonly jobIds: readonly string[] }) {
  const [call, save] = useCall(async (signal, format: RunFormat, name: string, type: string) => {
    const pieces: BlobPart[] = [];
    for await (const { data } of training.exportRuns({ jobIds: [...jobIds], format }, { signal })) {
      pieces.push(new Uint8Array(data));
    }
    saveFile(name, type, pieces);
  });
  return (
    <>
      <div class="actions">
        <button type="button" class="quiet" onClick={() => void save(RunFormat.CSV, "runs.csv", "text/csv")}>
          Save the curves as CSV
        </button>
        <button
          type="button"
          class="quiet"
          onClick={() => void save(RunFormat.TENSORBOARD, "runs.tar", "application/x-tar")}
        >
          Save for TensorBoard
        </button>
      </div>
      {call.state === "failed" && <Problems problems={call.problems} />}
    </>
  );
}
