import type { ByteBudget } from "../byte-budget.ts";

/**
 * Bytes that the messages of one bidirectional stream hold: each message is charged when it is read and returned when as
 * many replies have been written, since such streams answer item by item.
 */
export class MessageLedger {
  readonly #budget: ByteBudget;
  readonly #unanswered: number[] = [];

  constructor(budget: ByteBudget) {
    this.#budget = budget;
  }

  /** @throws AlbertError overloaded MEMORY_BUDGET */
  received(bytes: number): void {
    this.#budget.take(bytes);
    this.#unanswered.push(bytes);
  }

  answered(): void {
    this.#budget.give(this.#unanswered.shift() ?? 0);
  }

  close(): void {
    for (const bytes of this.#unanswered.splice(0)) this.#budget.give(bytes);
  }
}
