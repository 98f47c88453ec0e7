import { failureOf, tellFailure } from "./failure.ts";
import { albertProgram } from "./program.ts";
import { withDashes } from "./training/official-flags.ts";

// Parses the command line, runs one command and turns failures into exit statuses. Importing it runs it.

const words = withDashes(process.argv);
const end = words.indexOf("--");
const json = (end < 0 ? words : words.slice(0, end)).includes("--json");

function fail(error: unknown): number {
  const failure = failureOf(error);
  tellFailure(failure, json);
  return failure.exitCode;
}

// The reader of our output may end before we do, as `head` does.
process.stdout.on("error", (error: NodeJS.ErrnoException) => process.exit(error.code === "EPIPE" ? 0 : fail(error)));
// Streams and timers fail outside of the command's promise.
process.on("uncaughtException", (error) => process.exit(fail(error)));

try {
  const program = await albertProgram(words[2]);
  await program.parseAsync(words);
} catch (error) {
  process.exitCode = fail(error);
}
