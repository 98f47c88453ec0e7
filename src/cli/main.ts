import { obstacleOf } from "./obstacles.ts";

// The entry point of `albert`. It imports nothing that must be installed, so that it can say what is missing where the
// command line cannot be loaded.

function stop(message: string): void {
  process.stderr.write(`albert: ${message}\n`);
  process.exitCode = 1;
  if (!process.argv.includes("--json")) return;
  const failure = { reason: "INSTALLATION_INCOMPLETE", message, fields: [], exitCode: 1 };
  process.stdout.write(`${JSON.stringify(failure, null, 2)}\n`);
}

try {
  await import("./run-command-line.ts");
} catch (error) {
  const obstacle = obstacleOf(error, process.versions.node);
  if (obstacle === undefined) throw error;
  stop(obstacle);
}
