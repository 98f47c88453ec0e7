import { request } from "node:http";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { writeTinyModel } from "../support/models/tiny-model-directory.ts";
import { type RunningServer, runServer } from "../support/running-server.ts";

describe("the console's listener", () => {
  let server: RunningServer;
  let origin: string;

  beforeAll(async () => {
    server = await runServer({ models: [{ name: "tiny", directory: await writeTinyModel() }] });
    origin = `http://${server.app.addresses.console}`;
  });

  afterAll(() => server.close());

  const call = (method: string, body: unknown, headers: Record<string, string> = {}) =>
    fetch(`${origin}/albert.v1.InferenceService/${method}`, {
      method: "POST",
      headers: { "content-type": "application/json", ...headers },
      body: JSON.stringify(body),
    });

  it("answers JSON as curl sends it", async () => {
    const response = await call("ListModels", {});
    expect(response.status).toBe(200);
    const { models } = (await response.json()) as { models: { name: string }[] };
    expect(models.length).toBeGreaterThan(0);
  });

  it("refuses bad input with every field and the same reason as on gRPC", async () => {
    const response = await call("Classify", { text: "" });
    expect(response.status).toBe(400);
    const { code, details } = (await response.json()) as { code: string; details: { type: string }[] };
    expect(code).toBe("invalid_argument");
    expect(details.map(({ type }) => type)).toContain("google.rpc.BadRequest");
    expect(details.map(({ type }) => type)).toContain("google.rpc.ErrorInfo");
  });

  it("names an unknown model as not found, and tells clients not to retry", async () => {
    const response = await call("Classify", { text: "fine", options: { model: "nobody" } });
    expect(response.status).toBe(404);
    expect(response.headers.get("grpc-retry-pushback-ms")).toBe("-1");
  });

  it("keeps a batch's answers when one of its items fails, and spells out that item's error", async () => {
    const items = [{ tokenize: { text: "a cat" } }, { tokenize: { text: "" } }];
    const response = await call("BatchInfer", { items });
    expect(response.status).toBe(200);
    const { results } = (await response.json()) as {
      results: { tokenize?: { tokens: { start: number }[] }; error?: { code: number; details: object[] } }[];
    };
    // Zeros are there too: a caller need not know defaults.
    expect(results[0]?.tokenize?.tokens[0]?.start).toBe(0);
    expect(results[1]?.error?.code).toBe(3);
    expect(results[1]?.error?.details).toContainEqual(
      expect.objectContaining({ "@type": "type.googleapis.com/google.rpc.ErrorInfo", reason: "FIELD_INVALID" }),
    );
  });

  const get = (path: string, headers: Record<string, string> = {}) => {
    const [host, port] = server.app.addresses.console!.split(":");
    return new Promise<{ status: number | undefined; headers: Record<string, unknown> }>((resolve, reject) => {
      request({ host, port, path, headers }, (response) => {
        response.resume();
        resolve({ status: response.statusCode, headers: response.headers });
      })
        .on("error", reject)
        .end();
    });
  };

  it("answers to loopback names only, in any case of letters", async () => {
    expect((await get("/metrics", { host: "attacker.example" })).status).toBe(421);
    expect((await get("/metrics", { host: "localhost.attacker.example" })).status).toBe(421);
    expect((await get("/metrics", { host: "LocalHost:8080" })).status).toBe(200);
    expect((await get("/metrics", { host: "[::1]:8080" })).status).toBe(200);
  });

  it("hands out no file but the page's own", async () => {
    for (const path of ["/../package.json", "/%2e%2e/package.json", "/assets/../../package.json"]) {
      expect((await fetch(`${origin}${path}`)).status).toBe(404);
    }
  });

  it("gives the metrics that the health view shows", async () => {
    const page = await (await fetch(`${origin}/metrics`)).text();
    expect(page).toContain("albert_requests_total");
  });
});
