// What a check of `albert doctor` gives back.

/** What `albert doctor` says of one thing: a line, and where it is not well, what to do. */
export interface Finding {
  readonly name: string;
  /** `warn`: albert runs, less well than it could. `fail`: something that was asked for will not work. */
  readonly state: "ok" | "warn" | "fail";
  /** What was found. */
  readonly says: string;
  readonly advice?: string;
}

/** One look at this machine. @returns one finding, or several */
export type Check = () => Promise<readonly Finding[]> | readonly Finding[];
