import { execFile, execFileSync } from "node:child_process";
import { homedir } from "node:os";
import { delimiter, join, resolve } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { openEngine } from "../../src/runtime/packed-engine.ts";
import { missing } from "../support/fixtures.ts";
import { type RunningServer, runServer } from "../support/running-server.ts";

const root = resolve(import.meta.dirname, "../..");
const PATH = [process.env["PATH"], join(homedir(), "go/bin")].join(delimiter);
const run = promisify(execFile);

/** The first of these commands that runs with the arguments; undefined where none does. */
function present(commands: readonly string[], ...args: string[]): string | undefined {
  return commands.find((command) => {
    try {
      execFileSync(command, args, { stdio: "ignore", env: { ...process.env, PATH } });
      return true;
    } catch {
      return false;
    }
  });
}

const grpcurl = present(["grpcurl"], "-version");
const k6 = present(["k6"], "version");
const python = present(
  [process.env["PYTHON"] ?? "", "python3"].filter((name) => name !== ""),
  "-c",
  "import grpc, grpc_tools",
);

describe("the examples", () => {
  let server: RunningServer;
  beforeAll(async () => {
    execFileSync(process.execPath, [join(root, "scripts/build.mjs")], { cwd: root, stdio: "inherit" });
    server = await runServer({
      models: [{ name: "sentiment", directory: join(root, "models/sentiment") }],
      openEngine: (model) => openEngine(model, { threads: 1, calibrationMs: 0 }),
    });
  }, 600_000);
  afterAll(() => server?.close());

  const output = async (command: string, ...args: string[]) =>
    (await run(command, args, { cwd: root, env: { ...process.env, PATH } })).stdout;

  /** What the Node and the Python program both print. */
  const expectAnswers = (text: string) => {
    expect(text).toMatch(/\d %\s+positive|\d%\s+positive/);
    expect(text).toContain("version 1 of sentiment");
    expect(text).toContain("0: negative");
    expect(text).toContain("1: FIELD_INVALID");
    expect(text).toContain("2: positive");
    expect(text).toContain("NOT_FOUND MODEL_NOT_FOUND");
  };

  it("in Node answer through the typed client", async () => {
    expectAnswers(await output(process.execPath, "examples/node/client.mjs", server.address));
  }, 60_000);

  // grpcio-tools takes no path with other letters.
  const ascii = /^[\x20-\x7e]*$/.test(root) ? root : undefined;
  it.skipIf(
    missing("a Python with grpcio and grpcio-tools (named by PYTHON), and a path that these take", ascii && python),
  )(
    "in Python answer through stubs made from the .proto files",
    async () => {
      expectAnswers(await output(python!, "examples/python/client.py", server.address));
    },
    60_000,
  );

  it.skipIf(missing("grpcurl", grpcurl))(
    "in the shell answer through reflection",
    async () => {
      const text = await output("examples/grpcurl.sh", server.address);
      expect(text).toContain('"status": "SERVING"');
      expect(text).toContain('"label": "positive"');
      expect(text).toContain('"correlationId": "2"');
    },
    60_000,
  );

  it.skipIf(missing("k6", k6))(
    "for k6 load the server and hold their thresholds",
    async () => {
      const settings = ["-e", `ADDRESS=${server.address}`, "-e", "RATE=20", "-e", "DURATION=2s"];
      const text = await output("k6", "run", "--quiet", ...settings, "examples/k6/classify.js");
      expect(text).toMatch(/checks_succeeded\.*: 100/);
    },
    60_000,
  );
});
