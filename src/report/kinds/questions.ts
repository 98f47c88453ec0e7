import { invariant } from "../../errors.ts";
import type { Example, QuestionExample } from "../../tasks/datasets/examples.ts";
import { answerScores } from "../../tasks/metrics/squad-metrics.ts";
import { predictedText, type SquadPrediction } from "../../tasks/question-answering/squad-predictions.ts";
import type { NullAnswers } from "../evaluation-report.ts";
import { scoresOf } from "../figures/class-counts.ts";
import type { JudgedRow } from "../rows/judged-row.ts";
import { countWords, lengthBin } from "../rows/slices.ts";
import type { ReportPart } from "./part.ts";

const NOTHING = "(no answer)";

/** Of several in a question the first one in it counts. */
const QUESTION_WORDS = /\b(who|whose|whom|what|when|where|which|why|how)\b/i;

/**
 * The part of a report about answers in texts.
 *
 * @param nullThreshold  from which a question has no answer; null where the head always answers
 */
export function questionsPart(
  examples: readonly Example[],
  predictions: readonly SquadPrediction[],
  nullThreshold: number | null,
): ReportPart {
  const version = nullThreshold === null ? "v1.1" : "v2.0";
  const rows: JudgedRow[] = [];
  examples.forEach((example, i) => {
    invariant(example.kind === "question", "answers are given to questions");
    const golds = example.answers.map(({ text }) => text);
    if (golds.length === 0 && version === "v1.1") return;
    const prediction = predictions[i]!;
    const text = predictedText(prediction, nullThreshold);
    const { exact, f1 } = answerScores(text, golds, version);
    const [first, second] = prediction.nBest;
    const confidence = text === "" ? undefined : first?.probability;
    const margin =
      nullThreshold === null || prediction.nullScore === undefined
        ? (first?.probability ?? 0) - (second?.probability ?? 0)
        : Math.abs(prediction.nullScore - nullThreshold);
    rows.push({
      example,
      right: golds[0] ?? NOTHING,
      predicted: text === "" ? NOTHING : text,
      score: f1,
      exact,
      isRight: exact === 1,
      // Of answers that are equally wrong, the surest is the worst.
      loss: 1 - f1 + (1 - f1) * (confidence ?? 0),
      ...(confidence === undefined ? {} : { confidence }),
      margin,
    });
  });
  const isNull = ({ example }: JudgedRow) => questionOf(example).answers.length === 0;
  const figures = (weights: Float64Array) => {
    const mean = (of: (row: JudgedRow) => number, keep: (row: JudgedRow) => boolean = () => true) => {
      let [sum, total] = [0, 0];
      weights.forEach((weight, i) => {
        const row = rows[i]!;
        if (!keep(row)) return;
        sum += weight * of(row);
        total += weight;
      });
      return sum / total;
    };
    const exact = (row: JudgedRow) => row.exact!;
    const f1 = (row: JudgedRow) => row.score;
    return version === "v1.1"
      ? { f1: mean(f1), exact_match: mean(exact) }
      : {
          f1: mean(f1),
          exact: mean(exact),
          HasAns_f1: mean(f1, (row) => !isNull(row)),
          HasAns_exact: mean(exact, (row) => !isNull(row)),
          NoAns_exact: mean(exact, isNull),
        };
  };
  return {
    kind: "questions",
    rows,
    measure: "F1",
    dimensions: [
      { name: "question word", propertyOf: ({ example }) => questionWord(questionOf(example).question) },
      { name: "answer words", propertyOf: ({ example }) => answerLength(questionOf(example)) },
      { name: "question words", propertyOf: ({ example }) => lengthBin(countWords(questionOf(example).question)) },
    ],
    steps: 10 * rows.length,
    figures,
    tables: version === "v1.1" ? {} : { nullAnswers: nullAnswersOf(rows, isNull) },
  };
}

function questionOf(example: Example): QuestionExample {
  invariant(example.kind === "question", "answers are given to questions");
  return example;
}

/** The first question word, in lower case; "other" where there is none. */
function questionWord(question: string): string {
  const word = QUESTION_WORDS.exec(question)?.[1]?.toLowerCase();
  return word === undefined ? "other" : word === "whose" || word === "whom" ? "who" : word;
}

function answerLength({ answers }: QuestionExample): string {
  const [answer] = answers;
  if (answer === undefined) return "0 (no answer)";
  const words = countWords(answer.text);
  return words <= 2 ? String(words) : words <= 5 ? "3-5" : words <= 10 ? "6-10" : "11 and more";
}

function nullAnswersOf(rows: readonly JudgedRow[], isNull: (row: JudgedRow) => boolean): NullAnswers {
  const given = (row: JudgedRow) => row.predicted === NOTHING;
  const actual = rows.filter(isNull).length;
  const predicted = rows.filter(given).length;
  return { ...scoresOf(rows.filter((row) => isNull(row) && given(row)).length, predicted, actual), actual, predicted };
}
