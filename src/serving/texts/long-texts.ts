import { spreadRetry } from "../../errors.ts";
import type { Cancellation } from "../../platform/waiting/cancellation.ts";
import type { Clock } from "../../platform/waiting/clock.ts";
import type { TaskModel } from "../../tasks/plan.ts";
import type { TokenizedText, Tokenizer } from "../../tokenizer/tokenizer.ts";
import { abortError, deadlinePassed, queueFull } from "../errors.ts";
import type { EventLoopBudget } from "../scheduler/event-loop-budget.ts";
import { TokenizingHost, type VocabularyTokenizer } from "./tokenizing-host.ts";

// Long texts of requests: tokenized on a thread of their own, and few at a time, so that neither the main thread nor the
// memory feels them. Many short ones are tokenized here, a few in each turn.

/** Texts of one request that together are no longer than this are tokenized on the main thread, which is over sooner. */
const LONG_TEXT = 8192;
/** Shorter texts of a request are tokenized on the main thread even then. */
const WORTH_SENDING = 512;
/** UTF-16 units of them that are tokenized in one go: about a millisecond of work. */
const SHORT_AT_ONCE = 2048;
/** UTF-16 units of long texts that are worked on at a time, from tokenizing to the answer; further ones wait their turn. */
const MAX_IN_HAND = 4 * 1_048_576;
/** UTF-16 units that may wait; beyond them a request is refused. */
const MAX_WAITING = 16 * 1_048_576;
const RETRY_AFTER_MS = 1000;

/** Who waits for the answer of a request. */
export interface Caller {
  readonly deadlineAt: number;
  readonly signal: Cancellation | undefined;
}

/** A model whose tokenizer knows some texts already. `release` says that they are needed no longer. */
export interface PreparedTexts {
  readonly task: TaskModel;
  release(): void;
}

/** Tokenizes the long texts of requests before they are planned. */
export class LongTexts {
  readonly #clock: Clock;
  readonly #eventLoop: EventLoopBudget;
  readonly #host = new TokenizingHost();
  readonly #waiting: { readonly units: number; readonly begin: () => void }[] = [];
  #inHand = 0;
  #waitingUnits = 0;

  constructor(clock: Clock, eventLoop: EventLoopBudget) {
    this.#clock = clock;
    this.#eventLoop = eventLoop;
  }

  /**
   * The model of a request, whose tokenizer gives the pieces of these texts at once.
   *
   * @param texts  all texts that planning the request will tokenize
   * @throws AlbertError overloaded QUEUE_FULL; deadline DEADLINE_PASSED; cancelled; backend THREAD_LOST
   */
  async prepare(
    { task, vocabulary }: { readonly task: TaskModel; readonly vocabulary: VocabularyTokenizer["vocabulary"] },
    texts: readonly string[],
    caller: Caller,
  ): Promise<PreparedTexts> {
    const units = texts.reduce((sum, { length }) => sum + length, 0);
    if (units <= LONG_TEXT) return { task, release: () => {} };
    const release = await this.#take(units, caller);
    try {
      const { tokenizer } = task;
      const known = new Map<string, TokenizedText>();
      const each = [...new Set(texts)];
      for (const text of each.filter(({ length }) => length >= WORTH_SENDING)) {
        known.set(text, await this.#tokenize(text, { tokenizer, vocabulary }, caller));
      }
      const short = each.filter(({ length }) => length < WORTH_SENDING);
      while (short.length > 0) {
        await this.#eventLoop.goOn(() => {
          throwIfUnwanted(caller, this.#clock);
          for (let left = SHORT_AT_ONCE; left > 0 && short.length > 0; ) {
            const text = short.pop()!;
            known.set(text, tokenizer.tokenize(text));
            left -= text.length;
          }
        });
      }
      return { task: { ...task, tokenizer: withKnown(tokenizer, known) }, release };
    } catch (error) {
      release();
      throw error;
    }
  }

  /** Ends the thread. */
  close(): Promise<void> {
    return this.#host.close();
  }

