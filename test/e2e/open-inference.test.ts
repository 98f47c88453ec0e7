import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { deflateSync, gzipSync } from "node:zlib";
import { create, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import type { Client } from "@grpc/grpc-js";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { formatAccessList } from "../../src/access/access-file.ts";
import { newToken, tokenHash } from "../../src/access/tokens.ts";
import { openChannel } from "../../src/client/channel.ts";
import { type ServiceClient, serviceClient } from "../../src/client/service-client.ts";
import { Pooling } from "../../src/gen/albert/v1/inference_pb.js";
import {
  DataType,
  GRPCInferenceService,
  InferParameterSchema,
  ModelConfigSchema,
  type ModelInferRequestSchema,
} from "../../src/gen/inference/open_inference_pb.js";
import { writeTinyModel } from "../support/models/tiny-model-directory.ts";
import { encoded, rawFailure } from "../support/raw-call.ts";
import { type RunningServer, runServer } from "../support/running-server.ts";

type Infer = MessageInitShape<typeof ModelInferRequestSchema>;

/** A BYTES tensor with typed contents. */
function texts(name: string, data: readonly string[], shape: readonly number[] = [data.length]) {
  const contents = { bytesContents: data.map((text) => new TextEncoder().encode(text)) };
  return { name, datatype: "BYTES", shape: shape.map(BigInt), contents };
}

/** The same elements as bytes. */
function rawTexts(data: readonly string[]): Buffer {
  return Buffer.concat(
    data.flatMap((text) => {
      const bytes = Buffer.from(text, "utf8");
      const length = Buffer.alloc(4);
      length.writeUInt32LE(bytes.length);
      return [length, bytes];
    }),
  );
}

const word = (value: string) =>
  create(InferParameterSchema, { parameterChoice: { case: "stringParam" as const, value } });
const count = (value: number) =>
  create(InferParameterSchema, { parameterChoice: { case: "int64Param" as const, value: BigInt(value) } });

describe("the Open Inference Protocol over gRPC", () => {
  let server: RunningServer;
  let channel: Client;
  let open: ServiceClient<typeof GRPCInferenceService>;

  beforeAll(async () => {
    server = await runServer({ models: [{ name: "tiny", directory: await writeTinyModel() }] });
    ({ channel } = openChannel(server.address, [GRPCInferenceService], { maxAttempts: 1 }));
    open = serviceClient(GRPCInferenceService, channel, { deadlineMs: 10_000, headers: {} });
  });
  afterAll(async () => {
    channel.close();
    await server.close();
  });

  const failure = (request: Infer) =>
    rawFailure(
      server.address,
      GRPCInferenceService.method.modelInfer,
      encoded(GRPCInferenceService.method.modelInfer, { modelName: "tiny", ...request }),
    );

  /** The outputs of a reply with typed contents, by name. */
  const outputsOf = async (request: Infer) => {
    const { outputs } = await open.modelInfer({ modelName: "tiny", ...request });
    return Object.fromEntries(
      outputs.map(({ name, shape, contents }) => {
        const strings = contents!.bytesContents.map((bytes) => new TextDecoder().decode(bytes));
        const lists = [strings, contents!.fp32Contents, contents!.intContents, contents!.boolContents] as const;
        return [name, { shape: shape.map(Number), data: lists.find((list) => list.length > 0) ?? [] }];
      }),
    );
  };

  it("is live, ready, and says what it is", async () => {
    expect((await open.serverLive({})).live).toBe(true);
    expect((await open.serverReady({})).ready).toBe(true);
    expect((await open.modelReady({ name: "tiny" })).ready).toBe(true);
    expect((await open.modelReady({ name: "tiny", version: "1" })).ready).toBe(true);
    expect((await open.modelReady({ name: "tiny", version: "2" })).ready).toBe(false);
    expect((await open.modelReady({ name: "nobody" })).ready).toBe(false);
    expect((await open.serverMetadata({})).name).toBe("albert-serve");
    const { models } = await open.repositoryIndex({});
    expect(models.map(({ name, version, state }) => [name, version, state])).toEqual([["tiny", "1", "READY"]]);
  });

  it("describes the tensors of the model's first head", async () => {
    const { versions, inputs, outputs, properties } = await open.modelMetadata({ name: "tiny" });
    expect(versions).toEqual(["1"]);
    expect(inputs.map(({ name }) => name)).toEqual(["text", "text_pair"]);
    expect(outputs.map(({ name, datatype }) => `${name}:${datatype}`)).toEqual([
      "labels:BYTES",
      "probabilities:FP32",
      "logits:FP32",
      "count:INT32",
    ]);
    expect(properties["optional_inputs"]).toBe("text_pair");
    expect(properties["tasks"]).toBe("classify,regress,answer_question,choose_answer,fill_mask,order_sentences,encode");
  });

  it("classifies rows exactly as Classify does one by one", async () => {
    const rows = ["a gripping, honest film", "dull"];
    const { labels, probabilities, count: counts } = await outputsOf({ inputs: [texts("text", rows)] });
    expect(labels!.shape).toEqual([2, 2]);
    expect(counts!.data).toEqual([2, 2]);
    const own = await Promise.all(
      rows.map((text) => server.client.classify({ text, options: { model: "tiny", head: "sentiment" } })),
    );
    expect(labels!.data).toEqual(own.flatMap((reply) => reply.labels.map(({ label }) => label)));
    expect(probabilities!.data).toEqual(own.flatMap((reply) => reply.labels.map(({ score }) => Math.fround(score))));
  });

  it("gives the same bytes raw as typed, and keeps id, version and the order of outputs", async () => {
    const rows = ["a film", "ein Straßenfilm 🎬"];
    const request = {
      ...{ modelName: "tiny", id: "seven" },
      outputs: [{ name: "count" }, { name: "labels" }, { name: "probabilities" }],
      parameters: { top_k: count(1) },
    };
    const typed = await open.modelInfer({ ...request, inputs: [texts("text", rows, [2, 1])] });
    const input = { name: "text", datatype: "BYTES", shape: [2n, 1n] };
    const raw = await open.modelInfer({ ...request, inputs: [input], rawInputContents: [rawTexts(rows)] });
    expect(raw.id).toBe("seven");
    expect(raw.modelVersion).toBe("1");
    expect(raw.outputs.map(({ name }) => name)).toEqual(["count", "labels", "probabilities"]);
    expect(raw.outputs.map(({ shape }) => shape.map(Number))).toEqual([[2], [2, 1], [2, 1]]);
    const labels = typed.outputs[1]!.contents!.bytesContents.map((bytes) => new TextDecoder().decode(bytes));
    expect(Buffer.from(raw.rawOutputContents[1]!)).toEqual(rawTexts(labels));
    const scores = Float32Array.from(typed.outputs[2]!.contents!.fp32Contents);
    expect(Buffer.from(raw.rawOutputContents[2]!)).toEqual(Buffer.from(scores.buffer));
  });

  it("answers questions with spans whose offsets cut them out of the context", async () => {
    const context = "Ein 🎬 film by Ann Lee, in 1999.";
    const inputs = [texts("question", ["who"]), texts("context", [context])];
    const reply = await outputsOf({ inputs, parameters: { top_k: count(3), offset_unit: word("code-point") } });
    const characters = [...context];
    const { answers, start_offsets: starts, end_offsets: ends } = reply;
    expect(answers!.shape).toEqual([1, answers!.data.length]);
    expect(answers!.data.length).toBeGreaterThan(1);
    for (const [i, answer] of answers!.data.entries()) {
      expect(characters.slice(Number(starts!.data[i]), Number(ends!.data[i])).join("")).toBe(answer);
    }
  });

  it("chooses between the choices of each row", async () => {
    const inputs = [texts("question", ["who", "what"]), texts("choices", ["a", "b", "c", "d", "e", "f"], [2, 3])];
    const { index, probabilities } = await outputsOf({ inputs });
    expect(probabilities!.shape).toEqual([2, 3]);
    const own = await server.client.chooseAnswer({ question: "what", choices: ["d", "e", "f"] });
    expect(index!.data[1]).toBe(own.index);
    expect(probabilities!.data.slice(3)).toEqual(own.choices.map(({ score }) => Math.fround(score)));
  });

  it("gives a vector for each token, exactly as Encode does, with rows filled up to the longest", async () => {
    const rows = ["a film", "a gripping, honest film"];
    const parameters = { task: word("encode"), pooling: word("none") };
    const reply = await outputsOf({ inputs: [texts("text", rows)], parameters });
    const own = await Promise.all(
      rows.map((text) => server.client.encode({ text, pooling: Pooling.NONE, returnTokens: true })),
    );
    const [short, long] = own.map(({ tokens }) => tokens);
    const width = long![0]!.values.length;
    expect(reply["count"]!.data).toEqual([short!.length, long!.length]);
    expect(reply["token_embeddings"]!.shape).toEqual([2, long!.length, width]);
    const filled = new Array((long!.length - short!.length) * width).fill(0);
    const values = [short!, long!].map((tokens) => tokens.flatMap((token) => token.values));
    expect(reply["token_embeddings"]!.data).toEqual([...values[0]!, ...filled, ...values[1]!]);
    expect(reply["tokens"]!.data.slice(long!.length)).toEqual(long!.map(({ token }) => token!.piece));
    const starts = long!.map(({ token }) => (token!.special ? -1 : token!.start));
    expect(reply["start_offsets"]!.data.slice(long!.length)).toEqual(starts);
    expect(reply).not.toHaveProperty("embeddings");
  });

  it("gives vectors, fills masks, orders sentences and regresses", async () => {
    const embedded = await outputsOf({ inputs: [texts("text", ["a", "b"])], parameters: { task: word("encode") } });
    const own = await server.client.encode({ text: "b" });
    expect(embedded["embeddings"]!.shape).toEqual([2, own.embedding.length]);
    expect(embedded["embeddings"]!.data.slice(own.embedding.length)).toEqual(own.embedding);

    const rows = ["a [MASK] film", "the [MASK] and the [MASK]"];
    const filled = await outputsOf({ inputs: [texts("text", rows)], parameters: { task: word("fill_mask") } });
    expect(filled["pieces"]!.shape).toEqual([2, 2, 5]);
    expect(filled["count"]!.data).toEqual([1, 2]);
    // The first row has no second mask.
    expect(filled["start_offsets"]!.data).toEqual([2, -1, 4, 19]);
    expect(filled["pieces"]!.data.slice(5, 10)).toEqual(["", "", "", "", ""]);

    const pair = [texts("text", ["first"]), texts("text_pair", ["then"])];
    const { in_order: inOrder, swapped } = await outputsOf({ inputs: pair, parameters: { head: word("order") } });
    expect(Number(inOrder!.data[0]) + Number(swapped!.data[0])).toBeCloseTo(1, 6);

    const rated = await outputsOf({ inputs: [texts("text", ["a"])], parameters: { head: word("rating") } });
    const { value } = await server.client.classify({ text: "a", options: { head: "rating" } });
    expect(rated["value"]!.data).toEqual([Math.fround(value!)]);
  });

  it("tells every fault of a request at once", async () => {
    const found = await failure({
      inputs: [{ ...texts("text", ["a"]), datatype: "INT64" }, texts("weight", ["x"])],
      outputs: [{ name: "spans" }],
      parameters: { top_q: count(1), truncation: word("never") },
    });
    expect(found?.status).toBe("INVALID_ARGUMENT");
    const fields = found?.violations.map((violation) => violation.split(":")[0]);
    expect(fields?.sort()).toEqual([
      "inputs.text",
      "inputs.weight",
      "outputs.spans",
      "parameters.top_q",
      "parameters.truncation",
    ]);
  });

  it.each<[string, Infer, string, string]>([
    ["an unknown model", { modelName: "nobody" }, "NOT_FOUND", "MODEL_NOT_FOUND"],
    ["no model", { modelName: "" }, "INVALID_ARGUMENT", "FIELD_INVALID"],
    ["a version that is not loaded", { modelVersion: "9" }, "FAILED_PRECONDITION", "VERSION_NOT_LOADED"],
    ["no inputs", {}, "INVALID_ARGUMENT", "FIELD_INVALID"],
    ["no rows", { inputs: [texts("text", [])] }, "INVALID_ARGUMENT", "FIELD_INVALID"],
    ["too many rows", { inputs: [texts("text", Array(5000).fill("a"))] }, "INVALID_ARGUMENT", "FIELD_INVALID"],
    ["a shape that lies", { inputs: [texts("text", ["a"], [3])] }, "INVALID_ARGUMENT", "FIELD_INVALID"],
    ["a negative shape", { inputs: [texts("text", ["a"], [-1, -1])] }, "INVALID_ARGUMENT", "FIELD_INVALID"],
    ["an empty text", { inputs: [texts("text", [""])] }, "INVALID_ARGUMENT", "FIELD_INVALID"],
    ["a text too long", { inputs: [texts("text", ["word ".repeat(200)])] }, "INVALID_ARGUMENT", "INPUT_TOO_LONG"],
    [
      "raw bytes that end early",
      { inputs: [{ ...texts("text", ["a"]), contents: undefined }], rawInputContents: [Buffer.from([9, 0, 0, 0, 65])] },
      "INVALID_ARGUMENT",
      "FIELD_INVALID",
    ],
    [
      "bytes that are no text",
      { inputs: [{ ...texts("text", ["a"]), contents: { bytesContents: [Uint8Array.of(0xff)] } }] },
      "INVALID_ARGUMENT",
      "FIELD_INVALID",
    ],
  ] as [string, Infer, string, string][])("refuses %s", async (_, request, status, reason) => {
    const found = await failure(request);
    expect([found?.status, found?.reason]).toEqual([status, reason]);
  });

  it("says which row failed", async () => {
    const found = await failure({ inputs: [texts("text", ["fine", "also fine", ""])] });
    expect(found?.reason).toBe("FIELD_INVALID");
    expect(found?.metadata["row"]).toBe("2");
  });

  it("honours the timeout that clients of the protocol send, in microseconds", async () => {
    const found = await failure({ inputs: [texts("text", ["a"])], parameters: { timeout: count(1) } });
    expect(found?.status).toBe("DEADLINE_EXCEEDED");
  });

  it("describes a model in Triton's form, as its tools ask before they call", async () => {
    const { config } = await open.modelConfig({ name: "tiny" });
    expect(config).toMatchObject({ name: "tiny", platform: "albert-serve", maxBatchSize: 0 });
    expect(config?.input.map(({ name, dataType, dims, optional }) => ({ name, dataType, dims, optional }))).toEqual([
      { name: "text", dataType: DataType.TYPE_STRING, dims: [-1n], optional: false },
      { name: "text_pair", dataType: DataType.TYPE_STRING, dims: [-1n], optional: true },
    ]);
    expect(config?.output).toContainEqual(expect.objectContaining({ name: "count", dataType: DataType.TYPE_INT32 }));
    const { extensions } = await open.serverMetadata({});
    expect(extensions).toContain("model_configuration");
    await expect(open.modelConfig({ name: "tiny", version: "2" })).rejects.toMatchObject({
      reason: "VERSION_NOT_LOADED",
    });
  });

  it("takes what Triton's clients send with every request, and nothing else of that kind", async () => {
    const flag = create(InferParameterSchema, { parameterChoice: { case: "boolParam", value: true } });
    const request = { inputs: [texts("text", ["a film"])] };
    const sent = { ...request, parameters: { triton_enable_empty_final_response: flag } };
    expect((await outputsOf(sent))["labels"]).toEqual((await outputsOf(request))["labels"]);
    const wrong = await failure({ ...request, parameters: { triton_enable_empty_final_response: word("yes") } });
    expect(wrong?.status).toBe("INVALID_ARGUMENT");
    const unknown = await failure({ ...request, parameters: { triton_anything: flag } });
    expect(unknown?.status).toBe("INVALID_ARGUMENT");
  });

  it("has the numbers of Triton's published contract", () => {
    const config = toBinary(
      ModelConfigSchema,
      create(ModelConfigSchema, {
        name: "n",
        platform: "p",
        versionPolicy: { policyChoice: { case: "latest", value: { numVersions: 1 } } },
        maxBatchSize: 3,
        input: [{ name: "i", dataType: DataType.TYPE_STRING, dims: [5n], optional: true }],
        output: [{ name: "o", dataType: DataType.TYPE_FP32, dims: [6n] }],
        backend: "b",
      }),
    );
    // What protoc's own code writes for the published model_config.proto.
    expect(Buffer.from(config).toString("hex")).toBe(
      "0a016e1201701a040a02080120032a0a0a0169100d220105400132080a016f100b1a01068a010162",
    );
  });

  it("answers a stream in order, and goes on after a request that failed", async () => {
    const requests = ["one", "", "three"].map((text, i) => ({
      ...{ modelName: "tiny", id: String(i), inputs: [texts("text", [text])] },
    }));
    const replies = [];
    for await (const reply of open.modelStreamInfer(requests)) replies.push(reply);
    expect(replies.map(({ inferResponse }) => inferResponse?.id)).toEqual(["0", "1", "2"]);
    expect(replies.map(({ errorMessage }) => errorMessage.split(":")[0])).toEqual(["", "FIELD_INVALID", ""]);
    expect(replies[2]?.inferResponse?.outputs).toHaveLength(4);
  });
});

describe("the Open Inference Protocol over REST", () => {
  let server: RunningServer;
  let origin: string;

  beforeAll(async () => {
    const config = { server: { maxMessageBytes: 100_000 } };
    server = await runServer({ models: [{ name: "tiny", directory: await writeTinyModel() }], config });
    origin = `http://${server.app.addresses.console}`;
  });
  afterAll(() => server.close());

  const get = async (path: string) => {
    const response = await fetch(`${origin}${path}`);
    return { status: response.status, body: (await response.json()) as Record<string, unknown> };
  };
  const post = (path: string, body: string | Buffer, headers: Record<string, string> = {}) =>
    fetch(`${origin}${path}`, {
      method: "POST",
      headers: { "content-type": "application/json", ...headers },
      body: typeof body === "string" ? body : new Uint8Array(body),
    });
  const infer = (body: object) => post("/v2/models/tiny/infer", JSON.stringify(body));

  it("answers health, metadata and the index", async () => {
    expect(await get("/v2/health/live")).toEqual({ status: 200, body: { live: true } });
    expect(await get("/v2/health/ready")).toEqual({ status: 200, body: { ready: true } });
    expect((await get("/v2")).body["name"]).toBe("albert-serve");
    expect((await get("/v2/models/tiny/versions/1/ready")).status).toBe(200);
    expect((await get("/v2/models/nobody/ready")).status).toBe(503);
    expect((await get("/v2/models/tiny")).body["versions"]).toEqual(["1"]);
    expect(await get("/v2/models/nobody")).toMatchObject({ status: 404, body: { reason: "MODEL_NOT_FOUND" } });
    const index = await post("/v2/repository/index", "");
    expect(await index.json()).toEqual([{ name: "tiny", version: "1", state: "READY", reason: "" }]);
  });

  it("describes a model in the form that Triton's tools ask for, of every version and to nobody for a name that is none", async () => {
    const { status, body } = await get("/v2/models/tiny/config");
    expect(status).toBe(200);
    expect(body).toMatchObject({ name: "tiny", platform: "albert-serve", max_batch_size: 0 });
    expect(body["input"]).toEqual([
      { name: "text", data_type: "TYPE_STRING", dims: [-1], optional: false },
      { name: "text_pair", data_type: "TYPE_STRING", dims: [-1], optional: true },
    ]);
    expect(body["output"]).toContainEqual({ name: "probabilities", data_type: "TYPE_FP32", dims: [-1, -1] });
    expect(body["output"]).toContainEqual({ name: "count", data_type: "TYPE_INT32", dims: [-1] });
    expect(await get("/v2/models/tiny/versions/1/config")).toEqual({ status, body });
    expect(await get("/v2/models/nobody/config")).toMatchObject({ status: 404, body: { reason: "MODEL_NOT_FOUND" } });
    expect((await post("/v2/models/tiny/config", "")).status).toBe(405);
  });

  it("answers JSON with JSON", async () => {
    const inputs = [{ name: "text", datatype: "BYTES", shape: [2], data: ["a film", "dull"] }];
    const response = await infer({ id: "x", inputs, parameters: { top_k: 1 }, outputs: [{ name: "labels" }] });
    expect(response.status).toBe(200);
    const reply = (await response.json()) as { id: string; outputs: { shape: number[]; data: string[] }[] };
    expect(reply.id).toBe("x");
    expect(reply.outputs[0]?.shape).toEqual([2, 1]);
    expect(["negative", "positive"]).toContain(reply.outputs[0]?.data[0]);
  });

  it.each([
    ["gzip", gzipSync],
    ["deflate", deflateSync],
  ] as const)("reads bodies packed by %s, with tensors after the JSON too", async (encoding, pack) => {
    const tensor = rawTexts(["a film", "dull"]);
    const parameters = { binary_data_size: tensor.length };
    const json = JSON.stringify({ inputs: [{ name: "text", datatype: "BYTES", shape: [2], parameters }] });
    const plain = JSON.stringify({
      inputs: [{ name: "text", datatype: "BYTES", shape: [2], data: ["a film", "dull"] }],
    });
    const ask = async (body: Buffer, headers: Record<string, string>) => {
      const response = await post("/v2/models/tiny/infer", body, headers);
      expect(response.status).toBe(200);
      return ((await response.json()) as { outputs: object[] }).outputs;
    };
    const expected = await ask(Buffer.from(plain), {});
    expect(await ask(pack(plain), { "content-encoding": encoding })).toEqual(expected);
    const binary = { "content-encoding": encoding, "inference-header-content-length": String(json.length) };
    expect(await ask(pack(Buffer.concat([Buffer.from(json), tensor])), binary)).toEqual(expected);
  });

  it("gives a vector for each token, and refuses more of them than a reply may hold", async () => {
    const inputs = (data: readonly string[]) => [{ name: "text", datatype: "BYTES", shape: [data.length], data }];
    const parameters = { task: "encode", pooling: "none" };
    const response = await infer({ inputs: inputs(["a film", "dull"]), parameters, outputs: [{ name: "count" }] });
    expect(response.status).toBe(200);
    const wrong = await infer({ inputs: inputs(["a"]), parameters: { task: "encode", pooling: "sum" } });
    expect(await wrong.json()).toMatchObject({ violations: [{ field: "parameters.pooling" }] });
  });

  it("reads and writes tensors as bytes after the JSON", async () => {
    const tensor = rawTexts(["who", "what"]);
    const head = Buffer.from(
      JSON.stringify({
        inputs: [
          { name: "question", datatype: "BYTES", shape: [2], parameters: { binary_data_size: tensor.length } },
          {
            name: "choices",
            datatype: "BYTES",
            shape: [2, 2],
            data: [
              ["a", "b"],
              ["c", "d"],
            ],
          }, // nested as its shape
        ],
        outputs: [{ name: "index" }, { name: "probabilities", parameters: { binary_data: true } }],
      }),
    );
    const response = await post("/v2/models/tiny/infer", Buffer.concat([head, tensor]), {
      "content-type": "application/octet-stream",
      "inference-header-content-length": String(head.length),
    });
    expect(response.status).toBe(200);
    const bytes = Buffer.from(await response.arrayBuffer());
    const length = Number(response.headers.get("inference-header-content-length"));
    const { outputs } = JSON.parse(bytes.subarray(0, length).toString()) as {
      outputs: { name: string; data?: number[]; parameters?: { binary_data_size: number } }[];
    };
    expect(outputs[1]?.parameters?.binary_data_size).toBe(4 * 4);
    const own = await server.client.chooseAnswer({ question: "what", choices: ["c", "d"] });
    expect(outputs[0]?.data?.[1]).toBe(own.index);
    expect(bytes.readFloatLE(length + 8)).toBe(Math.fround(own.choices[0]!.score));
  });

  it.each([
    ["no JSON", "{", {}, 400],
    ["another form", "[]", {}, 400],
    ["wrong elements", '{"inputs":[{"name":"text","datatype":"BYTES","shape":[1],"data":[7]}]}', {}, 400],
    [
      "endless nesting",
      `{"inputs":[{"name":"text","datatype":"BYTES","shape":[1],"data":${"[".repeat(40_000)}${"]".repeat(40_000)}}]}`,
      {},
      400,
    ],
    ["wrong parameters", '{"inputs":[],"parameters":{"top_k":null}}', {}, 400],
    ["half a character", '{"inputs":[{"name":"text","datatype":"BYTES","shape":[1],"data":["\\ud800"]}]}', {}, 400],
    ["a JSON length beyond the body", "{}", { "inference-header-content-length": "3" }, 400],
    ["bytes of no input", '{"inputs":[]}x', { "inference-header-content-length": "13" }, 400],
    ["a type that any page may send", "{}", { "content-type": "text/plain" }, 415],
    ["a compression that is not read", "{}", { "content-encoding": "br" }, 415],
    ["two compressions", "{}", { "content-encoding": "gzip, gzip" }, 415],
    ["a body that does not unpack", "{}", { "content-encoding": "gzip" }, 400],
    ["half a packed body", gzipSync("{}").subarray(0, 12), { "content-encoding": "gzip" }, 400],
    ["a body that unpacks to too much", gzipSync(Buffer.alloc(10_000_000)), { "content-encoding": "gzip" }, 429],
    ["the same by deflate", deflateSync(Buffer.alloc(10_000_000)), { "content-encoding": "deflate" }, 429],
    [
      "a packed body too large that unpacks to nothing",
      Buffer.concat(new Array(6_000).fill(gzipSync(""))),
      { "content-encoding": "gzip" },
      429,
    ],
    ["a body too large", `{"x":"${"y".repeat(100_001)}"}`, {}, 429],
  ] as [string, string | Buffer, Record<string, string>, number][])("refuses %s", async (_, body, headers, status) => {
    const response = await post("/v2/models/tiny/infer", body, headers);
    expect(response.status).toBe(status);
    expect((await response.json()) as object).toHaveProperty("error");
  });

  it("takes a body without a type from a program, not from a browser's page", async () => {
    const body = JSON.stringify({ inputs: [{ name: "text", datatype: "BYTES", shape: [1], data: ["a"] }] });
    const send = async (headers: Record<string, string>) => {
      const options = { method: "POST", body: new TextEncoder().encode(body), headers };
      return (await fetch(`${origin}/v2/models/tiny/infer`, options)).status;
    };
    expect([await send({}), await send({ origin: "https://example.com" })]).toEqual([200, 415]);
  });

  it("knows its paths and methods", async () => {
    expect((await get("/v2/nothing")).status).toBe(404);
    expect((await get("/v2/models/%ff")).status).toBe(404);
    const wrong = await fetch(`${origin}/v2/health/live`, { method: "DELETE" });
    expect([wrong.status, wrong.headers.get("allow")]).toEqual([405, "GET"]);
  });
});

describe("where callers need tokens", () => {
  it("asks for them over REST as over gRPC, and leaves probes open", async () => {
    const scratch = mkdtempSync(join(tmpdir(), "albert-open-inference-"));
    const tokensFile = join(scratch, "tokens.json");
    const tokens = ["tiny", "another"].map((model) => {
      const { id, token } = newToken();
      const entry = {
        id,
        name: model,
        sha256: tokenHash(token),
        scopes: ["infer"] as const,
        models: [model],
        created: 0,
      };
      return { token, entry };
    });
    writeFileSync(tokensFile, formatAccessList({ tokens: tokens.map(({ entry }) => entry), certificates: [] }));
    const models = [{ name: "tiny", directory: await writeTinyModel() }];
    const server = await runServer({ models, config: { auth: { tokensFile } } });
    const status = async (path: string, token?: string) => {
      const headers = token === undefined ? {} : { authorization: `Bearer ${token}` };
      return (await fetch(`http://${server.app.addresses.console}${path}`, { headers })).status;
    };
    try {
      const [own, other] = tokens.map(({ token }) => token);
      expect([await status("/v2/health/live"), await status("/v2/health/ready")]).toEqual([200, 200]);
      const metadata = "/v2/models/tiny";
      expect([await status(metadata), await status(metadata, other), await status(metadata, own)]).toEqual([
        401, 403, 200,
      ]);
    } finally {
      await server.close();
    }
  });
});

describe("while the server drains", () => {
  it("is live and not ready, and takes no request", async () => {
    const config = { server: { drainDelayMs: 1_500 } };
    const server = await runServer({ models: [{ name: "tiny", directory: await writeTinyModel() }], config });
    const origin = `http://${server.app.addresses.console}`;
    const { channel } = openChannel(server.address, [GRPCInferenceService], { maxAttempts: 1 });
    const open = serviceClient(GRPCInferenceService, channel, { deadlineMs: 10_000, headers: {} });
    expect((await open.serverReady({})).ready).toBe(true);
    const closing = server.app.close();
    expect((await open.serverReady({})).ready).toBe(false);
    expect((await open.modelReady({ name: "tiny" })).ready).toBe(false);
    expect((await fetch(`${origin}/v2/health/ready`)).status).toBe(503);
    expect((await fetch(`${origin}/v2/health/live`)).status).toBe(200);
    channel.close();
    await closing;
    await server.close();
  });
});
