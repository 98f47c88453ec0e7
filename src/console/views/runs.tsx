import { timestampDate } from "@bufbuild/protobuf/wkt";
import { useState } from "preact/hooks";
import { type Job, JobStateSchema } from "../../gen/albert/v1/training_pb.js";
import { training } from "../api.ts";
import { everyPage } from "../parts/calls/every-page.ts";
import { Loaded } from "../parts/calls/loaded.tsx";
import { LongList } from "../parts/long-list.tsx";
import { StateBadge } from "../parts/state-badge.tsx";
import { addressParameters, hrefOf, keepInAddress } from "../parts/words/address.ts";
import { enumName } from "../parts/words/enum-name.ts";
import { jobTone } from "./jobs/job-tone.ts";
import { NoteDialog } from "./runs/note-dialog.tsx";
import { SideBySide } from "./runs/side-by-side.tsx";

/** Curves of more runs could not be told apart. */
const MOST = 6;

/** By what runs are sorted. */
const ORDERS = {
  newest: (a: Job, b: Job) => createdMs(b) - createdMs(a),
  "best first": (a: Job, b: Job) => (b.progress?.bestValue ?? -Infinity) - (a.progress?.bestValue ?? -Infinity),
  longest: (a: Job, b: Job) => secondsOf(b) - secondsOf(a),
  model: (a: Job, b: Job) => (a.spec?.model ?? "").localeCompare(b.spec?.model ?? "") || createdMs(b) - createdMs(a),
} as const;

/** Every run: found, sorted, and several of them with their curves over each other and what differs in their settings. */
export function RunsView() {
  return (
    <Loaded
      what="runs"
      read={async (signal) => {
        const { items } = await everyPage(
          (page) => training.listJobs(page, { signal }),
          ({ jobs }) => jobs,
        );
        return items;
      }}
    >
      {(jobs) =>
        jobs.length === 0 ? (
          <p class="card empty">
            There was no run yet. Teach a model from a file under <a href={hrefOf("jobs")}>Jobs</a>; every job leaves
            its curves here.
          </p>
        ) : (
          <Runs jobs={jobs} />
        )
      }
    </Loaded>
  );
}

function Runs({ jobs: read }: { readonly jobs: readonly Job[] }) {
  /** Runs whose note or tags were changed since they were read. */
  const [edited, setEdited] = useState<ReadonlyMap<string, Job>>(new Map());
  const [noting, setNoting] = useState<Job | undefined>(undefined);
  const jobs = edited.size === 0 ? read : read.map((job) => edited.get(job.id) ?? job);
  const [{ wanted, tag, order, chosen }, setState] = useState(() => {
    const parameters = addressParameters();
    const named = (parameters.get("runs") ?? "").split(",");
    return {
      wanted: parameters.get("q") ?? "",
      tag: parameters.get("tag") ?? "",
      order: (parameters.get("sort") ?? "newest") as keyof typeof ORDERS,
      chosen: jobs.filter(({ id }) => named.includes(id)).map(({ id }) => id) as readonly string[],
    };
  });
  const set = (change: { wanted?: string; tag?: string; order?: keyof typeof ORDERS; chosen?: readonly string[] }) => {
    const next = { wanted, tag, order, chosen, ...change };
    setState(next);
    keepInAddress("runs", { q: next.wanted, tag: next.tag, sort: next.order, runs: next.chosen.join(",") });
  };
  const search = wanted.trim().toLowerCase();
  const tags = [...new Set(jobs.flatMap((job) => job.tags))].sort();
  const found = jobs
    .filter((job) => tag === "" || job.tags.includes(tag))
    .filter((job) => search === "" || search.split(/\s+/).every((word) => textOf(job).includes(word)))
    .sort(ORDERS[order] ?? ORDERS.newest);
  const shown = chosen.flatMap((id) => jobs.find((job) => job.id === id) ?? []);
  return (
    <>
      <section class="card" aria-label="All runs">
        <div class="row">
          <label>
            Find <small>model, task, state, label, setting=value, note</small>
            <input type="search" value={wanted} onInput={(event) => set({ wanted: event.currentTarget.value })} />
          </label>
          {(tags.length > 0 || tag !== "") && (
            <label>
              Tag
              <select value={tag} onChange={(event) => set({ tag: event.currentTarget.value })}>
                <option value="">any</option>
                {[...new Set([...tags, ...(tag === "" ? [] : [tag])])].map((name) => (
                  <option key={name}>{name}</option>
                ))}
              </select>
            </label>
          )}
          <label>
            Sort
            <select
              value={order}
              // The options are the orders.
              onChange={(event) => set({ order: event.currentTarget.value as keyof typeof ORDERS })}
            >
              {Object.keys(ORDERS).map((name) => (
                <option key={name}>{name}</option>
              ))}
            </select>
          </label>
        </div>
        <p class="muted" role="status">
          {found.length} of {jobs.length} runs; {chosen.length} side by side
          {chosen.length === MOST ? `, which are as many as can be told apart` : ""}
        </p>
        <LongList items={found} className="runs" label="Runs" rowHeight={56}>
          {(job) => (
            <RunRow
              key={job.id}
              job={job}
              chosen={chosen.includes(job.id)}
              full={chosen.length >= MOST}
              onNote={() => setNoting(job)}
              onChoose={(yes) => set({ chosen: yes ? [...chosen, job.id] : chosen.filter((id) => id !== job.id) })}
            />
          )}
        </LongList>
      </section>
      {noting !== undefined && (
        <NoteDialog
          job={noting}
          onSaved={(job) => {
            setEdited(new Map(edited).set(job.id, job));
            setNoting(undefined);
          }}
          onClose={() => setNoting(undefined)}
        />
      )}
      {shown.length > 0 && <SideBySide key={chosen.join()} jobs={shown} />}
    </>
  );
}

