import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type DescField, type DescMessage, type DescMethod, ScalarType } from "@bufbuild/protobuf";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { connectAdmin } from "../../src/client/admin-client.ts";
import { CallError } from "../../src/client/call-error.ts";
import { InferenceService } from "../../src/gen/albert/v1/inference_pb.js";
import { ModelService } from "../../src/gen/albert/v1/models_pb.js";
import { DatasetService, JobKind, TrainingService } from "../../src/gen/albert/v1/training_pb.js";
import { heartbeatMs } from "../../src/server/admin/heartbeats.ts";
import { writeTinyModel } from "../support/models/tiny-model-directory.ts";
import { type RunningServer, runServer } from "../support/running-server.ts";

type Json = { readonly [name: string]: unknown };

/** Ends of each type, values between, and values that are none of it, as JSON has them. */
const WHOLE = [
  0,
  1,
  -1,
  0.5,
  "NaN",
  4_294_967_295,
  4_294_967_296,
  "18446744073709551615",
  "-9223372036854775808",
  1e300,
];
const REAL = [0, -0.5, 0.5, 1e-320, "NaN", "Infinity", "-Infinity", 1.7e308, -1.7e308, "1e999"];
const NUMBERS: ReadonlyMap<ScalarType, readonly unknown[]> = new Map([
  ...[ScalarType.INT32, ScalarType.INT64, ScalarType.UINT32, ScalarType.UINT64].map((type) => [type, WHOLE] as const),
  ...[ScalarType.DOUBLE, ScalarType.FLOAT].map((type) => [type, REAL] as const),
]);

/** Requests that are complete but for the number that is tried. */
const BASE: Readonly<Record<string, Json>> = {
  Classify: { text: "a good day", options: { head: "sentiment" } },
  AnswerQuestion: { question: "who sat?", context: "the cat sat on the mat", options: { head: "span" } },
  ChooseAnswer: { context: "the cat sat", question: "who?", choices: ["cat", "dog"] },
  Encode: { text: "a cat" },
  FillMask: { text: "the [MASK] sat" },
  Tokenize: { text: "a cat" },
  Infer: { text: "a cat" },
  GetVersion: { model: "tiny" },
  ListVersions: { model: "tiny" },
  ValidateVersion: { model: "tiny", task: "classification", source: { path: "rows.jsonl" } },
  LoadVersion: { model: "tiny" },
  UnloadVersion: { model: "tiny" },
  Promote: { model: "tiny", version: 1 },
  Rollback: { model: "tiny" },
  SetTraffic: { model: "tiny" },
  CreateJob: {
    spec: { kind: "JOB_KIND_FINE_TUNE", model: "tiny", task: "classification", train: { path: "absent.jsonl" } },
  },
  PlanJob: {
    spec: { kind: "JOB_KIND_FINE_TUNE", model: "tiny", task: "classification", train: { path: "absent.jsonl" } },
  },
  CloneJob: { jobId: "absent" },
};

/** The ways to every number of a request, by JSON names. */
function numberPaths(
  message: DescMessage,
  depth = 0,
): { readonly path: readonly string[]; readonly type: ScalarType }[] {
  if (depth > 3) return [];
  return message.fields.flatMap((field: DescField) => {
    if (field.fieldKind === "scalar" && NUMBERS.has(field.scalar))
      return [{ path: [field.jsonName], type: field.scalar }];
    const list = field.fieldKind === "list" && field.listKind === "message";
    if (!list && field.fieldKind !== "message") return [];
    // Of a list, the one message that is tried.
    const name = list ? `${field.jsonName}[]` : field.jsonName;
    return numberPaths(field.message, depth + 1).map(({ path, type }) => ({ path: [name, ...path], type }));
  });
}

function withValue(base: Json, [name, ...rest]: readonly string[], value: unknown): Json {
  if (name === undefined) return base;
  if (name.endsWith("[]")) {
    const list = name.slice(0, -2);
    const [first = {}] = (base[list] ?? []) as readonly Json[];
    return { ...base, [list]: [withValue(first, rest, value)] };
  }
  return { ...base, [name]: rest.length === 0 ? value : withValue((base[name] ?? {}) as Json, rest, value) };
}

const unary = [InferenceService, ModelService, TrainingService, DatasetService].flatMap((service) =>
  service.methods.filter(({ methodKind }) => methodKind === "unary").map((method: DescMethod) => ({ service, method })),
);
/** The request that a number is put into; an item of a batch is a whole request of its kind. */
function baseOf(method: string, [list, kind = ""]: readonly string[]): Json {
  if (list !== "items[]") return BASE[method] ?? {};
  const call = `${kind.slice(0, 1).toUpperCase()}${kind.slice(1)}`;
  return { items: [{ correlationId: "1", [kind]: BASE[call] ?? {} }] };
}

