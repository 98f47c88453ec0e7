import { ADMIN_ERROR_ROWS } from "./admin-error-table.ts";
import { type CallErrors, callErrors, EVERY_CALL } from "./call-errors.ts";
import type { ErrorRow, Retry } from "./error-row.ts";
import { ERROR_ROWS, STATUS_OF_CODE } from "./error-table.ts";

/** The whole of `docs/errors.md`. */
export function errorsPage(): string {
  const codes = Object.entries(STATUS_OF_CODE).map(([kind, status]) => `| ${kind} | ${status} |`);
  return `# Errors

This page is generated from \`src/server/errors/error-table.ts\` by \`npm run docs\`; a test fails when it differs.

Every call that fails, and every failed item of a batch or stream, carries \`google.rpc.ErrorInfo\` with the domain "albert"
and one of the reasons below, in the trailer \`grpc-status-details-bin\`. Reasons are stable: programs may decide by
them. Messages are for people and may change. No message, detail or log line holds text of a request, a path or a stack.

Over HTTP, JSON that cannot be decoded, or that has a field which the contract lacks, is refused as \`invalid_argument\` before
the call begins, without these details.

"Retry" says whether the same call can succeed later. Clients that retry by themselves are told in the trailer
\`grpc-retry-pushback-ms\`: a delay (the one in \`google.rpc.RetryInfo\`, varied by up to 20 %), or -1 where trying again is
pointless.

${table(ERROR_ROWS)}

## Administration

Calls of the services for administrators can fail with all of these, and with:

${table(ADMIN_ERROR_ROWS)}

Importing a checkpoint also fails with reasons that name what is wrong with its files, such as \`CHECKPOINT_NOT_FOUND\` or
\`VOCABULARY_MISMATCH\`. A job reports what is wrong with its data or settings itself: it is rejected, with every
problem in its log. The status of a reason that no table lists follows the kind of error:

| kind | status |
|---|---|
${codes.join("\n")}

## By call

Every call can fail with ${EVERY_CALL.map(code).join(", ")}. Besides:

| call | reasons |
|---|---|
${callErrors().map(callRow).join("\n")}

Items of \`BatchInfer\` and \`StreamInfer\` fail one by one, with the reasons of the call that each stands for.
`;
}

function callRow({ service, call, reasons }: CallErrors): string {
  return `| \`${service}/${call}\` | ${reasons.length === 0 ? "none" : reasons.map(code).join(", ")} |`;
}

function code(text: string): string {
  return `\`${text}\``;
}

function table(rows: readonly ErrorRow[]): string {
  const lines = rows.map(
    ({ reason, code, when, detail, retry, metadata }) =>
      `| \`${reason}\` | ${STATUS_OF_CODE[code]} | ${when} | ${detail === "none" ? "" : detail} | ${(metadata ?? []).join(", ")} | ${RETRY_WORDS[retry]} |`,
  );
  return ["| reason | status | when | detail | metadata | retry |", "|---|---|---|---|---|---|", ...lines].join("\n");
}

const RETRY_WORDS: Readonly<Record<Retry, string>> = {
  later: "after the delay",
  elsewhere: "yes, with back-off",
  caller: "caller decides",
  no: "no",
};
