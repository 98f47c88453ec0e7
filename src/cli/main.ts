import { CallError } from "../client/call-error.ts";
import { AlbertError } from "../errors.ts";
import { albertProgram } from "./program.ts";
import { withDashes } from "./training/official-flags.ts";

/**
 * Runs the command line. What a user can mend is told on stderr, with exit status 2 for a configuration that cannot be
 * used and 1 for anything else; a bug keeps its stack.
 */
try {
  const words = withDashes(process.argv);
  const program = await albertProgram(words[2]);
  await program.parseAsync(words);
} catch (error) {
  if (!(error instanceof AlbertError || error instanceof CallError)) throw error;
  process.stderr.write(`albert: ${error.message}\n`);
  process.exitCode = error.reason.startsWith("CONFIG_") ? 2 : 1;
}
