import { randomUUID } from "node:crypto";
import { rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { AlbertError, invalidInput } from "../../errors.ts";
import type { ModelService } from "../../gen/albert/v1/models_pb.js";
import { wilsonInterval } from "../../report/resampling/wilson-interval.ts";
import type { AnswerSample, KeptAnswer } from "../../serving/feedback/answer-sample.ts";
import type { Judgement } from "../../store/feedback/judgements.ts";
import type { Store } from "../../store/store.ts";
import type { ServiceHandlers } from "../call/call.ts";
import { timestamp } from "./conversions.ts";
import { pageByOrder } from "./paging.ts";

// The calls of `albert.v1.ModelService` about answers that people judge.

export interface FeedbackOptions {
  readonly store: Pick<Store, "judgements" | "datasets">;
  /** Absent where the settings keep no answers; what was judged before can be had all the same. */
  readonly sample: AnswerSample | undefined;
  /** Milliseconds since 1970. */
  readonly clock?: () => number;
}

type FeedbackCalls = Pick<
  ServiceHandlers<typeof ModelService>,
  "listAnswers" | "judgeAnswer" | "storeJudgements" | "deleteJudgements"
>;

export function feedbackCalls({ store, sample, clock = Date.now }: FeedbackOptions): FeedbackCalls {
  const { judgements, datasets } = store;
  return {
    async listAnswers({ model, pageSize, pageToken }) {
      const said = await judgements.list(model);
      const waiting = sample?.list(model) ?? [];
      const { items, nextPageToken } = pageByOrder(waiting, placeOf, { pageSize, pageToken });
      return {
        ...{ answers: items.map(answerMessage), nextPageToken, waiting: waiting.length, judged: said.length },
        ...{ keeping: sample !== undefined, accuracies: accuracies(said) },
      };
    },
    async judgeAnswer({ model, answerId, verdict }, { caller }) {
      const answer = sample?.list(model).find(({ id }) => id === answerId);
      if (answer === undefined) throw noAnswer();
      if (verdict.case === "label") {
        await judgements.add(judgementOf(answer, verdict.value, caller?.name, clock()));
      } else if (verdict.case !== "skip" || !verdict.value) {
        throw invalidInput([{ field: "verdict", description: "give a label, or skip the answer" }]);
      }
      sample!.finish(answer);
      return {};
    },
    async storeJudgements({ model, name }) {
      const rows = rowsOf(await judgements.list(model));
      if (rows.length === 0) {
        throw new AlbertError("precondition", `no answer of ${model} is judged yet: judge some, then store them`, {
          reason: "NOTHING_JUDGED",
        });
      }
      const file = join(tmpdir(), `albert-judged-${randomUUID()}.jsonl`);
      try {
        await writeFile(file, rows.map((row) => `${JSON.stringify(row)}\n`).join(""), { mode: 0o600 });
        const { digest, name: kept } = await datasets.add(name === "" ? `feedback-${model}.jsonl` : name, file);
        return { digest, name: kept, rows: rows.length };
      } finally {
        await rm(file, { force: true });
      }
    },
    async deleteJudgements({ model }) {
      const judged = await judgements.remove(model);
      return { judged, waiting: sample?.forget(model) ?? 0 };
    },
  };
}

/** What a token of a page names: how sure the model was, and which answer it is. */
function placeOf({ margin, id }: KeptAnswer): string {
  return `${margin.toFixed(12)}-${id}`;
}

function noAnswer(): AlbertError {
  const message =
    "no answer of this id waits to be judged: it was judged, gave way to ones of which the model is less sure, or grew too old; list them again";
  return new AlbertError("not-found", message, { reason: "ANSWER_NOT_FOUND" });
}

function judgementOf(answer: KeptAnswer, label: string, by: string | undefined, judgedMs: number): Judgement {
  if (!answer.labels.includes(label)) {
    const description = `is not a label of head ${answer.head}, which has ${answer.labels.join(", ")}`;
    throw invalidInput([{ field: "label", description }]);
  }
  const { id, model, version, head, text, textPair, probability, timeMs } = answer;
  return {
    ...{ form: 1, id, model, version, head, text, ...(textPair === undefined ? {} : { textPair }) },
    ...{ answer: answer.label, probability, label, ...(by === undefined ? {} : { by }) },
    ...{ answeredMs: timeMs, judgedMs },
  };
}

/** Rows to train on; of a text that was judged twice, what was said last. */
function rowsOf(said: readonly Judgement[]): { text: string; text_pair?: string; label: string }[] {
  const rows = new Map(
    said.map(({ text, textPair, label }) => [
      JSON.stringify([text, textPair]),
      { text, ...(textPair === undefined ? {} : { text_pair: textPair }), label },
    ]),
  );
  return [...rows.values()];
}

/** How often each version was right, of the answers that were judged. */
function accuracies(said: readonly Judgement[]) {
  return [...new Set(said.map(({ version }) => version))].sort(byNumber).map((version) => {
    const ofVersion = said.filter((judgement) => judgement.version === version);
    const right = ofVersion.filter(({ answer, label }) => answer === label).length;
    const [low, high] = wilsonInterval(right / ofVersion.length, ofVersion.length);
    return { version, judged: ofVersion.length, right, low, high };
  });
}

function byNumber(a: string, b: string): number {
  return a.localeCompare(b, "en", { numeric: true });
}

function answerMessage({ id, version, head, text, textPair, label, probability, margin, labels, timeMs }: KeptAnswer) {
  return {
    ...{ id, version, head, text, ...(textPair === undefined ? {} : { textPair }) },
    ...{ label, probability, margin, labels: [...labels], time: timestamp(timeMs) },
  };
}
