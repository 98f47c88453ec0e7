import type { IncidentLog } from "./errors/status.ts";

// What the server needs of a logger, and the log of incidents.

/** What the server logs to; pino's loggers fit. Objects hold names and numbers, never text of a request. */
export interface ServerLog {
  debug(fields: object, message: string): void;
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

/** Writes what a caller must not see under the incident id that the caller was given. */
export function logIncidents(log: ServerLog): IncidentLog {
  return (incident, error) => log.error({ incident, err: error }, "unexpected error");
}
