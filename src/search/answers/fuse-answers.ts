import type { QuestionAnswer, SpanAnswer } from "../../tasks/question-answering/span-answer.ts";

// Which of the answers from several passages are best. Pure.

/** One answer, and the passage that it is from. */
export interface FusedAnswer {
  /** Index of its passage. */
  readonly passage: number;
  readonly span: SpanAnswer;
  /** Over all answers that were compared. */
  readonly probability: number;
}

/** The best answers of all passages. */
export interface FusedAnswers {
  /** Best first. */
  readonly answers: readonly FusedAnswer[];
  /** Whether the reader holds that some passage answers the question; a reader that cannot tell always does. */
  readonly answerable: boolean;
}

/** What a passage's similarity to the question counts, in the reader's logits. docs/search.md says how it was chosen. */
export const SIMILARITY_WEIGHT = 10;

/**
 * Compares the answers of all passages by the reader's score plus the weighted similarity of their passage. The score is the
 * sum of the logits of both ends, which are comparable between passages as they are between the windows of one document. A
 * reader that knows "no answer" gives log-probabilities within one passage instead; to these is added the logarithm of the
 * probability that this passage has an answer.
 *
 * @param similarities  of the passages, in the order of `read`
 * @param key           equal for answers that are the same, such as one in the overlap of two passages; the better is kept
 */
export function fuseAnswers(
  read: readonly QuestionAnswer[],
  similarities: readonly number[],
  best: number,
  key: (passage: number, span: SpanAnswer) => string,
): FusedAnswers {
  const scored = new Map<string, { passage: number; span: SpanAnswer; score: number }>();
  for (const [passage, { answers, nullScore }] of read.entries()) {
    const base = SIMILARITY_WEIGHT * similarities[passage]! + (nullScore === undefined ? 0 : -softplus(nullScore));
    for (const span of answers) {
      const score = base + span.startScore + span.endScore;
      const known = scored.get(key(passage, span));
      if (known === undefined || score > known.score) scored.set(key(passage, span), { passage, span, score });
    }
  }
  const ranked = [...scored.values()].sort((a, b) => b.score - a.score);
  const highest = ranked[0]?.score ?? 0;
  const total = ranked.reduce((sum, { score }) => sum + Math.exp(score - highest), 0);
  return {
    answers: ranked.slice(0, best).map(({ passage, span, score }) => ({
      ...{ passage, span },
      probability: Math.exp(score - highest) / total,
    })),
    answerable: read.some(({ noAnswer }) => !noAnswer),
  };
}

/** log(1 + e^x), which is minus the logarithm of the probability that a logit of "no answer" leaves to an answer. */
function softplus(x: number): number {
  return Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x)));
}
