import type { CanaryCounts } from "../../serving/traffic/canary-trials.ts";
import type { CanaryConditions } from "../../store/traffic-rules.ts";
import { evidenceAbove, evidenceOfMore, type Interval, rateInterval, type Trials } from "./sequential-test.ts";

// Judges a canary by what was counted. Pure: it decides nothing and changes nothing.

/** Outcomes of one version, with the interval in which their rate lies. */
export interface JudgedRate extends Interval {
  readonly events: number;
  readonly of: number;
}

/** Answers of both versions that people judged, and how many of them were wrong. */
export interface JudgedAnswers {
  readonly champion: Trials;
  readonly challenger: Trials;
}

const NOTHING_JUDGED: JudgedAnswers = { champion: { events: 0, of: 0 }, challenger: { events: 0, of: 0 } };

/** One respect in which a canary is compared with the champion. */
export interface JudgedCriterion {
  /** `failed`, `slow`, `wrong` (of the answers that people judged): more often than the champion; `differs`: from the champion, too often. */
  readonly name: "failed" | "slow" | "differs" | "wrong";
  /** Absent where the champion has no rate of its own. */
  readonly champion?: JudgedRate;
  readonly challenger: JudgedRate;
  /** How far the evidence that it is worse has come: at 1 it suffices. */
  readonly doubt: number;
  /** Whether it is shown that it is not worse by more than may be. */
  readonly cleared: boolean;
}

export interface Judgement {
  /** `worse`: to be taken back; `good`: may be promoted. */
  readonly verdict: "undecided" | "worse" | "good";
  /** In words, what led to it, or what is missing. */
  readonly reason: string;
  readonly criteria: readonly JudgedCriterion[];
}

/** By what a canary is judged unless told otherwise. */
export const DEFAULT_CONDITIONS: CanaryConditions = {
  decide: "rollback",
  alpha: 0.01,
  errorRatio: 1.5,
  slowRatio: 2,
  disagreement: 0.1,
  minRequests: 1000,
  wrongRatio: 1.25,
  minJudged: 0,
  overrideGate: false,
};

/** To be promoted, a canary must be shown to fail at most so much more often than the champion, and to be slow at most so much more often. */
const FAILED_MARGIN = 0.02;
const SLOW_MARGIN = 0.1;

/** Of the answers that people judged, a canary may be wrong in so much more. */
const WRONG_MARGIN = 0.1;

/** Each of the four criteria may raise a false alarm with a quarter of alpha. */
const CRITERIA = 4;

/**
 * Judges a canary that gets `percent` of the requests.
 *
 * That it is worse is shown by a sequential test: of all failures (and of all slow answers) of both versions, the share that falls
 * to a canary like the champion is its share of the requests, whatever else fails or slows down at the time; an e-value measures how
 * much more fell to it. `differs` is tested in the same way against the share that may differ. Which answers people judge nobody
 * knows beforehand, so `wrong` compares the rates of the two, by an e-value too. That it is good is shown where the ends of
 * confidence sequences keep the margins; for that nobody need have judged an answer, unless the conditions say so. Either may be
 * looked at as often as one likes.
 */
export function judgeCanary(
  counts: CanaryCounts,
  conditions: CanaryConditions,
  percent: number,
  judged: JudgedAnswers = NOTHING_JUDGED,
): Judgement {
  const { alpha, errorRatio, slowRatio, disagreement, minRequests, wrongRatio, minJudged } = conditions;
  const limit = Math.log(CRITERIA / alpha);
  const rate = (events: number, of: number): JudgedRate => ({ events, of, ...rateInterval(events, of, alpha / 2) });
  const doubtOf = (evidence: number) => Math.max(0, evidence / limit);
  const against = (
    name: "failed" | "slow",
    champion: JudgedRate,
    challenger: JudgedRate,
    ratio: number,
    margin: number,
  ): JudgedCriterion => {
    const share = (ratio * percent) / (ratio * percent + 100 - percent);
    const evidence = evidenceAbove(challenger.events, challenger.events + champion.events, share);
    const cleared = challenger.high - champion.low <= margin;
    return { name, champion, challenger, doubt: doubtOf(evidence), cleared };
  };
  const [championWrong, wrong] = [judged.champion, judged.challenger].map(({ events, of }) => rate(events, of)) as [
    JudgedRate,
    JudgedRate,
  ];
  const differing = rate(counts.disagreed, counts.compared);
  const criteria: JudgedCriterion[] = [
    against(
      "failed",
      rate(counts.championFailed, counts.championRequests),
      rate(counts.challengerFailed, counts.challengerRequests),
      errorRatio,
      FAILED_MARGIN,
    ),
    against(
      "slow",
      rate(counts.championSlow, counts.championTimed),
      rate(counts.challengerSlow, counts.challengerTimed),
      slowRatio,
      SLOW_MARGIN,
    ),
    {
      name: "differs",
      challenger: differing,
      doubt: doubtOf(evidenceAbove(counts.disagreed, counts.compared, disagreement)),
      // Answers that decide nothing, such as vectors, cannot be compared.
      cleared: counts.compared === 0 || differing.high <= disagreement,
    },
    {
      name: "wrong",
      champion: championWrong,
      challenger: wrong,
      doubt: doubtOf(evidenceOfMore(judged.challenger, judged.champion, wrongRatio)),
      cleared: wrong.high - championWrong.low <= WRONG_MARGIN,
    },
  ];
  const worse = criteria.filter(({ doubt }) => doubt >= 1);
  if (worse.length > 0) return { verdict: "worse", reason: worse.map(worseText).join("; "), criteria };
  const answered = counts.challengerRequests;
  if (answered < minRequests) {
    return { verdict: "undecided", reason: `${answered} of ${minRequests} requests`, criteria };
  }
  if (wrong.of < minJudged) {
    return { verdict: "undecided", reason: `people judged ${wrong.of} of ${minJudged} answers`, criteria };
  }
  const open = criteria.filter(({ name, cleared }) => !cleared && name !== "wrong");
  if (open.length > 0) {
    return { verdict: "undecided", reason: `not yet shown: ${open.map(openText).join("; ")}`, criteria };
  }
  const told = criteria.filter(({ name, challenger }) => name !== "wrong" || challenger.of > 0);
  const reason = `as good as the champion in ${answered} requests: ${told.map(rateText).join(", ")}`;
  return { verdict: "good", reason, criteria };
}

const WORDS = { failed: "failed", slow: "slow", differs: "decided differently", wrong: "judged wrong" } as const;

function rateText({ name, champion, challenger }: JudgedCriterion): string {
  const beside = champion === undefined ? "" : ` (champion ${champion.events} of ${champion.of})`;
  return `${challenger.events} of ${challenger.of} ${WORDS[name]}${beside}`;
}

function worseText(criterion: JudgedCriterion): string {
  return `worse than the champion: ${rateText(criterion)}`;
}

function openText(criterion: JudgedCriterion): string {
  const { name, challenger } = criterion;
  return `${WORDS[name]} in at most ${(100 * challenger.high).toFixed(1)} %`;
}
