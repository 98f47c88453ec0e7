// What a caller may be allowed to do, and the names of models for which.

/** Every scope, with what it allows in words. None includes another. */
export const SCOPES = {
  infer: "ask models and search indexes, and see which there are",
  read: "see models, versions, jobs, data sets and metrics",
  data: "upload, register, check and delete data sets",
  train: "create, plan, stop and resume jobs, and judge versions",
  promote: "decide which version answers: load, promote, roll back, share traffic",
  admin: "import checkpoints, and remove what nothing keeps",
} as const;

export type Scope = keyof typeof SCOPES;

export function isScope(text: string): text is Scope {
  return Object.hasOwn(SCOPES, text);
}

/** The pattern that every name fits, and the only one that stands for what has no name. */
export const ALL_MODELS = "*";

/** Longer names fit no pattern: no model has one, and no caller must make a pattern work on a megabyte. */
const LONGEST_NAME = 256;

/** Whether a text can limit a caller to models: letters of names, and `*` for any letters. */
export function isModelPattern(text: string): boolean {
  return /^[A-Za-z0-9._*-]{1,128}$/.test(text);
}

/** @param name  of a model; undefined where a request does not tell which it touches: only `*` allows it */
export function fitsPattern(pattern: string, name: string | undefined): boolean {
  if (pattern === ALL_MODELS) return true;
  if (name === undefined || name === "" || name.length > LONGEST_NAME) return false;
  const [first = "", ...rest] = pattern.split("*");
  if (rest.length === 0) return name === pattern;
  const last = rest.pop() ?? "";
  if (!name.startsWith(first) || !name.endsWith(last)) return false;
  let at = first.length;
  for (const part of rest) {
    const found = name.indexOf(part, at);
    if (found < 0) return false;
    at = found + part.length;
  }
  return at <= name.length - last.length;
}
