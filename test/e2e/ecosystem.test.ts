import { execFile, execFileSync } from "node:child_process";
import { homedir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { missing } from "../fixtures.ts";
import { type RunningServer, runServer } from "../server/running-server.ts";
import { writeTinyModel } from "../server/tiny-model.ts";

const grpcurl = ["grpcurl", join(homedir(), "go/bin/grpcurl")].find((path) => {
  try {
    execFileSync(path, ["-version"], { stdio: "ignore" });
    return true;
  } catch {
    return false;
  }
});

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
      "grpc.health.v1.Health",
      "grpc.reflection.v1.ServerReflection",
      "grpc.reflection.v1alpha.ServerReflection",
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
