import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { AlbertError } from "../../../src/errors.ts";
import type { Vocabulary } from "../../../src/model/directory/vocabulary.ts";
import { systemClock } from "../../../src/platform/waiting/clock.ts";
import { EventLoopBudget } from "../../../src/serving/scheduler/event-loop-budget.ts";
import { LongTexts } from "../../../src/serving/texts/long-texts.ts";
import { TokenizingHost } from "../../../src/serving/texts/tokenizing-host.ts";
import { loadTokenizer } from "../../../src/tokenizer/load-tokenizer.ts";
import { packText, piecesBetween, unpackText } from "../../../src/tokenizer/packed-text.ts";
import { BUNDLED_FIXTURES } from "../../support/fixtures.ts";

const vocabularies: readonly Vocabulary[] = [
  { kind: "wordpiece", lowerCase: true, bytes: readFileSync(join(BUNDLED_FIXTURES, "tokenizer/vocab.txt")) },
  {
    kind: "sentencepiece",
    lowerCase: true,
    bytes: readFileSync(join(import.meta.dirname, "../../support/models/pieces-8k.model")),
  },
];
/** Known words, unknown ones, several scripts, and numbers that one rule cuts again. */
const text = "Fine films: na\u00efve \u4e2d\u6587 \u{1f600}\u{1f601} 1,234, \u{10ffff} xyzzy ".repeat(400);
const nobody = { deadlineAt: Number.POSITIVE_INFINITY, signal: undefined };

const [wordpiece] = vocabularies as [Vocabulary, Vocabulary];
const version = {
  task: { tokenizer: loadTokenizer(wordpiece), heads: [], maxSequenceLength: 512 },
  vocabulary: wordpiece,
};
const closing: (() => Promise<void>)[] = [];
const texts = () => {
  const made = new LongTexts(systemClock, new EventLoopBudget(systemClock));
  closing.push(() => made.close());
  return made;
};
afterAll(() => Promise.all(closing.map((close) => close())));

/** A caller that gives up when the test says so. */
function caller() {
  const controller = new AbortController();
  return { controller, deadlineAt: Number.POSITIVE_INFINITY, signal: controller.signal };
}

describe("a text that is tokenized on another thread", () => {
  it("has the pieces, ids and offsets that it has here", async () => {
    const host = new TokenizingHost();
    closing.push(() => host.close());
    for (const vocabulary of vocabularies) {
      const tokenizer = loadTokenizer(vocabulary);
      const { pieces, ids, starts, ends } = tokenizer.tokenize(text);
      const far = await host.tokenize(text, { tokenizer, vocabulary });
      expect([far.ids, far.starts, far.ends]).toEqual([ids, starts, ends]);
      expect(far.pieces).toEqual(pieces);
      expect(unpackText(packText(far, tokenizer), tokenizer).pieces).toEqual(pieces);
      for (const from of [0, 7, 1000, pieces.length - 3]) {
        expect(piecesBetween(far, from, from + 40)).toEqual(pieces.slice(from, from + 40));
      }
      expect(new Set(pieces).size).toBeGreaterThan(10);
    }
  }, 30_000);

  it("is refused alone where its vocabulary is not its tokenizer's", async () => {
    const host = new TokenizingHost();
    closing.push(() => host.close());
    const tokenizer = loadTokenizer(wordpiece);
    const wrong = { ...wordpiece, lowerCase: false };
    await expect(host.tokenize(text, { tokenizer, vocabulary: wrong })).rejects.toThrow("is not the one");
    const next = await host.tokenize("fine", { tokenizer, vocabulary: wordpiece });
    expect(next.pieces).toEqual(tokenizer.tokenize("fine").pieces);
  }, 30_000);
});

describe("many short texts", () => {
  it("are tokenized here a few at a time, so that other work gets its turn", async () => {
    const many = Array.from({ length: 100 }, (_, i) => `fine films ${i} `.repeat(20));
    let tokenized = 0;
    const { tokenizer } = version.task;
    const tokenize = (one: string) => {
      tokenized++;
      return tokenizer.tokenize(one);
    };
    const counting = { ...tokenizer, tokenize };
    const seen: number[] = [];
    let done = false;
    const watch = () => {
      seen.push(tokenized);
      if (!done) setImmediate(watch);
    };
    watch();
    const { task, release } = await texts().prepare(
      { ...version, task: { ...version.task, tokenizer: counting } },
      many,
      nobody,
    );
    done = true;
    expect(new Set(seen).size).toBeGreaterThan(3);
    expect(task.tokenizer.tokenize(many[99]!).pieces).toEqual(tokenizer.tokenize(many[99]!).pieces);
    expect(tokenized).toBe(100);
    release();
  });
});

