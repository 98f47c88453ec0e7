import { CommanderError } from "commander";
import { CallError } from "../client/call-error.ts";
import { AlbertError, type FieldViolation } from "../errors.ts";
import { isSystemError, systemError } from "./system-error.ts";

// Reports the failure of a command: for people on stderr, with `--json` as one object on stdout, and by its exit
// status.

/** What each exit status means; docs/cli.md has the same table. */
export const EXIT = {
  done: 0,
  failed: 1,
  usage: 2,
  refusedByServer: 3,
  data: 4,
  unreachable: 5,
  system: 6,
  interrupted: 130,
} as const;

/** A failure as it is reported. */
export interface CommandFailure {
  readonly reason: string;
  readonly message: string;
  readonly fields: readonly FieldViolation[];
  readonly exitCode: number;
  /** Where it happened, of a fault in this program only. */
  readonly stack?: string;
}

const DATA_REASONS: ReadonlySet<string> = new Set([
  "DATA_INVALID",
  "DATA_TOO_LARGE",
  "FORMAT_UNKNOWN",
  "NO_ANSWERS",
  "NO_EXAMPLES",
  "TEXT_EMPTY",
  "TEXT_WITHOUT_INSTANCES",
]);

/** Turns anything that was thrown into the report for a person or a script. */
export function failureOf(error: unknown): CommandFailure {
  if (error instanceof CommanderError) {
    const message = error.message.replace(/^error: /, "");
    return { reason: "USAGE", message, fields: [], exitCode: error.exitCode === 0 ? EXIT.done : EXIT.usage };
  }
  if (error instanceof CallError) {
    const { reason, status, message, violations } = error;
    return { reason: reason || status, message, fields: violations, exitCode: exitCodeOfCall(error) };
  }
  const known = isSystemError(error) ? systemError(error) : error;
  if (known instanceof AlbertError) {
    const { reason, message, violations } = known;
    return { reason, message, fields: violations, exitCode: exitCodeOf(known) };
  }
  const { name, message, stack } = error instanceof Error ? error : new Error(String(error));
  return {
    reason: "BUG",
    message: `unexpected ${name}: ${message}: this is a fault in albert; please report it with what follows`,
    fields: [],
    exitCode: EXIT.failed,
    ...(stack === undefined ? {} : { stack }),
  };
}

/** Reports a failure. @param json  whether stdout is read by a program */
export function tellFailure(failure: CommandFailure, json: boolean): void {
  const { reason, message, fields, exitCode, stack } = failure;
  if (reason !== "USAGE") process.stderr.write(`albert: ${message}\n`);
  if (stack !== undefined) process.stderr.write(`${stack}\n`);
  if (json && exitCode !== EXIT.done)
    process.stdout.write(`${JSON.stringify({ reason, message, fields, exitCode }, null, 2)}\n`);
}

function exitCodeOf({ reason, cause }: AlbertError): number {
  if (reason.startsWith("CONFIG_") || reason === "FIELD_INVALID") return EXIT.usage;
  if (reason === "NO_SERVER") return EXIT.unreachable;
  if (cause instanceof CallError) return exitCodeOfCall(cause);
  if (DATA_REASONS.has(reason)) return EXIT.data;
  return ["SYSTEM_ERROR", "FILE_NOT_READABLE", "DISK_FULL", "TEMPORARY_DIRECTORY_UNUSABLE"].includes(reason)
    ? EXIT.system
    : EXIT.failed;
}

/** An error without a reason of ours does not come from an albert server. */
function exitCodeOfCall({ status, reason }: CallError): number {
  return status === "UNAVAILABLE" && reason === "" ? EXIT.unreachable : EXIT.refusedByServer;
}
