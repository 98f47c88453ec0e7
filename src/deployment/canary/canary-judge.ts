import { randomUUID } from "node:crypto";
import type { ModelRegistry } from "../../serving/models/registry.ts";
import { NO_COUNTS } from "../../serving/traffic/canary-trials.ts";
import type { Counts } from "../../store/canary-evidence.ts";
import type { Judgement as Said } from "../../store/feedback/judgements.ts";
import type { Store } from "../../store/store.ts";
import type { TrafficRule } from "../../store/traffic-rules.ts";
import type { CanaryObserver } from "./canary-observer.ts";
import { DEFAULT_CONDITIONS, type JudgedAnswers, type Judgement, judgeCanary } from "./judge-canary.ts";
import { judgedAnswers } from "./judged-answers.ts";

// Brings what this process counts of canaries into the store, and judges them by what all processes counted.

export interface CanaryJudgeOptions {
  readonly store: Pick<Store, "aliases" | "evidence" | "judgements">;
  readonly live: Pick<ModelRegistry, "list" | "canaryCounts">;
  readonly canaries: Pick<CanaryObserver, "doubt">;
  /** Acts on a verdict; of several servers that do so at once, the store lets one. */
  readonly decide: (model: string, rule: TrafficRule, judgement: Judgement) => Promise<void>;
  readonly onError: (error: unknown, model: string) => void;
  /** Between two looks at the counts: the rate at which this process writes to the store while a canary runs. */
  readonly intervalMs: number;
  /** Calls back at a fixed interval in milliseconds until the returned function is called. */
  readonly every: (milliseconds: number, callback: () => void) => () => void;
  /** Numbers in [0, 1), which keep processes from trying again at the same moments. */
  readonly random?: () => number;
}

/** What a process has brought into the store of one rule. */
interface Told {
  readonly rule: string;
  /** Counts that are in the store. */
  readonly counts: Counts;
  /** How much people had said of answers when the canary was judged. */
  readonly said: number;
  /** Counts that may be, because the answer got lost. */
  readonly pending?: { readonly change: string; readonly counts: Counts };
}

/** Looks that a process lets pass because others write to the same register: how many on average, and how many are left. */
interface Pause {
  readonly looks: number;
  readonly left: number;
}

/** The longest pause, in looks, on average. */
const LONGEST_PAUSE = 16;

/** What people judged is listed at one look in so many: they are slow, and a listing costs more than all else that a look does. */
const LOOKS_PER_LISTING = 15;

/** What people had said of a model's answers, and at how many looks more it will do. */
interface Heard {
  readonly rule: string;
  readonly said: readonly Said[];
  readonly looks: number;
}

/**
 * The evidence is the sum over all processes, so that a canary is judged as soon as all of them together have seen enough, and the
 * promise about false alarms holds whatever their number is. A process adds its counts every `intervalMs`, and nothing while it
 * has counted nothing; whoever adds, or sees (every fifteenth time that it looks) that people judged more answers, judges the sum. Many processes would come in each other's way,
 * so one that another came before adds half as often from then on, and a little more often with each time that none did.
 */
export class CanaryJudge {
  readonly #options: CanaryJudgeOptions;
  readonly #told = new Map<string, Told>();
  readonly #pauses = new Map<string, Pause>();
  readonly #heard = new Map<string, Heard>();
  readonly #stop: () => void;
  #looking: Promise<void> | undefined;

  constructor(options: CanaryJudgeOptions) {
    this.#options = options;
    this.#stop = options.every(options.intervalMs, () => void this.look());
  }

