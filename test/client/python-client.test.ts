import { execFile, execFileSync } from "node:child_process";
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { describe, expect, it } from "vitest";
import { startApp } from "../../src/app.ts";
import { missing } from "../support/fixtures.ts";
import { testConfig } from "../support/running-server.ts";
import { writeIndexBy } from "../support/search-index.ts";

const root = join(import.meta.dirname, "../..");
const client = join(root, "packages/python");
const run = promisify(execFile);

/** A Python that can import these, where there is one; `ALBERT_TEST_PYTHON` names another than `python3`. */
function pythonWith(modules: string): string | undefined {
  const python = process.env["ALBERT_TEST_PYTHON"] ?? "python3";
  try {
    execFileSync(python, ["-c", `import ${modules}`], { stdio: "ignore" });
    return python;
  } catch {
    return undefined;
  }
}

const python = pythonWith("pytest, google.rpc.status_pb2, grpc");
const tools = pythonWith("grpc_tools, mypy_protobuf, mypy");

it("has the version of the whole package", () => {
  const { version } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
  expect(readFileSync(join(client, "pyproject.toml"), "utf8")).toContain(`version = "${version}"`);
});

describe.skipIf(missing("Python with grpcio, googleapis-common-protos and pytest", python))("the Python client", () => {
  it("passes its own tests against a server with the bundled models", async () => {
    const names = ["multiple-choice", "question-answering", "sentiment"];
    const models = names.map((name) => ({ name, directory: join(root, "models", name) }));
    const write = () => {};
    const log = { debug: write, info: write, warn: write, error: write };
    const text = "😀 The tower was built by Gustave Eiffel. It is 330 metres tall.";
    const index = await writeIndexBy(join(root, "models/sentiment"), { "tower.txt": text });
    const indexed = join(mkdtempSync(join(tmpdir(), "albert-indexed-")), "tower.txt");
    writeFileSync(indexed, text);
    const app = await startApp({ config: testConfig({ search: { indexes: [`towers=${index}`] } }), log }, models);
    try {
      const env = {
        ...process.env,
        PYTHONPATH: join(client, "src"),
        ALBERT_ADDRESS: app.addresses.public,
        ALBERT_INDEXED: indexed,
      };
      const args = ["-m", "pytest", "-q", "-p", "no:cacheprovider", "tests"];
      const { stdout } = await run(python!, args, { cwd: client, env: { ...env, PYTHONDONTWRITEBYTECODE: "1" } }).catch(
        (error) => error,
      );
      expect(stdout).toMatch(/^9 passed/m);
    } finally {
      await app.close(0);
    }
  }, 120_000);
});

describe.skipIf(missing("Python with grpcio-tools, mypy-protobuf and mypy", tools))(
  "the Python client's sources",
  () => {
    it("are typed, and their generated part is what the protocol files make", async () => {
      const copy = mkdtempSync(join(tmpdir(), "albert-python-"));
      try {
        cpSync(client, copy, { recursive: true });
        await run(tools!, ["generate.py", join(root, "proto")], { cwd: copy });
        const folder = "src/albert/v1";
        for (const file of readdirSync(join(client, folder)).filter((name) => /\.pyi?$/.test(name))) {
          const made = readFileSync(join(copy, folder, file), "utf8");
          expect(made, `run python packages/python/generate.py`).toBe(readFileSync(join(client, folder, file), "utf8"));
        }
        const { stdout } = await run(tools!, ["-m", "mypy", "--no-incremental"], { cwd: copy }).catch((error) => error);
        expect(stdout).toContain("Success: no issues found");
      } finally {
        rmSync(copy, { recursive: true });
      }
    }, 180_000);
  },
);
