// Compiles src/ to dist/ when a source is newer than the last build. `--force` builds regardless.
import { execFileSync } from "node:child_process";
import { existsSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";

const root = join(import.meta.dirname, "..");
const stamp = join(root, "dist/.built");
const inputs = ["src", "vite.config.ts", "tsconfig.json", "tsconfig.build.json", "package-lock.json"].map((path) =>
  join(root, path),
);

function newest(path) {
  const stat = statSync(path);
  if (!stat.isDirectory()) return stat.mtimeMs;
  return Math.max(stat.mtimeMs, ...readdirSync(path).map((entry) => newest(join(path, entry))));
}

const upToDate = existsSync(stamp) && statSync(stamp).mtimeMs > Math.max(...inputs.map(newest));
if (!upToDate || process.argv.includes("--force")) {
  rmSync(join(root, "dist"), { recursive: true, force: true });
  execFileSync("npx", ["tsc", "-p", "tsconfig.build.json"], { cwd: root, stdio: "inherit" });
  execFileSync("npx", ["vite", "build", "--logLevel", "warn"], { cwd: root, stdio: "inherit" });
  writeFileSync(stamp, new Date().toISOString());
}
