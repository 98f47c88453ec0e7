import { useCallback, useEffect, useRef, useState } from "preact/hooks";
import type { DataRow, ListRowsResponse } from "../../../gen/albert/v1/training_pb.js";
import { datasets, explain } from "../../api.ts";
import { Problems } from "../../parts/calls/problems.tsx";
import { type Reading, recipeOfReading } from "../../parts/data/reading.ts";
import { LongList } from "../../parts/long-list.tsx";
import { DataRowItem } from "./data-row.tsx";
import type { Pending } from "./pending.ts";

// Shows the rows of a data set, of which the server gives some at a time.

/** Rows that are read at once. */
const PAGE = 200;

/** Which rows are shown. */
export interface RowFilter {
  readonly problem: string;
  readonly label: string;
  readonly text: string;
}

/** The rows of a data set, each read when it comes into view. */
export function RowList({
  digest,
  reading,
  filter,
  labels,
  pending,
  onPending,
}: {
  readonly digest: string;
  readonly reading: Reading;
  readonly filter: RowFilter;
  readonly labels: readonly string[];
  readonly pending: Pending;
  readonly onPending: (pending: Pending) => void;
}) {
  const [first, setFirst] = useState<ListRowsResponse | undefined>(undefined);
  const [rows, setRows] = useState<ReadonlyMap<number, DataRow>>(new Map());
  const [problems, setProblems] = useState<readonly string[]>([]);
  const asked = useRef(new Set<number>());
  const leaving = useRef(new AbortController());
  /** Reads the rows from one on, once; where fewer come than there is room for, goes on behind them. */
  const read = useCallback(
    async (offset: number) => {
      if (asked.current.has(offset)) return;
      asked.current.add(offset);
      const { signal } = leaving.current;
      try {
        const question = { source: { dataset: digest }, task: reading.task, recipe: recipeOfReading(reading) };
        const end = offset - (offset % PAGE) + PAGE;
        const reply = await datasets.listRows({ ...question, ...filter, offset, pageSize: end - offset }, { signal });
        if (signal.aborted) return;
        if (offset === 0) setFirst(reply);
        setRows((before) => new Map([...before, ...reply.rows.map((row, i) => [offset + i, row] as const)]));
        const next = offset + reply.rows.length;
        if (reply.rows.length > 0 && next < end && next < reply.matching) void read(next);
      } catch (error) {
        if (!signal.aborted) setProblems(explain(error));
      }
    },
    [digest],
  );
  useEffect(() => {
    void read(0);
    return () => leaving.current.abort();
  }, [read]);
  if (problems.length > 0) return <Problems problems={problems} />;
  if (first === undefined) return <p class="muted">Reading the rows …</p>;
  if (first.matching === 0) return <p class="empty">No row is like that.</p>;
  return (
    <>
      <p class="muted" role="status">
        {first.matching.toLocaleString("en")} {first.matching === 1 ? "row" : "rows"}
      </p>
      <LongList
        items={Array.from({ length: first.matching }, (_, i) => i)}
        className="data-rows"
        label="Rows"
        rowHeight={74}
      >
        {(index) => {
          const row = rows.get(index);
          return row === undefined ? (
            <Unread key={index} onShown={() => void read(index - (index % PAGE))} />
          ) : (
            <DataRowItem
              key={row.number}
              row={row}
              file={first}
              reading={reading}
              labels={labels}
              pending={pending}
              onPending={onPending}
            />
          );
        }}
      </LongList>
    </>
  );
}

/** Room for a row that is on its way. */
function Unread({ onShown }: { readonly onShown: () => void }) {
  const shown = useRef(onShown);
  shown.current = onShown;
  useEffect(() => shown.current(), []);
  return <li class="unread muted">…</li>;
}
