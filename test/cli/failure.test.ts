import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { mkdir, open } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { CommanderError } from "commander";
import { afterAll, describe, expect, it } from "vitest";
import { failureOf } from "../../src/cli/failure.ts";
import { serverAddress } from "../../src/cli/inference/server-address.ts";
import { CallError } from "../../src/client/call-error.ts";
import { AlbertError, invalidInput } from "../../src/errors.ts";
import { makeDirectory } from "../../src/platform/directories.ts";
import { makeTemporaryDirectory } from "../../src/platform/temporary-directories.ts";
import { spawnAlbert } from "../support/command-line.ts";

const directory = mkdtempSync(join(tmpdir(), "albert-failure-"));
afterAll(() => rmSync(directory, { recursive: true, force: true }));

const call = (reason: string, status: number) =>
  new CallError(status, "what it said", {
    reason,
    metadata: {},
    violations: [{ field: "spec.task", description: "unknown" }],
    retryAfterMs: undefined,
  });
const systemFailure = (code: string, more: object = {}) =>
  Object.assign(new Error(`${code}: something`), { code, syscall: "open", path: "/some/where", ...more });

describe("a failed command", () => {
  it.each([
    ["a wrong flag", new CommanderError(1, "commander.unknownOption", "error: unknown option '--x'"), "USAGE", 2],
    ["help", new CommanderError(0, "commander.helpDisplayed", "(outputHelp)"), "USAGE", 0],
    ["a wrong value", invalidInput([{ field: "seed", description: "expected an integer" }]), "FIELD_INVALID", 2],
    ["a wrong setting", new AlbertError("invalid-input", "no", { reason: "CONFIG_INVALID" }), "CONFIG_INVALID", 2],
    ["a refusal of the server", call("MODEL_NOT_FOUND", 5), "MODEL_NOT_FOUND", 3],
    ["wrong data", new AlbertError("invalid-input", "no", { reason: "DATA_INVALID" }), "DATA_INVALID", 4],
    ["nothing to compare with", new AlbertError("precondition", "no", { reason: "NO_ANSWERS" }), "NO_ANSWERS", 4],
    ["a server that is not there", call("", 14), "UNAVAILABLE", 5],
    ["a full disk", systemFailure("ENOSPC"), "SYSTEM_ERROR", 6],
    ["a damaged model", new AlbertError("corrupt", "no", { reason: "CHECKPOINT_CORRUPT" }), "CHECKPOINT_CORRUPT", 1],
    ["a fault of ours", new TypeError("x is not a function"), "BUG", 1],
  ] as const)("tells %s by its reason and exit status", (_, error, reason, exitCode) => {
    expect(failureOf(error)).toMatchObject({ reason, exitCode });
  });

  it("has a sentence with the path and the advice for every error of the operating system", () => {
    for (const code of [
      "EACCES",
      "ENOTDIR",
      "ENOENT",
      "ENOSPC",
      "EROFS",
      "EMFILE",
      "EISDIR",
      "EEXIST",
      "EPERM",
      "ELOOP",
    ]) {
      const { message, stack } = failureOf(systemFailure(code));
      expect(message).toMatch(new RegExp(`^cannot open /some/where: .* \\(${code}\\): .`));
      expect(stack).toBeUndefined();
    }
    const busy = systemFailure("EADDRINUSE", { syscall: "listen", path: undefined, address: "127.0.0.1", port: 80 });
    expect(failureOf(busy).message).toMatch(/^cannot listen on 127\.0\.0\.1:80: something listens there already/);
    expect(failureOf(systemFailure("EWHATEVER")).message).toMatch(/EWHATEVER/);
  });

  it("knows the real ones", async () => {
    const file = join(directory, "file");
    writeFileSync(file, "");
    const thrown = async (work: () => Promise<unknown>) =>
      failureOf(await work().catch((error: unknown) => error)).message;
    expect(await thrown(() => open(join(directory, "absent", "x"), "w"))).toMatch(
      /it does not exist \(ENOENT\)|TMPDIR/,
    );
    expect(await thrown(() => mkdir(join(file, "below")))).toMatch(/no folder \(ENOTDIR/);
    const server = createServer().listen(0, "127.0.0.1");
    await new Promise((ready) => server.once("listening", ready));
    const { port } = server.address() as { port: number };
    const second = createServer();
    const error = await new Promise((failed) => second.once("error", failed).listen(port, "127.0.0.1"));
    expect(failureOf(error).message).toMatch(`cannot listen on 127.0.0.1:${port}`);
    server.close();
  });
});

describe("the albert process", () => {
  it.each(["absent", "file"])(
    "names a TMPDIR that is %s, in one line",
    async (kind) => {
      const path = join(directory, `tmp-${kind}`);
      if (kind === "file") writeFileSync(path, "");
      const model = join(import.meta.dirname, "../../models/sentiment");
      const { status, err } = await spawnAlbert(["classify", "--model", model, "A calm walk."], {
        TMPDIR: path,
        TSX_DISABLE_CACHE: "1",
      });
      expect(err).toContain(path);
      expect(err.trim().split("\n")).toHaveLength(1);
      expect(status).toBe(6);
    },
    90_000,
  );

  it("gives one JSON object and an exit status for what it cannot do", async () => {
    const { status, out, err } = await spawnAlbert(["evaluate", "--task", "clasification", "--json"]);
    expect(status).toBe(2);
    expect(err).toMatch(/Did you mean classification\?/);
    expect(JSON.parse(out)).toMatchObject({
      reason: "USAGE",
      message: expect.stringMatching(/--task/),
      fields: [],
      exitCode: 2,
    });
    const unreachable = await spawnAlbert(["classify", "x", "--server", "127.0.0.1:1", "--json"]);
    expect([unreachable.status, JSON.parse(unreachable.out).reason]).toEqual([5, "NO_SERVER"]);
    expect(unreachable.err).toMatch(/no server answers at 127\.0\.0\.1:1: start one with albert serve/);
  }, 90_000);

  it("takes the name of a file for no text", async () => {
    const file = join(directory, "note.txt");
    writeFileSync(file, "a text");
    const { status, err } = await spawnAlbert(["ask", "who?", file, "--model", "models/none"]);
    expect([status, err]).toEqual([2, expect.stringContaining(`read it with --file ${file}`)]);
  }, 90_000);

  it.each([
    ["other letters", Buffer.from("caf\xe9 is fine", "latin1"), 4, /standard input:1:4: not UTF-8/],
    ["a document", Buffer.from("%PDF-1.7\n1 0 obj"), 4, /standard input is a PDF document, not a text file/],
  ])(
    "takes no bytes on standard input that are no text: %s",
    async (_, input, exitCode, says) => {
      const { status, out, err } = await spawnAlbert(["classify", "-", "--model", "models/none"], {}, input);
      expect([status, out, err]).toEqual([exitCode, "", expect.stringMatching(says)]);
    },
    90_000,
  );
});

describe("directories", () => {
  it("are made with those above them, and refused where the system makes none", async () => {
    await makeDirectory(join(directory, "a/b/c"));
    await makeDirectory(join(directory, "a/b/c"));
    expect(readdirSync(join(directory, "a/b"))).toEqual(["c"]);
    await expect(makeDirectory("/proc/albert-none/x/y")).rejects.toMatchObject({ code: expect.stringMatching(/^E/) });
    const file = join(directory, "in-the-way");
    writeFileSync(file, "");
    await expect(makeDirectory(file)).rejects.toMatchObject({ code: "EEXIST" });
    await expect(makeDirectory(join(file, "x"))).rejects.toMatchObject({ code: "ENOTDIR" });
  });

  it("for temporary files say which one cannot be used", async () => {
    const path = join(directory, "no-temporary");
    await expect(makeTemporaryDirectory("session", path)).rejects.toMatchObject({
      reason: "TEMPORARY_DIRECTORY_UNUSABLE",
      message: expect.stringContaining(`${path} (ENOENT)`),
    });
    mkdirSync(path);
    await expect(makeTemporaryDirectory("session", path)).resolves.toContain(path);
  });
});

describe("a server's address", () => {
  it.each(["localhost:50051", "127.0.0.1:1", "[::1]:50051", "host.example:65535"])("may be %s", (text) => {
    expect(serverAddress(text, "--server", 50051)).toBe(text);
  });

  it.each(["localhost", "http://localhost:8080", ":50051", "host:0", "host:65536", "host:x", ""])(
    "may not be %j",
    (text) => {
      expect(() => serverAddress(text, "--server", 50051)).toThrow(
        /--server: expected host:port, got .*: such as .+:50051/,
      );
    },
  );
});
