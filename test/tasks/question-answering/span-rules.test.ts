import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { truncatePair } from "../../../src/tasks/features/sequence.ts";
import { bestNullThreshold } from "../../../src/tasks/metrics/squad-v2-metrics.ts";
import { convertOffsets } from "../../../src/tasks/offset-units.ts";
import { topIndexes } from "../../../src/tasks/probabilities.ts";
import { alignPieces } from "../../../src/tasks/question-answering/alignment.ts";
import { exhaustiveCandidates } from "../../../src/tasks/question-answering/candidates.ts";
import { countWindows, documentWindows, windowsBetween } from "../../../src/tasks/question-answering/windows.ts";

/**
 * The official alignment told again as plainly as possible: full matrices, back-pointers in a map, gaps filled by walking.
 */
function plainAlignment(text: readonly string[], pieces: readonly string[], cleaned: (character: string) => number) {
  const target = pieces.flatMap((piece) =>
    Array.from(piece.replaceAll("\u2581", " "), (character) => character.codePointAt(0)!),
  );
  const n = text.length;
  const m = target.length;
  const run = (reach: number) => {
    const f = Array.from({ length: n }, () => new Array<number>(m).fill(0));
    const g = new Map<string, "up" | "left" | "diagonal">();
    for (let i = 0; i < n; i++) {
      for (let j = i - reach; j < i + reach; j++) {
        if (j < 0 || j >= m) continue;
        if (i > 0) {
          g.set(`${i},${j}`, "up");
          f[i]![j] = f[i - 1]![j]!;
        }
        if (j > 0 && f[i]![j - 1]! > f[i]![j]!) {
          g.set(`${i},${j}`, "left");
          f[i]![j] = f[i]![j - 1]!;
        }
        const before = i > 0 && j > 0 ? f[i - 1]![j - 1]! : 0;
        if (cleaned(text[i]!) === target[j] && before + 1 > f[i]![j]!) {
          g.set(`${i},${j}`, "diagonal");
          f[i]![j] = before + 1;
        }
      }
    }
    return { f, g };
  };
  if (n === 0 || m === 0) return undefined;
  const reach = Math.abs(n - m) + 5;
  let { f, g } = run(reach);
  if (!(f[n - 1]![m - 1]! > 0.8 * n)) ({ f, g } = run(2 * reach));
  const toTarget = new Array<number | undefined>(n).fill(undefined);
  const toText = new Array<number | undefined>(m).fill(undefined);
  let i = n - 1;
  let j = m - 1;
  while (i >= 0 && j >= 0) {
    const step = g.get(`${i},${j}`);
    if (step === undefined) break;
    if (step === "diagonal") {
      toTarget[i] = j;
      toText[j] = i;
      i--;
      j--;
    } else if (step === "left") j--;
    else i--;
  }
  if (toTarget.every((position) => position === undefined) || f[n - 1]![m - 1]! < 0.8 * n) return undefined;
  const fill = (
    index: readonly (number | undefined)[],
    position: number,
    size: number | undefined,
    start: boolean,
  ): number => {
    if (index[position] !== undefined) return index[position]!;
    let rear = position;
    while (rear < index.length - 1 && index[rear] === undefined) rear++;
    let front = position;
    while (front > 0 && index[front] === undefined) front--;
    const low = index[front];
    const high = index[rear];
    if (low === undefined) return high! >= 1 ? (start ? 0 : high! - 1) : high!;
    if (high === undefined) return size !== undefined && low < size - 1 ? (start ? low + 1 : size - 1) : low;
    if (start) return Math.min(high!, low + 1);
    return high! > low + 1 ? high! - 1 : low;
  };
  let at = 0;
  const spans = pieces.map((piece) => {
    const first = at;
    at += Array.from(piece).length;
    return [fill(toText, first, n, true), fill(toText, at - 1, n, false)];
  });
  const pieceOf = pieces.flatMap((piece, index) => Array.from(piece, () => index));
  return {
    spans,
    startPieces: text.map((_, position) => pieceOf[fill(toTarget, position, undefined, true)]),
    endPieces: text.map((_, position) => pieceOf[fill(toTarget, position, undefined, false)]),
  };
}

