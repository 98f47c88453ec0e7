// `npm start`: installs and builds what is missing, then runs the server until a signal ends it. The server gets every signal
// that this program gets, and this program ends as the server ends, so that the process that started npm controls the server.
import { execFileSync, spawn } from "node:child_process";
import { constants } from "node:os";
import { join } from "node:path";
import { isBuilt } from "./build-state.mjs";
import { carryRuntime } from "./carried-runtime.mjs";
import { ensureInstalled } from "./ensure-installed.mjs";

const root = join(import.meta.dirname, "..");
const windows = process.platform === "win32";

/** Ctrl-C reaches this program twice, from the terminal and from npm: what comes so soon after another is that one again. */
const ECHO_MS = 300;

ensureInstalled();
carryRuntime(root);
// Another process, with what it loads, only where there is something to build.
if (!isBuilt(root)) execFileSync(process.execPath, [join(root, "scripts/build.mjs")], { cwd: root, stdio: "inherit" });

const serve = ["serve", "--store", "data", ...process.argv.slice(2)];
const [command, args] = windows
  ? [process.execPath, [join(root, "dist/cli/main.js"), ...serve]]
  : [join(root, "bin/albert"), serve];
// A process group of its own: else a terminal would send the server the same Ctrl-C besides.
const server = spawn(command, args, { cwd: root, stdio: "inherit", detached: !windows });

let lastSignalAt = Number.NEGATIVE_INFINITY;
function handOn(signal) {
  const now = performance.now();
  if (now - lastSignalAt >= ECHO_MS) server.kill(signal);
  lastSignalAt = now;
}
process.on("SIGINT", handOn);
process.on("SIGTERM", handOn);
process.on("SIGHUP", () => handOn("SIGTERM"));

server.once("error", (error) => {
  console.error(`cannot start ${command}: ${error.message}`);
  process.exitCode = 1;
});
server.once("exit", (code, signal) => {
  process.exit(code ?? 128 + constants.signals[signal]);
});
