import type { AskIndexResponse, Citation, IndexAnswer, Passage } from "../../../gen/albert/v1/search_pb.js";
import { MetaLine } from "../../parts/meta-line.tsx";

/** The answers of an index, each marked in its passage, and the passages that were read. */
export function FoundAnswers({ reply }: { readonly reply: AskIndexResponse }) {
  const { answers, answerable, passages, searchMs, questionMeta, meta } = reply;
  const [best, ...others] = answers;
  return (
    <>
      {!answerable && <p class="answer">The texts do not seem to answer this.</p>}
      {best !== undefined && answerable && <p class="answer">{best.text}</p>}
      {best !== undefined && <Cited answer={best} passage={passages[best.passage]!} />}
      {others.length > 0 && (
        <details class="others">
          <summary>
            {others.length} other {others.length === 1 ? "answer" : "answers"}
          </summary>
          {others.map((answer) => (
            <Cited key={placeText(answer.place)} answer={answer} passage={passages[answer.passage]!} />
          ))}
        </details>
      )}
      <details class="others">
        <summary>
          {passages.length} {passages.length === 1 ? "passage" : "passages"} read
        </summary>
        {passages.map((passage) => (
          <figure key={placeText(passage.place)}>
            <figcaption>
              <code>{placeText(passage.place)}</code> similarity {passage.similarity.toFixed(3)}
            </figcaption>
            <p class="context">{passage.text}</p>
          </figure>
        ))}
      </details>
      <MetaLine meta={meta} />
      <p class="muted found-by">
        Found by {questionMeta?.model} in {((questionMeta?.timings?.totalMs ?? 0) + searchMs).toFixed(1)} ms
      </p>
    </>
  );
}

/** An answer marked in its passage, with file, place and probability. */
function Cited({ answer, passage }: { readonly answer: IndexAnswer; readonly passage: Passage }) {
  const from = passage.place!.start;
  const [start, end] = [answer.place!.start - from, answer.place!.end - from];
  return (
    <figure>
      <figcaption>
        <code>{placeText(answer.place)}</code> {(answer.score * 100).toFixed(1)} %
      </figcaption>
      <p class="context">
        {passage.text.slice(0, start)}
        <mark>{passage.text.slice(start, end)}</mark>
        {passage.text.slice(end)}
      </p>
    </figure>
  );
}

/** File and range of characters. */
function placeText(place: Citation | undefined): string {
  return `${place?.file} ${place?.start}-${place?.end}`;
}
