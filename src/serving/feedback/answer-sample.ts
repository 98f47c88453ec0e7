import { createHash, randomBytes } from "node:crypto";

// Answers that are kept for people to judge: a bounded sample in memory, those first of which a model was least sure. It knows no
// store and no protocol, and writes nothing anywhere.

/** What a model answered to one text. */
export interface SampledAnswer {
  /** Name that it is served under. */
  readonly model: string;
  readonly version: string;
  readonly head: string;
  readonly text: string;
  readonly textPair?: string;
  /** The answer. */
  readonly label: string;
  /** Of the answer, 0 to 1. */
  readonly probability: number;
  /** Distance to the label that comes second: the less, the less sure. */
  readonly margin: number;
  /** All labels that the answer could have been. */
  readonly labels: readonly string[];
}

/** An answer in the sample. */
export interface KeptAnswer extends SampledAnswer {
  readonly id: string;
  /** Milliseconds since 1970. */
  readonly timeMs: number;
}

export interface AnswerSampleOptions {
  /** Answers of each model that are kept; those of which it is surer give way. */
  readonly most: number;
  readonly maxAgeMs: number;
  /** Longer texts are not kept. */
  readonly maxChars: number;
  /** Milliseconds since 1970. */
  readonly clock?: () => number;
}

/** Between two removals of what has grown old while nobody looks, in milliseconds. */
const SWEEP_MS = 60_000;
/** Texts that were judged or passed over are remembered for so many times the sample's size, so that they are not asked again. */
const REMEMBERED = 10;

interface ModelSample {
  /** Least sure first. */
  answers: KeptAnswer[];
  readonly byText: Map<string, KeptAnswer>;
  /** Of texts that are done with, oldest first. */
  readonly done: Set<string>;
  sweptMs: number;
}

/** The sample of each model that answers. Every text is in it once, with its newest answer. */
export class AnswerSample {
  readonly #options: AnswerSampleOptions;
  readonly #clock: () => number;
  readonly #models = new Map<string, ModelSample>();

  constructor(options: AnswerSampleOptions) {
    this.#options = options;
    this.#clock = options.clock ?? Date.now;
  }

  /** Keeps an answer, where it is among those of which its model is least sure. */
  offer(answer: SampledAnswer): void {
    const { most, maxChars } = this.#options;
    if (answer.text.length + (answer.textPair?.length ?? 0) > maxChars) return;
    const sample = this.#sampleOf(answer.model);
    const timeMs = this.#clock();
    if (timeMs - sample.sweptMs > SWEEP_MS) this.#sweep(sample, timeMs);
    const key = keyOf(answer);
    const before = sample.byText.get(key);
    if (before !== undefined) take(sample, before);
    else if (sample.answers.length >= most && answer.margin >= sample.answers.at(-1)!.margin) return;
    if (sample.done.has(key)) return;
    const kept: KeptAnswer = { ...answer, id: randomBytes(9).toString("base64url"), timeMs };
    sample.answers.splice(placeOf(sample.answers, kept), 0, kept);
    sample.byText.set(key, kept);
    if (sample.answers.length > most) take(sample, sample.answers.at(-1)!);
  }

  /** The answers of a model that wait to be judged, least sure first. */
  list(model: string): readonly KeptAnswer[] {
    const sample = this.#models.get(model);
    if (sample === undefined) return [];
    this.#sweep(sample, this.#clock());
    return sample.answers;
  }

  /** Removes an answer that was judged or passed over; its text is not asked again for a while. */
  finish(answer: KeptAnswer): void {
    const sample = this.#sampleOf(answer.model);
    take(sample, answer);
    const most = REMEMBERED * this.#options.most;
    sample.done.add(keyOf(answer));
    for (const oldest of sample.done) {
      if (sample.done.size <= most) break;
      sample.done.delete(oldest);
    }
  }

  /** Forgets every answer of a model. @returns how many there were */
  forget(model: string): number {
    const count = this.#models.get(model)?.answers.length ?? 0;
    this.#models.delete(model);
    return count;
  }

  #sampleOf(model: string): ModelSample {
    const known = this.#models.get(model);
    if (known !== undefined) return known;
    const sample: ModelSample = { answers: [], byText: new Map(), done: new Set(), sweptMs: this.#clock() };
    this.#models.set(model, sample);
    return sample;
  }

  #sweep(sample: ModelSample, nowMs: number): void {
    sample.sweptMs = nowMs;
    const oldestMs = nowMs - this.#options.maxAgeMs;
    if (!sample.answers.some(({ timeMs }) => timeMs < oldestMs)) return;
    for (const answer of sample.answers) if (answer.timeMs < oldestMs) sample.byText.delete(keyOf(answer));
    sample.answers = sample.answers.filter(({ timeMs }) => timeMs >= oldestMs);
  }
}

function take(sample: ModelSample, answer: KeptAnswer): void {
  const at = sample.answers.indexOf(answer);
  if (at >= 0) sample.answers.splice(at, 1);
  const key = keyOf(answer);
  if (sample.byText.get(key) === answer) sample.byText.delete(key);
}

/** Where an answer belongs: by margin, and among equal ones by id. */
function placeOf(answers: readonly KeptAnswer[], { margin, id }: KeptAnswer): number {
  let [low, high] = [0, answers.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    const other = answers[middle]!;
    if (other.margin < margin || (other.margin === margin && other.id < id)) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** Texts themselves would be kept for longer than their answers. */
function keyOf({ head, text, textPair }: SampledAnswer): string {
  return createHash("sha256")
    .update(JSON.stringify([head, text, textPair ?? null]))
    .digest("base64url");
}
