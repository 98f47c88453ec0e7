import { ERROR_ROWS, type Retry, STATUS_OF_CODE } from "./error-table.ts";

/** The whole of `docs/errors.md`. */
export function errorsPage(): string {
  const table = ERROR_ROWS.map(
    ({ reason, code, when, detail, retry, metadata }) =>
      `| \`${reason}\` | ${STATUS_OF_CODE[code]} | ${when} | ${detail === "none" ? "" : detail} | ${(metadata ?? []).join(", ")} | ${RETRY_WORDS[retry]} |`,
  );
  const codes = Object.entries(STATUS_OF_CODE).map(([code, status]) => `| ${code} | ${status} |`);
  return `# Errors

This page is generated from \`src/server/error-table.ts\` by \`npm run docs\`; a test fails when it differs.

Every call that fails, and every failed item of a batch or stream, carries \`google.rpc.ErrorInfo\` with the domain "albert"
and one of the reasons below, in the trailer \`grpc-status-details-bin\`. Reasons are stable: programs may decide by
them. Messages are for people and may change. No message, detail or log line holds text of a request, a path or a stack.

"Retry" says whether the same call can succeed later. Clients that retry by themselves are told in the trailer
\`grpc-retry-pushback-ms\`: a delay (the one in \`google.rpc.RetryInfo\`, varied by up to 20 %), or -1 where trying again is
pointless.

| reason | status | when | detail | metadata | retry |
|---|---|---|---|---|---|
${table.join("\n")}

Services for administrators also fail with reasons that name what is wrong with a file, a dataset, a version or a job. Their
statuses follow the kind of error:

| kind | status |
|---|---|
${codes.join("\n")}
`;
}

const RETRY_WORDS: Readonly<Record<Retry, string>> = {
  later: "after the delay",
  elsewhere: "yes, with back-off",
  caller: "caller decides",
  no: "no",
};
