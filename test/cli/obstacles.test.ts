import { spawnSync } from "node:child_process";
import { copyFileSync, cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { obstacleOf } from "../../src/cli/obstacles.ts";

const root = join(import.meta.dirname, "../..");
const folder = mkdtempSync(join(tmpdir(), "albert mit Leer ü-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe.skipIf(process.platform === "win32")(
  "an albert that is not whole, in a folder with a space and an umlaut",
  () => {
    beforeAll(() => cpSync(join(root, "bin"), join(folder, "bin"), { recursive: true }));
    const albert = (...args: string[]) => spawnSync(join(folder, "bin/albert"), args, { encoding: "utf8" });

    it("says that it is not built", () => {
      const { status, stderr } = albert("--version");
      expect(status).toBe(1);
      expect(stderr).toBe(
        `albert: not built yet: run npm ci and npm run build in ${folder} (npm start does both, and serves)\n`,
      );
    });

    it("names the package that is not installed, for people and for programs", () => {
      mkdirSync(join(folder, "src/cli"), { recursive: true });
      writeFileSync(join(folder, "package.json"), JSON.stringify({ type: "module" }));
      for (const file of ["main", "obstacles"]) {
        copyFileSync(join(root, `src/cli/${file}.ts`), join(folder, `src/cli/${file}.ts`));
      }
      writeFileSync(join(folder, "src/cli/run-command-line.ts"), 'import "commander";\n');
      const args = ["--import", import.meta.resolve("tsx"), join(folder, "src/cli/main.ts"), "inspect", "--json"];
      const { status, stdout, stderr } = spawnSync(process.execPath, args, { encoding: "utf8" });
      expect(status).toBe(1);
      expect(stderr).toMatch(/^albert: package 'commander' is missing: .*run npm ci in .*\n$/);
      expect(stderr).toContain(`in ${folder},`);
      expect(JSON.parse(stdout)).toMatchObject({ reason: "INSTALLATION_INCOMPLETE", exitCode: 1 });
    });
  },
);

describe("what keeps the command line from being loaded", () => {
  const missing = Object.assign(new Error("Cannot find package 'zod' imported from /x.js"), {
    code: "ERR_MODULE_NOT_FOUND",
  });
  it.each([
    [new SyntaxError("odd"), "18.20.4", /^needs Node 20\.12 or newer, this is Node 18\.20\.4/],
    [missing, "20.11.9", /^needs Node 20\.12/],
    [missing, "20.12.0", /^package 'zod' is missing/],
    [missing, "100.0.0", /^package 'zod' is missing/],
  ])("%s with Node %s", (error, node, said) => {
    expect(obstacleOf(error, node)).toMatch(said);
  });
  it("is nothing else", () => {
    expect(obstacleOf(new Error("other"), "20.12.0")).toBeUndefined();
    expect(obstacleOf(new TypeError("other"), "26.0.0")).toBeUndefined();
  });
});