const cases = unary.flatMap(({ service, method }) =>
  numberPaths(method.input).map(({ path, type }) => ({ service, method, path, type, field: path.join(".") })),
);

describe("every number of every request", { timeout: 120_000 }, () => {
  const base = mkdtempSync(join(tmpdir(), "albert-number-ends-"));
  let server: RunningServer;
  let origin: string;
  beforeAll(async () => {
    writeFileSync(join(base, "rows.jsonl"), '{"text": "good day", "label": "positive"}\n');
    server = await runServer({
      models: [{ name: "tiny", directory: await writeTinyModel() }],
      config: { store: { directory: join(base, "store") }, training: { datasetRoots: [base] } },
    });
    origin = `http://${server.app.addresses.console}`;
  }, 120_000);
  afterAll(async () => {
    await server.close();
    rmSync(base, { recursive: true, force: true });
  });

  const post = (service: string, method: string, body: Json) =>
    fetch(`${origin}/${service}/${method}`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(body),
    });

  it("is found, in requests that are answered without it", async () => {
    expect(cases.length).toBeGreaterThan(45);
    expect(cases.map(({ field }) => field)).toEqual(
      expect.arrayContaining(["items[].answerQuestion.docStride", "heads[].topK", "spec.maxSteps", "pageStart"]),
    );
    for (const method of ["Classify", "AnswerQuestion", "ChooseAnswer", "Encode", "FillMask", "Tokenize"]) {
      const response = await post(InferenceService.typeName, method, BASE[method]!);
      expect([method, response.status, await response.text()]).toEqual([method, 200, expect.anything()]);
    }
  });

  it.each(cases)(
    "$method.name: $field works or is refused, at its ends and beyond",
    async ({ service, method, path, type }) => {
      for (const value of NUMBERS.get(type)!) {
        const response = await post(service.typeName, method.name, withValue(baseOf(method.name, path), path, value));
        const text = await response.text();
        const reply = JSON.parse(text) as { readonly code?: string; readonly message?: string };
        const said = `${JSON.stringify(value)}: ${text.slice(0, 2000)}`;
        expect(said).not.toMatch(/"code":13\b/); // INTERNAL, of an item of a batch
        // What the caller sent is never our fault, and no number makes a call wait forever.
        expect(["internal", "unknown", "data_loss", "deadline_exceeded"], said).not.toContain(reply.code);
        expect(said).not.toMatch(/\n\s+at |this is a bug/);
      }
    },
  );

  it("of a watch works or is refused too, and nothing fires at once", async () => {
    const admin = connectAdmin(server.app.addresses.admin!, { maxAttempts: 1 });
    /** Messages of a stream within half a second, or the status with which it failed. */
    const told = async (watch: (signal: AbortSignal) => AsyncIterable<unknown>) => {
      const over = AbortSignal.timeout(500);
      let messages = 0;
      try {
        for await (const _ of watch(over)) messages++;
      } catch (error) {
        if (error instanceof CallError) return error.status;
        if (!over.aborted) throw error;
      }
      return messages;
    };
    const spec = { kind: JobKind.FINE_TUNE, model: "tiny", task: "classification", train: { path: "rows.jsonl" } };
    try {
      const jobId = (await admin.training.createJob({ requestId: "ends", spec })).job!.id;
      await admin.training.cancelJob({ jobId });
      for (const heartbeatSeconds of [0, -1, 0.5, 5e-324, 1e300, Number.NaN, Infinity, -Infinity]) {
        const outcomes = [await told((signal) => admin.models.watchServing({ heartbeatSeconds }, { signal }))];
        for (const afterSequence of [0, 1, 2 ** 32 - 1]) {
          const request = { jobId, afterSequence, heartbeatSeconds };
          outcomes.push(await told((signal) => admin.training.watchJob(request, { signal })));
        }
        for (const outcome of outcomes) {
          // A few events and models; with a heartbeat that fired at once there would be thousands.
          expect(outcome === "INVALID_ARGUMENT" || Number(outcome) < 40, `${heartbeatSeconds}: ${outcome}`).toBe(true);
        }
      }
    } finally {
      admin.close();
    }
  });
});

describe("the heartbeat of a watch", () => {
  it("comes at a bounded distance whatever is asked for: a timer beyond its longest would fire at once", () => {
    for (const seconds of [0, -1, Number.NaN, Number.POSITIVE_INFINITY, 1e300, 1e-300, 2 ** 31, 0.5, 15]) {
      const milliseconds = heartbeatMs(seconds);
      expect(milliseconds, String(seconds)).toBeGreaterThanOrEqual(100);
      expect(milliseconds, String(seconds)).toBeLessThanOrEqual(300_000);
    }
  });
});