describe("the official alignment", () => {
  it("equals a plain telling of it on texts with changed, lost and added characters", () => {
    const character = fc.constantFrom("a", "b", "c", " ", "\ud83d\ude00");
    const edit = fc.constantFrom("keep", "keep", "keep", "keep", "keep", "keep", "drop", "double", "change");
    fc.assert(
      fc.property(fc.array(fc.tuple(character, edit, fc.boolean()), { maxLength: 40 }), (edits) => {
        const text = edits.map(([symbol]) => symbol);
        const pieces: string[] = [];
        let piece = "";
        for (const [symbol, kind, cut] of edits) {
          if (kind === "drop") continue;
          const mark = symbol === " " ? "\u2581" : symbol;
          piece += kind === "double" ? mark + mark : kind === "change" ? "x" : mark;
          if (cut) {
            pieces.push(piece);
            piece = "";
          }
        }
        if (piece !== "") pieces.push(piece);
        const cleaned = (symbol: string) => (symbol === "c" ? -1 : symbol.codePointAt(0)!);
        const expected = plainAlignment(text, pieces, cleaned);
        const actual = alignPieces(text, pieces, cleaned);
        if (expected === undefined) {
          expect(actual).toBeUndefined();
          return;
        }
        expect(Array.from(actual!.starts, (start, i) => [start, actual!.ends[i]])).toEqual(expected.spans);
        expect(text.map((_, i) => actual!.pieceAt(i, "start"))).toEqual(expected.startPieces);
        expect(text.map((_, i) => actual!.pieceAt(i, "end"))).toEqual(expected.endPieces);
      }),
      { numRuns: 500 },
    );
  });
});

describe("the alignment's band", () => {
  it("is doubled once for a text whose cleaned form is shifted far", () => {
    const text = Array.from({ length: 60 }, (_, i) => String.fromCharCode(97 + (i % 26)));
    const cleaned = (symbol: string) => symbol.codePointAt(0)!;
    const shifted = (by: number) => ["#".repeat(by) + text.slice(0, text.length - by).join("")];
    expect(alignPieces(text, shifted(8), cleaned)?.pieceAt(0, "start")).toBe(0);
    expect(alignPieces(text, shifted(8), cleaned)?.starts[0]).toBe(0);
    expect(alignPieces(text, shifted(11), cleaned)).toBeUndefined();
  });
});

describe("windows", () => {
  it("are the same, made all at once or a few at a time", () => {
    const layouts = fc.record({
      pieces: fc.nat(400),
      room: fc.integer({ min: 1, max: 60 }),
      stride: fc.integer({ min: 1, max: 70 }),
    });
    fc.assert(
      fc.property(layouts, fc.integer({ min: 1, max: 9 }), (layout, step) => {
        const all = documentWindows(layout.pieces, layout.room, layout.stride);
        const inSteps = [];
        for (let from = 0; from < all.length; from += step) {
          inSteps.push(...windowsBetween(layout, from, Math.min(all.length, from + step)));
        }
        expect(inSteps).toEqual(all);
      }),
    );
  });

  const shape = fc.record({
    pieces: fc.integer({ min: 0, max: 120 }),
    room: fc.integer({ min: 1, max: 40 }),
    stride: fc.integer({ min: 1, max: 60 }),
  });

  it("cover every piece without a gap and are counted beforehand", () => {
    fc.assert(
      fc.property(shape, ({ pieces, room, stride }) => {
        const windows = documentWindows(pieces, room, stride);
        expect(windows.length).toBe(countWindows(pieces, room, stride));
        const seen = new Uint8Array(pieces);
        for (const { start, length } of windows) {
          expect(length).toBeLessThanOrEqual(room);
          seen.fill(1, start, start + length);
        }
        expect(seen.every((flag) => flag === 1)).toBe(true);
      }),
    );
  });

  it("let a piece start an answer in exactly the window that the official rule chooses", () => {
    fc.assert(
      fc.property(shape, ({ pieces, room, stride }) => {
        const windows = documentWindows(pieces, room, stride);
        for (let piece = 0; piece < pieces; piece++) {
          let best = -1;
          let bestScore = Number.NEGATIVE_INFINITY;
          windows.forEach(({ start, length }, i) => {
            const end = start + length - 1;
            if (piece < start || piece > end) return;
            const score = Math.min(piece - start, end - piece) + 0.01 * length;
            if (score > bestScore) {
              best = i;
              bestScore = score;
            }
          });
          const chosen = windows.flatMap(({ start, maxContext }, i) => (maxContext[piece - start] === 1 ? [i] : []));
          expect(chosen).toEqual([best]);
        }
      }),
    );
  });
});

