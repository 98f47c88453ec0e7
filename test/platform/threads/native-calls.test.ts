import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";

/** How a process ends in which a thread, or the process, is ended during native work. */
function processWith(work: string, end: "thread" | "process" | "itself") {
  const script = fileURLToPath(new URL("./native-thread.ts", import.meta.url));
  const { status, signal, stdout, stderr } = spawnSync(process.execPath, ["--import", "tsx", script, work, end], {
    encoding: "utf8",
    timeout: 60_000,
  });
  return { status, signal, stdout, stderr };
}

const SURVIVED = { status: 0, signal: null, stdout: "the thread ended, the process did not\n", stderr: "" };

describe("a thread that is ended while a model runs on it", { timeout: 90_000 }, () => {
  it("does not take its process with it", () => {
    expect(processWith("model", "thread")).toEqual(SURVIVED);
  });

  it("does not where the model runs on a thread of its own", () => {
    expect(processWith("thread's model", "thread")).toEqual(SURVIVED);
  });
});

describe("a thread that ends itself while a thread of its own is inside a library", { timeout: 90_000 }, () => {
  it("waits for it and leaves the process alone", () => {
    expect(processWith("thread's slow call, and ends itself", "itself")).toEqual(SURVIVED);
  });
});

describe("a process that ends while a model runs on a thread", { timeout: 90_000 }, () => {
  it.each(["model", "thread's model"])("ends with the status that it chose (%s)", (work) => {
    expect(processWith(work, "process")).toEqual({ status: 7, signal: null, stdout: "", stderr: "" });
  });

  it("is killed where the thread does not come out of the library, which would hold it forever", () => {
    expect(processWith("endless call", "process")).toMatchObject({ status: null, signal: "SIGKILL" });
  });
});