function RunRow({
  job,
  chosen,
  full,
  onNote,
  onChoose,
}: {
  readonly job: Job;
  readonly chosen: boolean;
  readonly full: boolean;
  readonly onNote: () => void;
  readonly onChoose: (yes: boolean) => void;
}) {
  const { id, spec, state, progress, modelVersion, note, tags } = job;
  const best =
    progress === undefined || progress.bestMetric === ""
      ? ""
      : `${progress.bestMetric} ${Number(progress.bestValue.toPrecision(4))}`;
  return (
    <li>
      <label class="check">
        <input
          type="checkbox"
          checked={chosen}
          disabled={full && !chosen}
          onChange={(event) => onChoose(event.currentTarget.checked)}
        />
        <b>{spec?.model}</b> {spec?.task}
        <span class="visually-hidden">run {id}</span>
      </label>
      <StateBadge tone={jobTone(state)}>{enumName(JobStateSchema, state)}</StateBadge>
      <span class="number">{best}</span>
      <small class="muted">
        {job.created === undefined ? "" : timestampDate(job.created).toLocaleString()}, {durationOf(job)} ·{" "}
        <a href={hrefOf("jobs", { job: id })}>{id.slice(0, 8)}</a>
        {modelVersion === "" ? "" : " · "}
        {modelVersion !== "" && <a href={hrefOf("versions", { of: modelVersion })}>{modelVersion}</a>}{" "}
        {tags.map((tag) => (
          <span key={tag} class="chip">
            {tag}
          </span>
        ))}{" "}
        {note !== "" && <span class="note">{note} </span>}
        <button type="button" class="chip" onClick={onNote}>
          {note === "" && tags.length === 0 ? "Add a note" : "Edit the note"}
          <span class="visually-hidden"> of run {id}</span>
        </button>
      </small>
    </li>
  );
}

/** What a search looks at. */
function textOf({ id, spec, state, modelVersion, note, tags }: Job): string {
  const pairs = [...Object.entries(spec?.recipe ?? {}), ...Object.entries(spec?.labels ?? {})];
  const words = [id, spec?.model, spec?.task, enumName(JobStateSchema, state), modelVersion, note, ...tags];
  return [...words, ...pairs.map(([name, value]) => `${name}=${value}`)].join(" ").toLowerCase();
}

function createdMs({ created }: Job): number {
  return created === undefined ? 0 : timestampDate(created).getTime();
}

function secondsOf(job: Job): number {
  return job.updated === undefined ? 0 : (timestampDate(job.updated).getTime() - createdMs(job)) / 1000;
}

function durationOf(job: Job): string {
  const seconds = secondsOf(job);
  return seconds < 90 ? `${seconds.toFixed(0)} s` : `${(seconds / 60).toFixed(1)} min`;
}
