// Prints the path of a Node of a release line from the npm registry, fetched into .cache/ once. Ends with status 1, and says so,
// where it cannot be had.
//
//   node scripts/fetch-node.mjs 24
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { npm } from "./npm.mjs";

const major = process.argv[2] ?? "";
if (!/^\d+$/.test(major)) {
  console.error(`usage: node scripts/fetch-node.mjs MAJOR, such as 24; got ${JSON.stringify(major)}`);
  process.exit(2);
}
const system = process.platform === "win32" ? "win" : process.platform;
const name = `node-${system}-${process.arch}`;
const folder = join(import.meta.dirname, "../.cache", `${name}-${major}`);
/** Where it is fetched to: whole or not there, as another run may look for it meanwhile. */
const fresh = `${folder}.${process.pid}`;
const node = join(folder, "node_modules", name, "bin", system === "win" ? "node.exe" : "node");
try {
  if (!existsSync(node)) {
    mkdirSync(fresh, { recursive: true });
    // A folder outside the project's own tree of packages: the prefix keeps npm from looking for one above it.
    npm(["install", "--prefix", fresh, "--no-save", "--loglevel=error", `${name}@${major}`], {
      cwd: fresh,
      stdio: "pipe",
    });
    rmSync(folder, { recursive: true, force: true });
    renameSync(fresh, folder);
  }
  execFileSync(node, ["--version"]);
  console.log(node);
} catch (error) {
  rmSync(fresh, { recursive: true, force: true });
  console.error(`Node ${major} cannot be had here: ${error.message.split("\n")[0]}`);
  process.exitCode = 1;
}
