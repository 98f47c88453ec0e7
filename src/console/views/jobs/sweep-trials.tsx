import { useEffect, useRef, useState } from "preact/hooks";
import { type GetSweepResponse, JobStateSchema, type SweepTrial } from "../../../gen/albert/v1/training_pb.js";
import { training } from "../../api.ts";
import { Problems } from "../../parts/calls/problems.tsx";
import { useCall, usePolling } from "../../parts/calls/use-call.ts";
import { drawLines } from "../../parts/charts/draw-lines.ts";
import { StateBadge } from "../../parts/state-badge.tsx";
import { enumName } from "../../parts/words/enum-name.ts";
import { jobTone } from "./job-tone.ts";

const POLL_MS = 2_000;
const HEIGHT = 190;
/** A setting whose largest value is so many times its smallest is drawn by orders of magnitude. */
const WIDE = 30;

/** The trials of a sweep: a table that can be sorted, and what a setting did to the metric. */
export function SweepTrials({ jobId, onOpen }: { readonly jobId: string; readonly onOpen: (jobId: string) => void }) {
  const [call, load] = useCall((signal) => training.getSweep({ jobId }, { signal }));
  const [sweep, setSweep] = useState<GetSweepResponse | undefined>(undefined);
  usePolling(() => {
    if (sweep?.job?.terminal === true) return;
    void load().then((reply) => reply !== undefined && setSweep(reply));
  }, POLL_MS);
  if (sweep === undefined) {
    return call.state === "failed" ? <Problems problems={call.problems} /> : <p class="muted">Reading its trials …</p>;
  }
  const numeric = sweep.varied.filter((name) => sweep.trials.every((trial) => Number.isFinite(numberOf(trial, name))));
  return (
    <>
      {call.state === "failed" && <Problems problems={call.problems} />}
      <TrialTable sweep={sweep} onOpen={onOpen} />
      {numeric.length > 0 && <MetricOver sweep={sweep} names={numeric} />}
    </>
  );
}

/** Column by which trials are sorted: a setting by its name after a colon. */
type Column = "number" | "value" | "step" | `:${string}`;

function TrialTable({
  sweep: { trials, varied, metric, lowerIsBetter },
  onOpen,
}: {
  readonly sweep: GetSweepResponse;
  readonly onOpen: (jobId: string) => void;
}) {
  const [order, setOrder] = useState<{ readonly column: Column; readonly down: boolean }>({
    column: "value",
    down: !lowerIsBetter,
  });
  const columns: readonly (readonly [Column, string])[] = [
    ["number", "Trial"],
    ...varied.map((name) => [`:${name}`, name] as const),
    ["value", metric === "" ? "Value" : metric],
    ["step", "Steps"],
  ];
  const sorted = [...trials].sort((a, b) => compare(a, b, order.column) * (order.down ? -1 : 1) || a.number - b.number);
  // Without a value there is nothing to compare: last, whichever way.
  const rows = [
    ...sorted.filter((trial) => hasKey(trial, order.column)),
    ...sorted.filter((trial) => !hasKey(trial, order.column)),
  ];
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by keyboard
    <section class="settings-diff" tabIndex={0} aria-label="Trials">
      <table class="compared trials">
        <caption class="visually-hidden">Trials of this sweep; the best is marked</caption>
        <thead>
          <tr>
            {columns.map(([column, name]) => (
              <th
                key={column}
                scope="col"
                aria-sort={order.column !== column ? "none" : order.down ? "descending" : "ascending"}
              >
                <button
                  type="button"
                  class="quiet"
                  onClick={() => setOrder({ column, down: order.column === column && !order.down })}
                >
                  {name}
                  <span aria-hidden="true">{order.column !== column ? "" : order.down ? " ↓" : " ↑"}</span>
                </button>
              </th>
            ))}
            <th scope="col">State</th>
          </tr>
        </thead>
        <tbody>
          {rows.map((trial) => (
            <tr key={trial.number} class={trial.best ? "best" : ""}>
              <th scope="row">
                {trial.number}
                {trial.best && <StateBadge tone="good">best</StateBadge>}
              </th>
              {varied.map((name) => (
                <td key={name}>{trial.settings[name]}</td>
              ))}
              <td class="number">{trial.value === undefined ? "–" : Number(trial.value.toFixed(4))}</td>
              <td class="number">{trial.step > 0 ? trial.step : "–"}</td>
              <td title={trial.failed}>
                {trial.jobId === "" ? (
                  "–"
                ) : (
                  <button
                    type="button"
                    class="quiet"
                    aria-label={`${enumName(JobStateSchema, trial.state)}: job of trial ${trial.number}`}
                    onClick={() => onOpen(trial.jobId)}
                  >
                    <StateBadge tone={jobTone(trial.state)}>{enumName(JobStateSchema, trial.state)}</StateBadge>
                  </button>
                )}
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  );
}

/** The metric over one setting, a point for each trial; every number stands in the table too. */
function MetricOver({ sweep, names }: { readonly sweep: GetSweepResponse; readonly names: readonly string[] }) {
  const [chosen, setChosen] = useState(names[0]!); // whoever shows it has one
  const box = useRef<HTMLDivElement>(null);
  useEffect(() => {
    if (box.current === null) return;
    const points = sweep.trials
      .flatMap((trial) =>
        trial.value === undefined ? [] : [{ x: numberOf(trial, chosen), y: trial.value, best: trial.best }],
      )
      .sort((a, b) => a.x - b.x);
    const [low, high] = [points[0]?.x ?? 0, points.at(-1)?.x ?? 0];
    const dots = (colour: string, size: number) => ({ colour, paths: () => null, points: { show: true, size } });
    const { remove } = drawLines(box.current, {
      height: HEIGHT,
      lines: [dots("--accent", 8), dots("--stage-2", 14)],
      data: [points.map(({ x }) => x), points.map(({ y }) => y), points.map(({ y, best }) => (best ? y : null))],
      ...(low > 0 && high / low > WIDE ? { across: { distr: 3 } } : {}),
    });
    return remove;
  }, [sweep, chosen]);
  return (
    <figure class="curve">
      <figcaption>
        <label>
          {sweep.metric === "" ? "Value" : sweep.metric} over{" "}
          <select value={chosen} onChange={(event) => setChosen(event.currentTarget.value)}>
            {names.map((name) => (
              <option key={name}>{name}</option>
            ))}
          </select>
        </label>
      </figcaption>
      <div ref={box} aria-hidden="true" />
    </figure>
  );
}

function numberOf({ settings }: SweepTrial, name: string): number {
  const text = settings[name] ?? "";
  return text === "" ? Number.NaN : Number(text);
}

function hasKey(trial: SweepTrial, column: Column): boolean {
  return column !== "value" || trial.value !== undefined;
}

function compare(a: SweepTrial, b: SweepTrial, column: Column): number {
  if (column === "number") return a.number - b.number;
  if (column === "step") return a.step - b.step;
  if (column === "value") return (a.value ?? 0) - (b.value ?? 0);
  const [first, second] = [a.settings[column.slice(1)] ?? "", b.settings[column.slice(1)] ?? ""];
  return Number(first) - Number(second) || first.localeCompare(second);
}
