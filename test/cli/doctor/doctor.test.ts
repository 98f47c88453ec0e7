import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { portFindings, storeFinding } from "../../../src/cli/doctor/configured-checks.ts";
import type { Finding } from "../../../src/cli/doctor/finding.ts";
import {
  clockFinding,
  memoryFinding,
  nodeFinding,
  openFilesFinding,
  processorsFinding,
} from "../../../src/cli/doctor/machine-checks.ts";
import { runAlbert } from "../../support/command-line.ts";

const directory = mkdtempSync(join(tmpdir(), "albert-doctor-"));
afterAll(() => rmSync(directory, { recursive: true, force: true }));

const FREE = [
  ...["--server-public-address", "127.0.0.1:0", "--server-admin-address", "127.0.0.1:0"],
  ...["--server-metrics-address", "127.0.0.1:0", "--server-console-address", "127.0.0.1:0"],
];
const GIB = 2 ** 30;

describe("albert doctor", () => {
  it("says of each thing one line, with what to do where it is not well, and ends with status 0 where nothing fails", async () => {
    const { out, status } = await runAlbert("doctor", "--store", join(directory, "store"), ...FREE);
    expect(status).toBe(0);
    for (const name of ["node", "memory", "processors", "clock", "settings", "store", "device cpu"]) {
      expect(out).toMatch(new RegExp(`^(ok|warn) +${name} {2,}\\S`, "m"));
    }
    expect(out).not.toMatch(/^fail/m);
    for (const line of out.split("\n").filter((text) => text.startsWith("warn"))) {
      expect(out.slice(out.indexOf(line) + line.length)).toMatch(/^\n +-> \S/);
    }
  }, 60_000);

  it("gives the same as JSON, and ends with status 1 where something fails", async () => {
    const file = join(directory, "a-file");
    writeFileSync(file, "");
    const { out, status } = await runAlbert("doctor", "--json", "--store", join(file, "store"), ...FREE);
    const findings: Finding[] = JSON.parse(out);
    expect(findings.find(({ name }) => name === "store")).toMatchObject({ state: "fail" });
    expect(findings.find(({ name }) => name === "device cpu")).toMatchObject({ state: "ok" });
    expect(status).toBe(1);
  }, 60_000);

  it("reports settings that contradict each other, and checks the machine all the same", async () => {
    const { out, status } = await runAlbert("doctor", "--serving-max-requests", "many");
    expect(out).toMatch(/^ok +node/m);
    expect(out).toMatch(/^fail +settings .*serving.max_requests/m);
    expect(status).toBe(1);
  });
});

describe("a check", () => {
  it("of Node refuses what is too old", () => {
    expect(nodeFinding("18.20.0")).toMatchObject({ state: "fail", advice: expect.stringContaining("20.12") });
    expect(nodeFinding("20.12.1").state).toBe("ok");
  });

  it("of memory tells what is enough for what", () => {
    expect(memoryFinding(8 * GIB, 6 * GIB)).toMatchObject({ state: "ok", says: "6.0 of 8.0 GiB free" });
    expect(memoryFinding(1 * GIB, 0.9 * GIB).state).toBe("warn");
    expect(memoryFinding(8 * GIB, 0.1 * GIB).state).toBe("fail");
  });

  it("of processors and open files knows the limits of a container", () => {
    expect(processorsFinding(16, 1)).toMatchObject({ state: "warn", says: "1 of 16 by the limit of the cgroup" });
    expect(processorsFinding(4, 4).state).toBe("ok");
    expect(openFilesFinding(256)).toMatchObject({ state: "warn", advice: expect.stringContaining("ulimit -n") });
    expect(openFilesFinding(Number.POSITIVE_INFINITY).state).toBe("ok");
  });

  it("of the clock sees that it stands before the program", () => {
    expect(clockFinding(0).state).toBe("fail");
    expect(clockFinding().state).toBe("ok");
  });

  it("of an address sees who listens there", async () => {
    const listener = createServer();
    const port = await new Promise<number>((resolve) =>
      listener.listen(0, "127.0.0.1", () => resolve((listener.address() as { port: number }).port)),
    );
    const server = (publicAddress: string) =>
      ({ server: { publicAddress, adminAddress: "", metricsAddress: "", consoleAddress: "" } }) as never; // what the check reads
    const [taken] = await portFindings(server(`127.0.0.1:${port}`));
    expect(taken).toMatchObject({ state: "warn", advice: expect.stringContaining("--server-public-address") });
    await new Promise((resolve) => listener.close(resolve));
    expect((await portFindings(server(`127.0.0.1:${port}`)))[0]!.state).toBe("ok");
    expect((await portFindings(server("203.0.113.1:50051")))[0]!.state).toBe("fail");
  });

  it("of the store makes none, and reads one that is there", async () => {
    expect(await storeFinding("")).toMatchObject({ state: "ok" });
    expect(await storeFinding(join(directory, "not/yet"))).toMatchObject({
      state: "ok",
      says: expect.stringContaining("not there yet"),
    });
    const damaged = mkdtempSync(join(directory, "damaged-"));
    const { openStore } = await import("../../../src/store/open-store.ts");
    await (await openStore(damaged)).close();
    expect(await storeFinding(damaged)).toMatchObject({ says: expect.stringContaining("0 models, 0 versions") });
    await expect(import("node:fs/promises").then(({ stat }) => stat(join(directory, "not")))).rejects.toThrow();
  });

  it.skipIf(process.getuid?.() === 0)("of the store sees that it cannot be written", async () => {
    const closed = mkdtempSync(join(directory, "closed-"));
    chmodSync(closed, 0o500);
    expect(await storeFinding(closed)).toMatchObject({ state: "fail" });
  });
});