describe("a thread that has tokenized for many models", () => {
  it("starts afresh for one more, and still answers for each", async () => {
    const host = new TokenizingHost();
    closing.push(() => host.close());
    const special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"];
    const models = Array.from({ length: 10 }, (_, i): Vocabulary => {
      const pieces = [...special, ...Array.from({ length: i }, (__, k) => `extra${k}`), "fine"];
      return { kind: "wordpiece", lowerCase: true, bytes: Buffer.from(`${pieces.join("\n")}\n`) };
    });
    const ids = await Promise.all(
      [...models, models[0]!].map(async (vocabulary) => {
        const tokenized = await host.tokenize("fine", { tokenizer: loadTokenizer(vocabulary), vocabulary });
        return tokenized.ids[0];
      }),
    );
    expect(ids).toEqual([5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 5]);
  }, 30_000);
});

describe("texts that wait for the thread", () => {
  const by = { tokenizer: version.task.tokenizer, vocabulary: wordpiece };

  it("are not begun for callers who have left, and those behind them are", async () => {
    const host = new TokenizingHost();
    closing.push(() => host.close());
    const { controller, signal } = caller();
    const [first, left, last] = [host.tokenize(text, by), host.tokenize("a", by, signal), host.tokenize("fine", by)];
    const reason = new Error("the caller has left");
    controller.abort(reason);
    await expect(left).rejects.toBe(reason);
    expect((await first).ids).toEqual(by.tokenizer.tokenize(text).ids);
    expect((await last).pieces).toEqual(by.tokenizer.tokenize("fine").pieces);
  }, 30_000);

  it("fail when the thread is ended, as do those that come later", async () => {
    const host = new TokenizingHost();
    const waiting = [host.tokenize(text, by), host.tokenize("fine", by)];
    const outcomes = Promise.allSettled(waiting);
    await host.close();
    for (const outcome of await outcomes) expect(outcome).toMatchObject({ reason: { reason: "THREAD_LOST" } });
    await expect(host.tokenize("fine", by)).rejects.toMatchObject({ reason: "THREAD_LOST" });
  }, 30_000);
});

describe("long texts of requests", () => {
  it("are known to the model's tokenizer, while short ones stay with it", async () => {
    const long = texts();
    const short = await long.prepare(version, ["fine"], nobody);
    expect(short.task).toBe(version.task);
    const { task, release } = await long.prepare(version, [text, "fine"], nobody);
    const known = task.tokenizer.tokenize(text);
    expect(task.tokenizer.tokenize(text)).toBe(known);
    expect(known.ids).toEqual(version.task.tokenizer.tokenize(text).ids);
    expect(task.tokenizer.tokenize("fine").pieces).toEqual(version.task.tokenizer.tokenize("fine").pieces);
    release();
  }, 30_000);

  it("wait for room, in order, leave the line with their callers, and are refused when it is long", async () => {
    const long = texts();
    const big = " ".repeat(3_500_000); //, of some 4.2 that may be in hand
    const first = await long.prepare(version, [big], nobody);
    const impatient = caller();
    const gone = long.prepare(version, [big], impatient);
    const order: string[] = [];
    const second = long.prepare(version, [big], nobody).then((prepared) => {
      order.push("second");
      return prepared;
    });
    const late = long.prepare(version, [big], { deadlineAt: systemClock.now() + 20, signal: undefined });
    await expect(late).rejects.toMatchObject({ reason: "DEADLINE_PASSED" });
    const waiting = [long.prepare(version, [big], nobody), long.prepare(version, [big], nobody)];
    for (const prepared of waiting) prepared.then(({ release }) => release());
    await expect(long.prepare(version, [big], nobody)).rejects.toMatchObject({
      code: "overloaded",
      reason: "QUEUE_FULL",
      metadata: { limit: "long-text-chars", bound: String(16 * 1_048_576) },
    });
    impatient.controller.abort();
    await expect(gone).rejects.toBeInstanceOf(AlbertError);
    expect(order).toEqual([]);
    first.release();
    first.release(); // a second time gives nothing more back
    (await second).release();
    await Promise.all(waiting);
    expect(order).toEqual(["second"]);
  }, 60_000);
});
