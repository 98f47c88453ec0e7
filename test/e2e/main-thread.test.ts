import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { pathToFileURL } from "node:url";
import { create, type DescMethod, type MessageInitShape, toJsonString } from "@bufbuild/protobuf";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { InferenceService, TruncationPolicy } from "../../src/gen/albert/v1/inference_pb.js";
import { SearchService } from "../../src/gen/albert/v1/search_pb.js";
import { GRPCInferenceService } from "../../src/gen/inference/open_inference_pb.js";
import { freePort } from "../support/free-port.ts";
import { ALL_HEADS, writeTinyModel } from "../support/models/tiny-model-directory.ts";
import { encoded, rawFailure } from "../support/raw-call.ts";
import { writeLargeIndex } from "../support/search-index.ts";
import { type ServerProcess, startServerProcess } from "../support/server-process.ts";

// How long one request may keep the main thread: processor time of the longest turn of the event loop, the best of a few
// tries, since a turn may also collect garbage. The aim is 10 ms on a machine of its own; on one that others keep busy the
// same work takes twice the processor time.

const LONGEST_TURN_MS = 25;
const TRIES = 3;
const MANY = 100_000;

const { batchInfer, chooseAnswer, classify, infer, tokenize } = InferenceService.method;
const { modelInfer } = GRPCInferenceService.method;
const { askIndex, findPassages } = SearchService.method;
const options = { head: "sentiment", truncation: TruncationPolicy.TRUNCATE };
const words = (characters: number) => "the cat sat on the mat ".repeat(characters).slice(0, characters);
const many = <T>(value: T): T[] => new Array<T>(MANY).fill(value);
const items = (count: number, text: string) =>
  Array.from({ length: count }, () => ({ request: { case: "classify" as const, value: { text, options } } }));
const tensor = { name: "text", datatype: "BYTES", shape: [BigInt(MANY)] };

type Case<M extends DescMethod = DescMethod> = readonly [
  what: string,
  method: M,
  request: MessageInitShape<M["input"]>,
];
const of = <M extends DescMethod>(what: string, method: M, request: MessageInitShape<M["input"]>) =>
  [what, method, request] as unknown as Case;

const ANSWERED: readonly Case[] = [
  of("a batch of 128 short texts", batchInfer, { items: items(128, words(100)) }),
  of("a batch of 128 texts of 1,000 characters", batchInfer, { items: items(128, words(1000)) }),
  of("a text of 8,000 characters", classify, { text: words(8000), options }),
  of("a text of 200,000 characters", tokenize, { text: words(200_000), pageSize: 10 }),
];
const REFUSED: readonly Case[] = [
  of("labels", classify, { text: "a", labels: many("x") }),
  of("heads", infer, { text: "a", heads: many({}) }),
  of("choices", chooseAnswer, { question: "a", choices: many("x") }),
  of("items", batchInfer, { items: many({}) }),
  of("labels of an item", batchInfer, {
    items: [{ request: { case: "classify", value: { text: "a", labels: many("x") } } }],
  }),
  of("rows", modelInfer, {
    modelName: "m",
    inputs: [{ ...tensor, contents: { bytesContents: many(Buffer.from("x")) } }],
  }),
  of("booleans", modelInfer, { modelName: "m", inputs: [{ ...tensor, contents: { boolContents: many(true) } }] }),
];
const RAW_ROWS = of("raw rows", modelInfer, {
  ...{ modelName: "tiny", inputs: [tensor], rawInputContents: [Buffer.alloc(4 * MANY)] },
});

