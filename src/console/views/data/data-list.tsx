import { timestampDate } from "@bufbuild/protobuf/wkt";
import { useState } from "preact/hooks";
import type { Dataset } from "../../../gen/albert/v1/training_pb.js";
import { datasets } from "../../api.ts";
import { Problems } from "../../parts/calls/problems.tsx";
import { useCall } from "../../parts/calls/use-call.ts";
import { ChooseData } from "../../parts/data/choose-data.tsx";
import { LongList } from "../../parts/long-list.tsx";
import { addressParameters, hrefOf, keepInAddress } from "../../parts/words/address.ts";

/** All data sets of the store, newest first; one more from a file; one less. */
export function DataList({ all }: { readonly all: readonly Dataset[] }) {
  const [gone, setGone] = useState<readonly string[]>([]);
  const [wanted, setWanted] = useState(addressParameters().get("q") ?? "");
  const there = [...all].reverse().filter(({ digest }) => !gone.includes(digest));
  const search = wanted.trim().toLowerCase();
  const found = there.filter(({ name, digest, madeBy }) =>
    `${name} ${digest} ${madeBy}`.toLowerCase().includes(search),
  );
  const names = new Map(all.map(({ digest, name }) => [digest, name]));
  return (
    <>
      <section class="card" aria-label="Bring data">
        <ChooseData
          stored={[]}
          value=""
          onChoose={(digest) => {
            window.location.hash = hrefOf("data", { of: digest });
          }}
        />
      </section>
      <section class="card" aria-label="Stored data">
        {there.length === 0 ? (
          <p class="empty">
            No data is stored yet. Bring a table of texts and labels (a ticket a row, say): here you see its labels, how
            long its rows are and what is wrong with each of them, and mend it. Then teach a model from it under{" "}
            <a href={hrefOf("teach")}>Teach</a>.
          </p>
        ) : (
          <>
            <label class="search-versions">
              Find <small>name, digest, origin</small>
              <input
                type="search"
                value={wanted}
                onInput={(event) => {
                  setWanted(event.currentTarget.value);
                  keepInAddress("data", { q: event.currentTarget.value });
                }}
              />
            </label>
            <p class="muted" role="status">
              {found.length} of {there.length} data sets
            </p>
            <LongList items={found} className="runs data-sets" label="Data sets" rowHeight={64}>
              {(one) => (
                <DataSetRow
                  key={one.digest}
                  one={one}
                  origin={names.get(one.origin)}
                  onGone={() => setGone([...gone, one.digest])}
                />
              )}
            </LongList>
          </>
        )}
      </section>
    </>
  );
}

function DataSetRow({
  one,
  origin,
  onGone,
}: {
  readonly one: Dataset;
  readonly origin: string | undefined;
  readonly onGone: () => void;
}) {
  const { digest, name, bytes, created, madeBy } = one;
  const [asked, setAsked] = useState(false);
  const [call, remove] = useCall(async (signal) => {
    await datasets.deleteDataset({ digest }, { signal });
    onGone();
  });
  return (
    <li>
      <a href={hrefOf("data", { of: digest })}>{name}</a>
      <span class="number">{sizeText(Number(bytes))}</span>
      <span class="number">
        <button
          type="button"
          class="quiet"
          aria-label={asked ? `Really delete ${name}` : `Delete ${name}`}
          onBlur={() => setAsked(false)}
          onClick={() => (asked ? void remove() : setAsked(true))}
        >
          {asked ? "Really delete" : "Delete"}
        </button>
      </span>
      <small class="muted">
        {digest.slice(0, 12)} · {created === undefined ? "" : timestampDate(created).toLocaleString()}
        {madeBy === "" ? "" : ` · of ${origin ?? one.origin.slice(0, 12)}: ${madeBy}`}
      </small>
      {call.state === "failed" && <Problems problems={call.problems} />}
    </li>
  );
}

function sizeText(bytes: number): string {
  return bytes < 1e6 ? `${(bytes / 1e3).toFixed(1)} kB` : `${(bytes / 1e6).toFixed(1)} MB`;
}