  /** Brings the counts of every canary into the store and judges it. Never rejects; a look that goes on is not joined by another. */
  look(): Promise<void> {
    this.#looking ??= this.#lookAtAll().finally(() => {
      this.#looking = undefined;
    });
    return this.#looking;
  }

  async close(): Promise<void> {
    this.#stop();
    await this.#looking;
  }

  async #lookAtAll(): Promise<void> {
    for (const { name, traffic } of this.#options.live.list()) {
      if (traffic?.mode !== "canary" || traffic.rule === undefined) continue;
      await this.#lookAt(name, traffic.rule).catch((error: unknown) => this.#options.onError(error, name));
    }
  }

  async #lookAt(model: string, ruleId: string): Promise<void> {
    const { store, live, canaries, decide } = this.#options;
    const now: Counts | undefined = live.canaryCounts(model);
    if (now === undefined) return;
    const known = this.#told.get(model);
    const told: Told = known?.rule === ruleId ? known : { rule: ruleId, counts: {}, said: 0 };
    const said = await this.#saidOf(model, ruleId);
    const isCounted = told.pending === undefined && isEqual(now, told.counts);
    if (isCounted && said.length === told.said) return;
    const pause = this.#pauses.get(model) ?? { looks: 0, left: 0 };
    if (!isCounted && pause.left >= 1) {
      this.#pauses.set(model, { ...pause, left: pause.left - 1 });
      return;
    }
    const change = told.pending ?? { change: randomUUID(), counts: now };
    const { rule } = (await store.aliases.list(model)).traffic;
    if (rule?.id !== ruleId) return; // it is over, or another began: this process will follow
    if (!isCounted) this.#told.set(model, { ...told, pending: change });
    let beaten = false;
    const sums = isCounted
      ? await store.evidence.read(model, ruleId)
      : await store.evidence.add(model, ruleId, difference(change.counts, told.counts), change.change, () => {
          beaten = true;
        });
    if (!isCounted) {
      const looks = beaten ? Math.min(LONGEST_PAUSE, 2 * pause.looks + 1) : Math.max(0, pause.looks - 1);
      this.#pauses.set(model, { looks, left: 2 * looks * (this.#options.random ?? Math.random)() });
    }
    if (sums === undefined) {
      this.#told.set(model, told); // others were faster, again and again; they have not taken these in
      return;
    }
    this.#told.set(model, { rule: ruleId, counts: change.counts, said: said.length });
    const judgement = judged(rule, sums, judgedAnswers(said, rule));
    for (const { name, doubt } of judgement.criteria) canaries.doubt(model, name, Math.min(1, doubt));
    if (judgement.verdict !== "undecided") await decide(model, rule, judgement);
  }

  async #saidOf(model: string, rule: string): Promise<readonly Said[]> {
    const heard = this.#heard.get(model);
    const known = heard !== undefined && heard.rule === rule && heard.looks > 0;
    const said = known ? heard.said : await this.#options.store.judgements.list(model);
    this.#heard.set(model, { rule, said, looks: (known ? heard.looks : LOOKS_PER_LISTING) - 1 });
    return said;
  }
}

/** The judgement of a canary by what servers and people have brought into the store; undefined of anything else. */
export async function judgementOf(
  store: Pick<Store, "evidence" | "judgements">,
  model: string,
  rule: TrafficRule | undefined,
): Promise<Judgement | undefined> {
  if (rule?.mode !== "canary" || rule.conditions === undefined) return undefined;
  const said = await store.judgements.list(model);
  return judged(rule, await store.evidence.read(model, rule.id), judgedAnswers(said, rule));
}

function judged(rule: TrafficRule, counts: Counts, answers: JudgedAnswers): Judgement {
  if (rule.conditions === undefined) return { verdict: "undecided", reason: "nobody asked", criteria: [] };
  // A rule of an earlier release has no conditions on what people judge.
  const conditions = { ...DEFAULT_CONDITIONS, ...rule.conditions };
  return judgeCanary({ ...NO_COUNTS, ...counts }, conditions, rule.percent, answers);
}

function isEqual(a: Counts, b: Counts): boolean {
  return Object.entries(a).every(([name, count]) => count === (b[name] ?? 0));
}

/** What was counted since. */
function difference(now: Counts, before: Counts): Counts {
  return Object.fromEntries(Object.entries(now).map(([name, count]) => [name, count - (before[name] ?? 0)]));
}
