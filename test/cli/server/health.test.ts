import { afterAll, beforeAll, expect, it } from "vitest";
import { spawnAlbert } from "../../support/command-line.ts";
import { writeTinyModel } from "../../support/models/tiny-model-directory.ts";
import { type RunningServer, runServer } from "../../support/running-server.ts";

let server: RunningServer;
beforeAll(async () => {
  server = await runServer({ models: [{ name: "tiny", directory: await writeTinyModel() }] });
});
afterAll(() => server.close());

/** Exit status and everything said by `albert health`. */
async function health(args: readonly string[], env: NodeJS.ProcessEnv = {}) {
  const { status, out, err } = await spawnAlbert(["health", ...args], env);
  return { status, said: out + err };
}

it("says SERVING of a server that serves, of its services and models", async () => {
  for (const service of ["", "albert.v1.InferenceService", "model/tiny"]) {
    const { status, said } = await health(["--server", server.address, "--service", service]);
    expect(said).toBe(`${server.address}${service === "" ? "" : ` ${service}`}: SERVING\n`);
    expect(status).toBe(0);
  }
}, 90_000);

it("asks where the environment's settings let a server listen", async () => {
  const address = server.address.replace(/^.*:/, "0.0.0.0:");
  const { status, said } = await health([], {
    ALBERT_SERVER_PUBLIC_ADDRESS: address,
    ALBERT_SERVER_TRUST_NETWORK: "guarded-elsewhere",
  });
  expect(said).toMatch(/^127\.0\.0\.1:\d+: SERVING\n$/);
  expect(status).toBe(0);
}, 60_000);

it("ends with the status of the failure and one line when a name is unknown or no server answers", async () => {
  const unknown = await health(["--server", server.address, "--service", "model/none"]);
  expect(unknown.status).toBe(3);
  expect(unknown.said).toMatch(/^albert: .* knows no "model\/none": .*\n$/);
  const nobody = await health(["--server", "127.0.0.1:1", "--timeout-ms", "500"]);
  expect(nobody.status).toBe(5);
  expect(nobody.said).toMatch(/^albert: 127\.0\.0\.1:1 did not answer within 500 ms \(\w+\): .*\n$/);
}, 60_000);
