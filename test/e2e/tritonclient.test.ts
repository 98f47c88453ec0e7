import { execFile, execFileSync } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import { describe, expect, it } from "vitest";
import { startApp } from "../../src/app.ts";
import { missing } from "../support/fixtures.ts";
import { testConfig } from "../support/running-server.ts";

const root = join(import.meta.dirname, "../..");

/** A Python that has Triton's client, where there is one; `ALBERT_TEST_PYTHON` names another than `python3`. */
function pythonWithClient(): string | undefined {
  const python = process.env["ALBERT_TEST_PYTHON"] ?? "python3";
  try {
    execFileSync(python, ["-c", "import tritonclient.grpc, tritonclient.http"], { stdio: "ignore" });
    return python;
  } catch {
    return undefined;
  }
}

const python = pythonWithClient();

describe.skipIf(missing("Python with tritonclient[grpc,http]", python))("Triton's Python client", () => {
  it("gets the same answers from the bundled models over gRPC and over HTTP", async () => {
    const names = ["sentiment", "question-answering", "multiple-choice"];
    const models = names.map((name) => ({ name, directory: join(root, "models", name) }));
    const write = () => {};
    const log = { debug: write, info: write, warn: write, error: write };
    const app = await startApp({ config: testConfig(), log }, models);
    try {
      const script = join(root, "test/e2e/tritonclient_check.py");
      const addresses = [app.addresses.public, app.addresses.console ?? ""];
      const { stdout } = await promisify(execFile)(python!, [script, ...addresses]).catch((error) => error);
      expect(stdout).not.toContain("WRONG");
      expect(stdout).toContain("the same answers, bit for bit");
    } finally {
      await app.close(0);
    }
  }, 120_000);
});
