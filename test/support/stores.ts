import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll } from "vitest";
import { writeModelDirectory } from "../../src/model/directory/write-model-directory.ts";
import type { Head } from "../../src/model/heads.ts";
import type { StoreClock } from "../../src/store/write-leases.ts";
import { tinyModel } from "./models/tiny-model.ts";

/** A clock that stands still until a test moves it; waiting moves it by as long. */
export class TestClock implements StoreClock {
  time = 1_700_000_000_000;

  now(): number {
    return this.time;
  }

  async wait(ms: number): Promise<void> {
    this.time += ms;
  }
}

/** A scratch directory, and model directories in it. */
export function workshop(parent: string = tmpdir()) {
  const root = mkdtempSync(join(parent, "albert-store-"));
  afterAll(() => rmSync(root, { recursive: true, force: true }));
  let made = 0;
  return {
    path: (name: string) => join(root, name),
    /** A model directory that differs from every other by its labels. */
    async modelDirectory(label = `label-${made}`, metrics: Record<string, number> = {}, jobId = ""): Promise<string> {
      const directory = join(root, `model-${made++}`);
      const labels = ["other", label];
      const heads: readonly Head[] = [{ kind: "classification", name: "c", problemType: "single-label", labels }];
      await writeModelDirectory(directory, {
        ...tinyModel(heads),
        metrics,
        ...(jobId === "" ? {} : { lineage: { jobId } }),
      });
      return directory;
    },
  };
}