  /** Waits for room. @returns a function that gives it back */
  async #take(units: number, caller: Caller): Promise<() => void> {
    if (this.#inHand > 0 && this.#inHand + units > MAX_IN_HAND) {
      const waiting = this.#waitingUnits + units;
      if (this.#waitingUnits > 0 && waiting > MAX_WAITING) {
        throw queueFull("long-text-chars", waiting, MAX_WAITING, spreadRetry(RETRY_AFTER_MS));
      }
      await untilUnwanted(this.#clock, caller, this.#place(units));
    } else this.#inHand += units;
    let held = true;
    return () => {
      if (!held) return;
      held = false;
      this.#inHand -= units;
      this.#admit();
    };
  }

  /** A place in the line; `withdraw` leaves it, or gives back what came in the same moment. */
  #place(units: number): { readonly done: Promise<void>; readonly withdraw: () => void } {
    let begun = false;
    let entry = { units, begin: () => {} };
    const done = new Promise<void>((resolve) => {
      entry = {
        units,
        begin: () => {
          begun = true;
          resolve();
        },
      };
    });
    this.#waiting.push(entry);
    this.#waitingUnits += units;
    const withdraw = () => {
      if (begun) this.#inHand -= units;
      else {
        this.#waiting.splice(this.#waiting.indexOf(entry), 1);
        this.#waitingUnits -= units;
      }
      this.#admit();
    };
    return { done, withdraw };
  }

  #admit(): void {
    for (let next = this.#waiting[0]; next !== undefined; next = this.#waiting[0]) {
      if (this.#inHand > 0 && this.#inHand + next.units > MAX_IN_HAND) return;
      this.#waiting.shift();
      this.#waitingUnits -= next.units;
      this.#inHand += next.units;
      next.begin();
    }
  }

  #tokenize(text: string, by: VocabularyTokenizer, caller: Caller): Promise<TokenizedText> {
    const unwanted = new AbortController();
    const done = this.#host.tokenize(text, by, unwanted.signal);
    return untilUnwanted(this.#clock, caller, { done, withdraw: () => unwanted.abort() });
  }
}

/** @throws AlbertError deadline DEADLINE_PASSED; the signal's reason */
export function throwIfUnwanted({ signal, deadlineAt }: Caller, clock: Clock): void {
  if (signal?.aborted) throw abortError(signal, "tokenize");
  if (deadlineAt <= clock.now()) throw deadlinePassed("tokenize");
}

/** Waits until something is done, or its caller's deadline has passed, or it has gone away. */
function untilUnwanted<T>(
  clock: Clock,
  { deadlineAt, signal }: Caller,
  { done, withdraw }: { readonly done: Promise<T>; readonly withdraw: () => void },
): Promise<T> {
  return new Promise((resolve, reject) => {
    let settled = false;
    const end = (settle: () => void) => {
      if (settled) return;
      settled = true;
      stopTimer();
      signal?.removeEventListener("abort", onAbort);
      settle();
    };
    const giveUp = (error: unknown) =>
      end(() => {
        withdraw();
        reject(error);
      });
    const onAbort = () => giveUp(abortError(signal, "tokenize"));
    const stopTimer = clock.after(deadlineAt - clock.now(), () => giveUp(deadlinePassed("tokenize")));
    signal?.addEventListener("abort", onAbort, { once: true });
    done.then(
      (value) => end(() => resolve(value)),
      (error: unknown) => end(() => reject(error)),
    );
    if (signal?.aborted) onAbort();
  });
}

/** A tokenizer that has some texts at hand. */
function withKnown(tokenizer: Tokenizer, known: ReadonlyMap<string, TokenizedText>): Tokenizer {
  const { kind, pieceStyle, vocabSize, special, lowerCase, digest } = tokenizer;
  return {
    ...{ kind, pieceStyle, vocabSize, special, lowerCase, digest },
    tokenize: (text) => known.get(text) ?? tokenizer.tokenize(text),
    idOf: (piece) => tokenizer.idOf(piece),
    pieceOf: (id) => tokenizer.pieceOf(id),
  };
}