// The clock is a thread's own, as Linux has it.
describe.skipIf(process.platform !== "linux")("the main thread is held a few milliseconds at most", () => {
  const directory = mkdtempSync(join(tmpdir(), "albert-turns-"));
  const file = join(directory, "longest");
  let server: ServerProcess;
  let address: string;
  let console: string;

  beforeAll(async () => {
    console = `127.0.0.1:${await freePort()}`;
    const { NODE_OPTIONS = "" } = process.env;
    const probe = pathToFileURL(join(import.meta.dirname, "../support/longest-turn.mjs"));
    Object.assign(process.env, { NODE_OPTIONS: `${NODE_OPTIONS} --import ${probe}`, LONGEST_TURN_FILE: file });
    const encoder = await writeTinyModel([], 1, 64, 384);
    const reader = await writeTinyModel(
      ALL_HEADS.filter(({ kind }) => kind === "span"),
      2,
      256,
    );
    server = startServerProcess({
      models: { load: `tiny=${await writeTinyModel()},vectors=${encoder},reader=${reader}` },
      search: { indexes: `cats=${await writeLargeIndex(encoder, MANY)}` },
      store: { directory: join(directory, "store") },
      server: { console_address: console },
      runtime: { device: "cpu", intra_threads: 1 },
    });
    process.env["NODE_OPTIONS"] = NODE_OPTIONS;
    address = (await server.ready).public;
    await rawFailure(address, batchInfer, encoded(batchInfer, { items: items(128, words(1000)) }));
  }, 120_000);
  afterAll(async () => {
    await server.kill();
    rmSync(directory, { recursive: true });
  });

  const signal = async () => {
    rmSync(file, { force: true });
    process.kill(server.pid, "SIGUSR2");
    while (!existsSync(file) || readFileSync(file, "utf8") === "") await wait(5);
    return Number(readFileSync(file, "utf8"));
  };
  /** The longest turn while something is done. */
  const longestTurn = async (work: () => Promise<unknown>) => {
    let best = Number.POSITIVE_INFINITY;
    for (let done = 0; done < TRIES && best > LONGEST_TURN_MS / 2; done++) {
      await signal();
      await work();
      best = Math.min(best, await signal());
    }
    return best;
  };
  const failure = (method: DescMethod, request: Case[2]) =>
    rawFailure(address, method, encoded(method, request), { deadlineMs: 60_000 });
  const post = async (path: string, body: string) => {
    const response = await fetch(`http://${console}${path}`, {
      ...{ method: "POST", body, headers: { "content-type": "application/json" } },
    });
    return `${response.status} ${await response.text()}`;
  };

  it.each(ANSWERED)(
    "by %s",
    async (_, method, request) => {
      let failed: unknown;
      const turn = await longestTurn(async () => {
        failed = await failure(method, request);
      });
      expect([failed, turn < LONGEST_TURN_MS || turn]).toEqual([undefined, true]);
    },
    60_000,
  );

  it("by ten searches among 100,000 vectors of 384 numbers, and by reading 100 passages for 20 answers", async () => {
    const find = () => failure(findPassages, { index: "cats", query: "the cat", topK: 100 });
    const ask = () => {
      return failure(askIndex, {
        index: "cats",
        question: "who sat?",
        topK: 100,
        nBest: 20,
        options: { model: "reader" },
      });
    };
    for (const work of [() => Promise.all(Array.from({ length: 10 }, find)), ask]) {
      let failed: unknown;
      const turn = await longestTurn(async () => {
        failed = await work();
      });
      expect([[failed].flat().filter(Boolean), turn < LONGEST_TURN_MS || turn]).toEqual([[], true]);
    }
  }, 120_000);

  it.each(REFUSED)(
    `by a request of ${MANY} %s, in binary and JSON, which is refused`,
    async (_, method, request) => {
      let message = "";
      const turn = await longestTurn(async () => {
        message = (await failure(method, request))?.message ?? "";
      });
      expect([message, turn < LONGEST_TURN_MS || turn]).toEqual([expect.stringContaining("at most 9216 values"), true]);
      if (method.parent.typeName !== InferenceService.typeName) return;
      const json = toJsonString(method.input, create(method.input, request));
      const path = `/${method.parent.typeName}/${method.name}`;
      const turnOfJson = await longestTurn(async () => {
        message = await post(path, json);
      });
      expect([message, turnOfJson < LONGEST_TURN_MS || turnOfJson]).toEqual([
        expect.stringMatching(/^400.*9216 val/),
        true,
      ]);
    },
    60_000,
  );

  it("by tensors of very many elements, raw or as JSON, which are refused", async () => {
    let message = "";
    const turn = await longestTurn(async () => {
      message = (await failure(RAW_ROWS[1], RAW_ROWS[2]))?.message ?? "";
    });
    expect([message, turn < LONGEST_TURN_MS || turn]).toEqual([expect.stringContaining("9216 elements"), true]);
    const body = JSON.stringify({ inputs: [{ ...tensor, shape: [MANY], data: many("x") }] });
    const turnOfRest = await longestTurn(async () => {
      message = await post("/v2/models/tiny/infer", body);
    });
    expect([message, turnOfRest < LONGEST_TURN_MS || turnOfRest]).toEqual([
      expect.stringMatching(/^400.*9216 val/),
      true,
    ]);
  }, 60_000);
});
