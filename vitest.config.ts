import { pathToFileURL } from "node:url";
import { defineConfig } from "vitest/config";
// @ts-expect-error a plain script, which runs before anything is installed, has no types
import { isBuilt } from "./scripts/build-state.mjs";

// Threads of the program run as they were built, unless sources are newer or may become so while the tests are watched.
const built: boolean = process.argv.includes("run") && isBuilt(import.meta.dirname);

export default defineConfig({
  test: {
    include: ["test/**/*.test.ts"],
    pool: "forks",
    // One more than a small machine has processors: much of what tests do is waiting for servers.
    maxWorkers: 3,
    testTimeout: 30_000,
    hookTimeout: 60_000,
    env: built ? { TEST_BUILT_PROGRAM: pathToFileURL(`${import.meta.dirname}/dist/`).href } : {},
  },
});
