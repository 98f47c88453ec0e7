/** What the server logs to; pino's loggers fit. Objects hold names and numbers, never text of a request. */
export interface ServerLog {
  debug(fields: object, message: string): void;
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}
