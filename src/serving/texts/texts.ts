import type { Clock } from "../../platform/waiting/clock.ts";
import type { OffsetUnit } from "../../tasks/offset-units.ts";
import type { TaskLimits, TaskPlan } from "../../tasks/plan.ts";
import { planTask, type TaskKind, type Tasks, textsOf } from "../../tasks/task-request.ts";
import { type SequenceToken, type TextRequest, type Tokenization, tokenizeRequest } from "../../tasks/text-request.ts";
import type { AnswerRequest } from "../answer.ts";
import type { LoadedVersion } from "../models/loaded-version.ts";
import type { EventLoopBudget } from "../scheduler/event-loop-budget.ts";
import { type Caller, LongTexts, throwIfUnwanted } from "./long-texts.ts";

// From texts to plans and tokens, without holding the main thread: long texts on a thread of their own, the rest in turns.

/** A request as sequences; `release` gives back the room that its texts took. */
export interface PlannedRequest<K extends TaskKind> {
  readonly plan: TaskPlan<Tasks[K]["answer"]>;
  release(): void;
}

/** Which tokens of a text are asked for. */
export interface TokenPage {
  /** The first one, from 0. */
  readonly start: number;
  /** How many at most; absent: all from there, which must not be more than `MAX_PAGE`. */
  readonly size?: number;
}

/** Tokens that one reply may hold. */
const MAX_PAGE = 16_384;

/** Tokens that are made in one go: about a millisecond of work. */
const TOKENS_AT_ONCE = 512;

export class Texts {
  readonly #clock: Clock;
  readonly #eventLoop: EventLoopBudget;
  readonly #long: LongTexts;

  constructor(clock: Clock, eventLoop: EventLoopBudget) {
    this.#clock = clock;
    this.#eventLoop = eventLoop;
    this.#long = new LongTexts(clock, eventLoop);
  }

  /**
   * Plans a request for one version.
   *
   * @throws AlbertError as `planTask` and `LongTexts.prepare`
   */
  async plan<K extends TaskKind>(
    request: Pick<AnswerRequest<K>, "task" | "input" | "violations" | "limits">,
    version: LoadedVersion,
    caller: Caller,
  ): Promise<PlannedRequest<K>> {
    const { task, release } = await this.#long.prepare(version, textsOf(request, request.limits), caller);
    try {
      const plan = await this.#eventLoop.run(() => {
        throwIfUnwanted(caller, this.#clock);
        return planTask(request, task, request.limits);
      });
      return { plan, release };
    } catch (error) {
      release();
      throw error;
    }
  }

  /**
   * How a text is cut into tokens, and a page of them.
   *
   * @param make  what the caller wants of each token
   * @throws AlbertError invalid-input with every wrong field, or INPUT_TOO_LONG for more tokens than a page holds
   */
  async tokenize<T>(
    request: TextRequest & { readonly offsetUnit?: OffsetUnit },
    {
      version,
      limits,
      page,
    }: { readonly version: LoadedVersion; readonly limits: TaskLimits; readonly page: TokenPage },
    caller: Caller,
    make: (token: SequenceToken) => T,
  ): Promise<Omit<Tokenization, "page"> & { readonly tokens: T[] }> {
    const texts = [request.text, request.textPair ?? ""].filter(({ length }) => length <= limits.maxCharacters);
    const { task, release } = await this.#long.prepare(version, texts, caller);
    try {
      const { page: tokensOf, ...tokenization } = await this.#eventLoop.run(() => {
        throwIfUnwanted(caller, this.#clock);
        return tokenizeRequest(request, task, limits, { ...page, most: MAX_PAGE });
      });
      const tokens: T[] = [];
      for (let done = false; !done; ) {
        done = await this.#eventLoop.goOn(() => {
          throwIfUnwanted(caller, this.#clock);
          const next = tokensOf(TOKENS_AT_ONCE);
          for (const token of next) tokens.push(make(token));
          return next.length < TOKENS_AT_ONCE;
        });
      }
      return { ...tokenization, tokens };
    } finally {
      release();
    }
  }

  /** Ends the threads that it started. */
  close(): Promise<void> {
    return this.#long.close();
  }
}
