import { AlbertError } from "../errors.ts";
import { albertProgram } from "./program.ts";

/** Runs the command line. What a user can mend is one line on stderr and exit status 1; a bug keeps its stack. */
try {
  await albertProgram().parseAsync(process.argv);
} catch (error) {
  if (!(error instanceof AlbertError)) throw error;
  process.stderr.write(`albert: ${error.message}\n`);
  process.exitCode = 1;
}
