import { useState } from "preact/hooks";
import { datasets } from "../../api.ts";
import { Problems } from "../../parts/calls/problems.tsx";
import { useCall } from "../../parts/calls/use-call.ts";
import { type Reading, readingInAddress, recipeOfReading } from "../../parts/data/reading.ts";
import { hrefOf } from "../../parts/words/address.ts";

/** Divides a data set into a part to train on and one to hold out, both stored. */
export function SplitForm({ digest, reading }: { readonly digest: string; readonly reading: Reading }) {
  const [percent, setPercent] = useState("20");
  const [seed, setSeed] = useState("1");
  const [call, split] = useCall((signal) =>
    datasets.splitDataset(
      {
        ...{ source: { dataset: digest }, task: reading.task, recipe: recipeOfReading(reading) },
        ...{ heldOutShare: Number(percent) / 100, seed: BigInt(Number.parseInt(seed, 10) || 0) },
      },
      { signal },
    ),
  );
  const done = call.state === "done" ? call.value : undefined;
  const address = readingInAddress(reading);
  return (
    <form
      class="card"
      aria-labelledby="split-heading"
      onSubmit={(event) => {
        event.preventDefault();
        void split();
      }}
    >
      <h2 id="split-heading">Hold a part out</h2>
      <p class="muted">
        A model is judged on rows that it was not taught. Every label has about the same share in both parts, and a text
        with its repetitions is in one of them.
      </p>
      <div class="row">
        <label>
          Hold out <small>percent</small>
          <input
            type="number"
            min="1"
            max="99"
            required
            value={percent}
            onInput={(event) => setPercent(event.currentTarget.value)}
          />
        </label>
        <label>
          Seed <small>the same one, the same parts</small>
          <input
            inputMode="numeric"
            pattern="[0-9]+"
            value={seed}
            onInput={(event) => setSeed(event.currentTarget.value)}
          />
        </label>
      </div>
      <div class="actions">
        <button type="submit" class="quiet" aria-busy={call.state === "running"}>
          Split
        </button>
      </div>
      <div aria-live="polite">
        {call.state === "failed" && <Problems problems={call.problems} />}
        {done !== undefined && (
          <p class="notice good">
            Stored <a href={hrefOf("data", { of: done.train!.digest, ...address })}>{done.train!.name}</a> (
            {done.trainRows} rows) and{" "}
            <a href={hrefOf("data", { of: done.heldOut!.digest, ...address })}>{done.heldOut!.name}</a> (
            {done.heldOutRows}){done.leftOut > 0 ? `; ${done.leftOut} rows that cannot be used are in neither` : ""}.{" "}
            <a href={hrefOf("teach", { data: done.train!.digest, eval: done.heldOut!.digest, ...address })}>
              Teach a model from them
            </a>
          </p>
        )}
      </div>
    </form>
  );
}
