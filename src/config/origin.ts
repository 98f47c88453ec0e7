// Where a setting's value came from, and how that is said in a message.

/** Where a value came from. `detail` is the variable, flag or file that set it; absent for a default. */
export interface Origin {
  readonly source: "default" | "file" | "environment" | "flag";
  readonly detail?: string;
}

/** An origin in words: "the default", "ALBERT_LOG_LEVEL", "--log-level". */
export function say(origin: Origin): string {
  return origin.detail ?? "the default";
}
