import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type RunningServer, runServer } from "../server/running-server.ts";
import { writeTinyModel } from "../server/tiny-model.ts";

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

  it("answers to loopback names only", async () => {
    const { request } = await import("node:http");
    const [host, port] = server.app.addresses.console!.split(":");
    const status = await new Promise<number | undefined>((resolve, reject) => {
      request({ host, port, path: "/", headers: { host: "attacker.example" } }, (response) => {
        response.resume();
        resolve(response.statusCode);
      })
        .on("error", reject)
        .end();
    });
    expect(status).toBe(421);
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
