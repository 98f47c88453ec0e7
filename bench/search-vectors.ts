import { createRequire } from "node:module";
import { parseArgs } from "node:util";
import { quantiseRows } from "../src/model/formats/scaled-int8.ts";
import { nearest } from "../src/search/vectors/nearest.ts";
import { timingOf } from "./timing.ts";

// How long it takes to look through all vectors of an index, and what an approximate index (usearch, if it is installed) gains.
// `node --import tsx bench/search-vectors.ts --count 1000000`. The vectors are random ones around random centres.

const WIDTH = 384;
const QUERIES = 10;
const TOP = 10;

const { values } = parseArgs({
  options: { count: { type: "string", default: "100000" }, usearch: { type: "boolean" } },
});
const count = Number(values.count);
const { vectors, queries } = clustered(count);
const quantised = quantiseInParts(vectors);
const exact = await timed("float32, exact", (query) => exactFloats(vectors, query));
const found = await timed("int8, exact", async (query) =>
  (await nearest(quantised, query, TOP)).map(({ index }) => index),
);
const results: Record<string, unknown> = {
  count,
  float32: { ms: exact.ms, megabytes: (count * WIDTH * 4) / 1e6 },
  int8: { ms: found.ms, megabytes: (count * (WIDTH + 4)) / 1e6, recall: recall(found.answers) },
};
if (values.usearch) results["usearch"] = await approximate();
console.log(JSON.stringify(results, undefined, 2));

/** Vectors of length 1 around centres, as texts about some subjects have them. */
function clustered(size: number) {
  let state = 1;
  const next = () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32 - 0.5;
  };
  const centres = Float32Array.from({ length: 2000 * WIDTH }, () => next() + next() + next());
  const draw = (into: Float32Array) => {
    const centre = Math.floor((next() + 0.5) * 2000) * WIDTH;
    let squares = 0;
    for (let i = 0; i < WIDTH; i++) {
      into[i] = centres[centre + i]! + 0.8 * (next() + next() + next());
      squares += into[i]! ** 2;
    }
    for (let i = 0; i < WIDTH; i++) into[i]! /= Math.sqrt(squares);
    return into;
  };
  const data = new Float32Array(size * WIDTH);
  for (let row = 0; row < size; row++) draw(data.subarray(row * WIDTH, (row + 1) * WIDTH));
  return { vectors: data, queries: Array.from({ length: QUERIES }, () => draw(new Float32Array(WIDTH))) };
}

function quantiseInParts(data: Float32Array) {
  const numbers = new Int8Array(data.length);
  const scales = new Float32Array(count);
  for (let from = 0; from < count; from += 10_000) {
    const part = data.subarray(from * WIDTH, Math.min(count, from + 10_000) * WIDTH);
    const quantisedPart = quantiseRows({ shape: [part.length / WIDTH, WIDTH], data: part });
    numbers.set(quantisedPart.data, from * WIDTH);
    scales.set(quantisedPart.scales.data, from);
  }
  return { width: WIDTH, values: numbers, scales };
}

function exactFloats(data: Float32Array, query: Float32Array): number[] {
  const products = new Float32Array(count);
  for (let row = 0, at = 0; row < count; row++) {
    let [a, b, c, d] = [0, 0, 0, 0];
    for (let i = 0; i < WIDTH; i += 4, at += 4) {
      a += data[at]! * query[i]!;
      b += data[at + 1]! * query[i + 1]!;
      c += data[at + 2]! * query[i + 2]!;
      d += data[at + 3]! * query[i + 3]!;
    }
    products[row] = a + b + c + d;
  }
  const best: number[] = [];
  for (let row = 0; row < count; row++) {
    if (best.length === TOP && products[row]! <= products[best[TOP - 1]!]!) continue;
    let at = best.length;
    while (at > 0 && products[best[at - 1]!]! < products[row]!) at--;
    best.splice(at, 0, row);
    if (best.length > TOP) best.pop();
  }
  return best;
}

async function timed(name: string, search: (query: Float32Array) => number[] | Promise<number[]>) {
  await search(queries[0]!);
  const ms: number[] = [];
  const answers: number[][] = [];
  for (const query of queries) {
    const startedAt = performance.now();
    answers.push(await search(query));
    ms.push(performance.now() - startedAt);
  }
  console.error(`${name}: ${JSON.stringify(timingOf(ms))} ms`);
  return { ms: timingOf(ms), answers };
}

/** Share of the ten nearest, by float32, that were found. */
function recall(answers: readonly (readonly number[])[]): number {
  const hits = answers.map((rows, i) => rows.filter((row) => exact.answers[i]!.includes(row)).length);
  return hits.reduce((sum, hit) => sum + hit, 0) / (TOP * QUERIES);
}

/** What the part of usearch that is used here looks like. */
interface Approximate {
  add(keys: BigUint64Array, vectors: Float32Array, threads: number): void;
  search(query: Float32Array, count: number, threads: number): { readonly keys: BigUint64Array };
}

async function approximate() {
  // No dependency of this project: install it where the bench runs.
  const { Index } = createRequire(import.meta.url)("usearch") as { Index: new (options: object) => Approximate };
  const index = new Index({ metric: "cos", dimensions: WIDTH, quantization: "f32" });
  const startedAt = performance.now();
  for (let from = 0; from < count; from += 10_000) {
    const to = Math.min(count, from + 10_000);
    const keys = BigUint64Array.from({ length: to - from }, (_, i) => BigInt(from + i));
    index.add(keys, vectors.subarray(from * WIDTH, to * WIDTH), 1);
  }
  const buildSeconds = (performance.now() - startedAt) / 1000;
  const { ms, answers } = await timed("usearch", (query) => [...index.search(query, TOP, 1).keys].map(Number));
  return { ms, buildSeconds, recall: recall(answers) };
}
