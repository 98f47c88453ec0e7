import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { itemError } from "../../src/client/albert-client.ts";
import { HeadKind, OffsetUnit, Pooling, StreamOrder, TruncationPolicy } from "../../src/gen/albert/v1/inference_pb.js";
import { type RunningServer, runServer } from "../server/running-server.ts";
import { writeTinyModel } from "../server/tiny-model.ts";

describe("the inference service", () => {
  let server: RunningServer;

  beforeAll(async () => {
    server = await runServer({ models: [{ name: "tiny", directory: await writeTinyModel() }] });
  });
  afterAll(() => server.close());

  it("classifies a text and says which model answered", async () => {
    const { labels, meta } = await server.client.classify({ text: "good film", options: { head: "sentiment" } });
    expect(labels.map(({ label }) => label).sort()).toEqual(["negative", "positive"]);
    expect(labels[0]!.score).toBeGreaterThanOrEqual(labels[1]!.score);
    expect(labels[0]!.score + labels[1]!.score).toBeCloseTo(1, 12);
    expect(labels[0]!.logit).toBeUndefined();
    expect(meta).toMatchObject({ model: "tiny", version: "1", head: "sentiment", device: "cpu", windows: 1 });
    expect(meta!.digest).toMatch(/^[0-9a-f]{64}$/);
    expect(meta!.tokenizerDigest).toMatch(/^[0-9a-f]{64}$/);
  });
});
