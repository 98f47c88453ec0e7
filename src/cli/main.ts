import { failureOf, tellFailure } from "./failure.ts";
import { albertProgram } from "./program.ts";
import { withDashes } from "./training/official-flags.ts";

/** Runs the command line. Whatever fails is told by one place, with the exit statuses of docs/cli.md; only a bug shows a stack. */
const words = withDashes(process.argv);
const end = words.indexOf("--");
const json = (end < 0 ? words : words.slice(0, end)).includes("--json");

function fail(error: unknown): number {
  const failure = failureOf(error);
  tellFailure(failure, json);
  return failure.exitCode;
}

// What reads our output may end before we do, as head does.
process.stdout.on("error", (error: NodeJS.ErrnoException) => process.exit(error.code === "EPIPE" ? 0 : fail(error)));
// Streams and timers fail outside of the command's promise.
process.on("uncaughtException", (error) => process.exit(fail(error)));

try {
  const program = await albertProgram(words[2]);
  await program.parseAsync(words);
} catch (error) {
  process.exitCode = fail(error);
}
