import { useEffect, useState } from "preact/hooks";
import { OffsetUnit } from "../../gen/albert/v1/inference_pb.js";
import { type AskIndexResponse, type IndexInfo, IndexState } from "../../gen/albert/v1/search_pb.js";
import { search } from "../api.ts";
import { Loaded } from "../parts/calls/loaded.tsx";
import { Problems } from "../parts/calls/problems.tsx";
import { useCall } from "../parts/calls/use-call.ts";
import { Workbench } from "../parts/calls/workbench.tsx";
import { addressParameters, keepInAddress } from "../parts/words/address.ts";
import { FoundAnswers } from "./search/answers.tsx";
import { NoIndex } from "./search/no-index.tsx";

/** What an address such as `#/search?index=docs&q=Who+…` asks. */
function askedByAddress(): { readonly index: string | null; readonly question: string | null } {
  const parameters = addressParameters();
  return { index: parameters.get("index"), question: parameters.get("q") };
}

/** Why an index cannot be asked; undefined for one that can. */
function obstacleOf({ name, state, failure, encoder }: IndexInfo): string | undefined {
  if (state === IndexState.LOADING) return `${name} is still being read. Try again shortly.`;
  if (state === IndexState.FAILED)
    return `The file of ${name} cannot be read (${failure}); the server's log says more. It is tried again.`;
  if (encoder?.model) return undefined;
  return `${name} was made by the encoder ${encoder?.name} of digest ${encoder?.digest.slice(0, 12)}, which this server does not serve. Serve that model, or make the index again.`;
}

/** Asks the texts of an index: answers marked in their passages, with file and place. */
export function SearchView() {
  return (
    <Loaded what="indexes" read={(signal) => search.listIndexes({}, { signal })}>
      {({ indexes }) => (indexes.length === 0 ? <NoIndex /> : <AskIndexForm indexes={indexes} />)}
    </Loaded>
  );
}

function AskIndexForm({ indexes }: { readonly indexes: readonly IndexInfo[] }) {
  const [asked] = useState(askedByAddress);
  const [name, setName] = useState(
    asked.index ?? (indexes.find((one) => obstacleOf(one) === undefined) ?? indexes[0]!).name,
  );
  const [question, setQuestion] = useState(asked.question ?? "");
  const index = indexes.find((one) => one.name === name);
  const obstacle = index === undefined ? undefined : obstacleOf(index);
  const [call, ask] = useCall(async (signal): Promise<AskIndexResponse> => {
    keepInAddress("search", { index: name, q: question });
    const request = { index: name, question, nBest: 3, offsetUnit: OffsetUnit.UTF16 };
    return search.askIndex(request, { signal, timeoutMs: 20_000 });
  });
  useEffect(() => {
    if (asked.question) void ask();
  }, [asked, ask]);
  return (
    <Workbench action="Ask" call={call} onSubmit={() => void ask()} show={(reply) => <FoundAnswers reply={reply} />}>
      <label>
        Index
        <select value={name} onChange={(event) => setName(event.currentTarget.value)}>
          {index === undefined && <option value={name}>{name}</option>}
          {indexes.map((one) => (
            <option key={one.name} value={one.name}>
              {one.name}
            </option>
          ))}
        </select>
      </label>
      {index !== undefined && obstacle === undefined && (
        <p class="muted about-index">
          {index.passages.toLocaleString("en")} passages of {index.files.toLocaleString("en")} files, found by{" "}
          {index.encoder?.model}
        </p>
      )}
      {obstacle !== undefined && <Problems problems={[obstacle]} />}
      <label>
        Question
        <input
          value={question}
          placeholder="Who built the first lighthouse?"
          onInput={(event) => setQuestion(event.currentTarget.value)}
        />
      </label>
    </Workbench>
  );
}
