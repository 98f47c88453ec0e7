// Checks that `npm ci` would install from package-lock.json on every platform that the packages support, and that the lock
// says nothing of the machine it was made on. A lock made where a registry lacks some platform's optional packages fails here,
// and not at the users of that platform.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { npm } from "./npm.mjs";

const root = join(import.meta.dirname, "..");

/** Operating system, processor and (Linux) C library, in npm's words. */
const PLATFORMS = [
  ["linux", "x64", "glibc"],
  ["linux", "x64", "musl"],
  ["linux", "arm64", "glibc"],
  ["linux", "arm64", "musl"],
  ["darwin", "arm64"],
  ["darwin", "x64"],
  ["win32", "x64"],
  ["win32", "arm64"],
];

/** What is wrong with a lock file as it stands, before npm looks at it. */
export function lockProblems(lock) {
  return Object.entries(lock.packages).flatMap(([path, entry]) => [
    ...(entry.resolved === undefined || entry.link ? [] : [`${path} records where it was downloaded from`]),
    ...(path === "" || entry.link || entry.integrity || !path.includes("node_modules/")
      ? []
      : [`${path} has no digest`]),
    ...Object.keys(entry.optionalDependencies ?? {})
      .filter((name) => !isLocked(lock, path, name))
      .map((name) => `${name}, an optional part of ${path || "the project"}, is missing`),
  ]);
}

/** Whether the package at `path` would find `name` in its own folder of packages or one above it. */
function isLocked({ packages }, path, name) {
  for (let from = path; ; from = from.slice(0, Math.max(0, from.lastIndexOf("node_modules/") - 1))) {
    if (packages[`${from === "" ? "" : `${from}/`}node_modules/${name}`] !== undefined) return true;
    if (from === "") return false;
  }
}

function main() {
  const problems = lockProblems(JSON.parse(readFileSync(join(root, "package-lock.json"), "utf8")));
  for (const [os, cpu, libc] of PLATFORMS) {
    const args = ["ci", "--dry-run", "--loglevel=error", "--os", os, "--cpu", cpu, ...(libc ? ["--libc", libc] : [])];
    const platform = [os, cpu, libc].filter(Boolean).join(" ");
    try {
      const output = npm(args, { cwd: root, stdio: "pipe" });
      console.log(`npm ci on ${platform}: ${/^(?:added|up to date|changed).*$/m.exec(output)?.[0] ?? "fine"}`);
    } catch (error) {
      problems.push(`npm ci on ${platform}: ${error.message}`);
    }
  }
  for (const problem of problems) console.error(`package-lock.json: ${problem}`);
  if (problems.length > 0) {
    console.error("Make it anew with: npm install --package-lock-only");
    process.exitCode = 1;
  }
}

if (process.argv[1] === import.meta.filename) main();
