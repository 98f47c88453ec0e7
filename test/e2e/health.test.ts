import { mkdtempSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Client, credentials } from "@grpc/grpc-js";
import { beforeAll, describe, expect, it } from "vitest";
import { serviceClient } from "../../src/client/service-client.ts";
import { Health, HealthCheckResponse_ServingStatus as ServingStatus } from "../../src/gen/grpc/health/v1/health_pb.js";
import { ServerReflection } from "../../src/gen/grpc/reflection/v1/reflection_pb.js";
import { writeTinyModel } from "../support/models/tiny-model-directory.ts";
import { type RunningServer, runServer } from "../support/running-server.ts";

/** A free port of this machine, found by taking and releasing it. */
async function freeAddress(): Promise<string> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  return `127.0.0.1:${typeof address === "object" && address !== null ? address.port : 0}`;
}

const ADMIN_SERVICES = ["albert.v1.DatasetService", "albert.v1.ModelService", "albert.v1.TrainingService"];

describe("the probes of a server", () => {
  let directory: string;
  beforeAll(async () => {
    directory = await writeTinyModel();
  });

  /** Asks both kinds of probes until stopped: whether `/readyz` and gRPC health gave the same, wherever `/readyz` did not change meanwhile. */
  const sampling = (metricsAddress: string, grpcAddress: string, services: readonly string[]) => {
    const channel = new Client(grpcAddress, credentials.createInsecure());
    const health = serviceClient(Health, channel, { deadlineMs: 2000, headers: {} });
    const readyz = () =>
      fetch(`http://${metricsAddress}/readyz`).then(
        ({ status }) => status === 200,
        () => undefined,
      );
    const check = (service: string) =>
      health.check({ service }).then(
        ({ status }) => status === ServingStatus.SERVING,
        () => undefined,
      );
    const seen = new Set<boolean>();
    const disagreed: unknown[] = [];
    let stopped = false;
    const run = async () => {
      while (!stopped) {
        const before = await readyz();
        const states = await Promise.all(services.map(check));
        const after = await readyz();
        if (before !== undefined && before === after) {
          for (const [i, state] of states.entries()) {
            if (state !== undefined && state !== before) disagreed.push([services[i], state, before]);
          }
          if (states.every((state) => state !== undefined)) seen.add(before);
        }
        await new Promise((resolve) => setTimeout(resolve, 5));
      }
    };
    const running = run();
    const stop = async () => {
      stopped = true;
      await running;
      channel.close();
      return { seen: [...seen].sort(), disagreed };
    };
    return { stop, seen };
  };

  for (const role of ["all", "training", "inference"] as const) {
    it(`agree at every moment from start to drain, with the role ${role}`, async () => {
      const [publicAddress, adminAddress, metricsAddress] = [
        await freeAddress(),
        await freeAddress(),
        await freeAddress(),
      ];
      const store = { directory: role === "inference" ? "" : mkdtempSync(join(tmpdir(), "albert-health-")) };
      const services = role === "training" ? ["", ...ADMIN_SERVICES] : ["", "albert.v1.InferenceService"];
      const probes = sampling(metricsAddress, role === "training" ? adminAddress : publicAddress, services);
      const server: RunningServer = await runServer({
        models: role === "training" ? [] : [{ name: "tiny", directory }],
        config: { store, server: { role, publicAddress, adminAddress, metricsAddress } },
      });
      await expect.poll(() => probes.seen.has(true), { timeout: 10_000 }).toBe(true);
      expect(await server.metrics()).toContain("albert_ready 1");
      const closing = server.app.close(600);
      await expect.poll(() => probes.seen.has(false), { timeout: 10_000 }).toBe(true);
      expect(await server.metrics()).toContain("albert_ready 0");
      await closing;
      server.client.close();
      expect(await probes.stop()).toEqual({ seen: [false, true], disagreed: [] });
    });
  }

  it("name the services of administrators, whose listener answers reflection too", async () => {
    const store = { directory: mkdtempSync(join(tmpdir(), "albert-health-")) };
    const server = await runServer({ models: [{ name: "tiny", directory }], config: { store } });
    const channel = new Client(server.app.addresses.admin ?? "", credentials.createInsecure());
    const defaults = { deadlineMs: 5000, headers: {} };
    for (const service of ADMIN_SERVICES) {
      const { status } = await serviceClient(Health, channel, defaults).check({ service });
      expect([service, status]).toEqual([service, ServingStatus.SERVING]);
    }
    const reflection = serviceClient(ServerReflection, channel, defaults);
    const question = { messageRequest: { case: "listServices" as const, value: "" } };
    for await (const { messageResponse } of reflection.serverReflectionInfo([question])) {
      const names =
        messageResponse.case === "listServicesResponse" ? messageResponse.value.service.map(({ name }) => name) : [];
      expect(names).toEqual(expect.arrayContaining(ADMIN_SERVICES));
    }
    channel.close();
    await server.close();
  });
});