describe("the exhaustive span search", () => {
  it("finds the best spans of all possible ones", () => {
    const logit = fc.integer({ min: -5, max: 5 });
    fc.assert(
      fc.property(
        fc.array(fc.tuple(logit, logit, fc.boolean()), { minLength: 1, maxLength: 25 }),
        fc.integer({ min: 1, max: 8 }),
        fc.integer({ min: 1, max: 10 }),
        (positions, nBestSize, maxAnswerLength) => {
          const window = {
            documentOffset: 2,
            length: positions.length,
            maxContext: Uint8Array.from(positions, ([, , allowed]) => (allowed ? 1 : 0)),
          };
          const starts = [99, 99, ...positions.map(([start]) => start), 99];
          const ends = [99, 99, ...positions.map(([, end]) => end), 99];
          const sums: number[] = [];
          positions.forEach(([start, , allowed], i) => {
            for (let j = i; allowed && j < Math.min(positions.length, i + maxAnswerLength); j++)
              sums.push(start + positions[j]![1]);
          });
          const found = exhaustiveCandidates(starts, ends, window, { nBestSize, maxAnswerLength });
          expect(found.map(({ startScore, endScore }) => startScore + endScore)).toEqual(
            sums.sort((a, b) => b - a).slice(0, nBestSize),
          );
        },
      ),
    );
  });
});

describe("small rules", () => {
  it("cut a pair as popping piece by piece does", () => {
    const length = fc.integer({ min: 0, max: 60 });
    fc.assert(
      fc.property(length, length, length, (first, second, room) => {
        let [a, b] = [first, second];
        while (a + b > room)
          if (a > b) a--;
          else b--;
        expect(truncatePair(first, second, room)).toEqual([a, b]);
      }),
    );
  });

  it("choose the largest values as a stable sort does", () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 9 })), fc.integer({ min: 1, max: 12 }), (values, count) => {
        const sorted = values.map((_, i) => i).sort((a, b) => values[b]! - values[a]! || a - b);
        expect(topIndexes(values, count)).toEqual(sorted.slice(0, count));
      }),
    );
  });

  it("convert offsets as counting from the start does", () => {
    const text = fc.string({ unit: fc.constantFrom("a", "\u00e9", "\u20ac", "\ud83d\ude00") });
    fc.assert(
      fc.property(text, fc.array(fc.nat(30), { maxLength: 6 }), (content, cuts) => {
        const starts = Array.from(content).map((_, i, characters) => characters.slice(0, i).join("").length);
        const offsets = cuts.map((cut) => starts[cut % Math.max(1, starts.length)] ?? 0);
        expect(convertOffsets(content, offsets, "code-point")).toEqual(
          offsets.map((at) => Array.from(content.slice(0, at)).length),
        );
        expect(convertOffsets(content, offsets, "utf-8")).toEqual(
          offsets.map((at) => Buffer.byteLength(content.slice(0, at))),
        );
      }),
    );
  });

  it("find a null threshold that no question sits on, and that is the best one there is", () => {
    const question = fc.record({
      score: fc.integer({ min: -3, max: 3 }),
      answerable: fc.boolean(),
      right: fc.boolean(),
    });
    fc.assert(
      fc.property(fc.array(question, { minLength: 1, maxLength: 12 }), (rows) => {
        const questions = rows.map(({ answerable }, i) => ({ id: String(i), answers: answerable ? ["yes"] : [] }));
        const predictions = new Map(rows.map(({ right }, i) => [String(i), right ? "yes" : "no"]));
        const nullScores = new Map(rows.map(({ score }, i) => [String(i), score]));
        const f1At = (threshold: number) =>
          (100 / rows.length) *
          rows.filter(({ score, answerable, right }) => (score < threshold ? answerable && right : !answerable)).length;
        const { threshold, f1 } = bestNullThreshold({ questions, predictions }, nullScores);
        expect(f1).toBeCloseTo(f1At(threshold), 9);
        const best = Math.max(...[-4, -2.5, -1.5, -0.5, 0.5, 1.5, 2.5, 4].map(f1At));
        expect(f1).toBeCloseTo(best, 9);
        expect([...nullScores.values()]).not.toContain(threshold);
      }),
    );
  });
});
