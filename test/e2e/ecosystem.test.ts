import { execFile, execFileSync } from "node:child_process";
import { homedir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { missing } from "../support/fixtures.ts";
import { writeTinyModel } from "../support/models/tiny-model-directory.ts";
import { type RunningServer, runServer } from "../support/running-server.ts";

/** The tool's path, when it is on this machine. */
function tool(name: string, versionFlag: string): string | undefined {
  return [name, join(homedir(), "go/bin", name)].find((path) => {
    try {
      execFileSync(path, [versionFlag], { stdio: "ignore" });
      return true;
    } catch {
      return false;
    }
  });
}

const grpcurl = tool("grpcurl", "-version");
const ghz = tool("ghz", "--version");

describe.skipIf(missing("grpcurl", grpcurl))("grpcurl, which knows nothing but reflection", () => {
  let server: RunningServer;
  beforeAll(async () => {
    server = await runServer({ models: [{ name: "tiny", directory: await writeTinyModel() }] });
  });
  afterAll(() => server.close());

  const ask = async (...args: string[]) => {
    const { stdout } = await promisify(execFile)(grpcurl!, ["-plaintext", ...args]).catch((error) => error);
    return String(stdout);
  };

  it("lists the services", async () => {
    expect((await ask(server.address, "list")).trim().split("\n")).toEqual([
      "albert.v1.InferenceService",
      "albert.v1.SearchService",
      "grpc.health.v1.Health",
      "grpc.reflection.v1.ServerReflection",
      "grpc.reflection.v1alpha.ServerReflection",
      "inference.GRPCInferenceService",
    ]);
  });

  it("describes messages, those of other packages included", async () => {
    expect(await ask(server.address, "describe", "albert.v1.InferItemResult")).toContain(".google.rpc.Status error");
    expect(await ask(server.address, "describe", "albert.v1.NoSuchMessage")).toBe("");
  });

  it("gets an answer from Classify", async () => {
    const request = JSON.stringify({ text: "a gripping, honest film", options: { head: "sentiment" } });
    const reply = JSON.parse(await ask("-d", request, server.address, "albert.v1.InferenceService/Classify"));
    expect(reply.labels).toHaveLength(2);
    expect(reply.meta.model).toBe("tiny");
  });

  it("can read the details of an error", async () => {
    const { stderr } = await promisify(execFile)(grpcurl!, [
      "-plaintext",
      "-d",
      "{}",
      server.address,
      "albert.v1.InferenceService/Encode",
    ]).catch((error) => error);
    expect(String(stderr)).toContain('"reason": "FIELD_INVALID"');
    expect(String(stderr)).toContain('"field": "text"');
  });
});

describe.skipIf(missing("ghz", ghz))("ghz, which takes the first file of a reflected answer for the answer", () => {
  let server: RunningServer;
  beforeAll(async () => {
    server = await runServer({ models: [{ name: "tiny", directory: await writeTinyModel() }] });
  });
  afterAll(() => server.close());

  it("loads Classify with nothing but the server's own description of it", async () => {
    const request = JSON.stringify({ text: "a cat", options: { head: "sentiment" } });
    const call = ["--call", "albert.v1.InferenceService.Classify", "-d", request];
    const { stdout } = await promisify(execFile)(ghz!, ["--insecure", ...call, "-n", "20", "-c", "2", server.address]);
    expect(stdout).toMatch(/\[OK\]\s+20 responses/);
  });
});
