import { z } from "zod";

// The type of a row in the table of settings, and the kinds of values that a row may have. It names no setting.

/** The roles a server process can play; `all` is both of the others in one process. */
export type Role = "all" | "inference" | "training";

/** What every kind of setting is described with. */
interface Description<T> {
  readonly default: T;
  /** One sentence: what the value decides. */
  readonly doc: string;
  /** Unit of a number, as the key's own suffix says it: "ms", "bytes", "tokens". */
  readonly unit?: string;
  /** Never printed: `albert config` shows that it is set, not to what. */
  readonly secret?: true;
  /** A short flag in place of the derived one: `device` for `--device` instead of `--runtime-device`. */
  readonly flag?: string;
  /** The only roles that use the setting; setting it in another role is an error. Absent: every role. */
  readonly roles?: readonly Role[];
}

/** One row of the table of settings. */
export interface Setting<T = unknown> extends Description<T> {
  readonly schema: z.ZodType<T>;
  /** Permitted values in words, for documentation and `--help`. */
  readonly range: string;
  /** Placeholder of the flag's value in `--help`; absent for a switch. */
  readonly placeholder: string;
  /** Turns the text of a flag or an environment variable into what the schema checks. */
  readonly fromText: (text: string) => unknown;
}

/** A whole number between bounds, both included. */
export function integer(row: Description<number> & { min: number; max: number }): Setting<number> {
  const { min, max, ...description } = row;
  return {
    ...description,
    schema: z.int().min(min).max(max),
    range: `${min} to ${max}`,
    placeholder: row.unit ?? "number",
    fromText: numberFromText,
  };
}

/** A number between bounds, both included. */
export function decimal(row: Description<number> & { min: number; max: number }): Setting<number> {
  const { min, max, ...description } = row;
  return {
    ...description,
    schema: z.number().min(min).max(max),
    range: `${min} to ${max}`,
    placeholder: row.unit ?? "number",
    fromText: numberFromText,
  };
}

/** Yes or no. As text: true, false, 1, 0, yes or no. */
export function toggle(row: Description<boolean>): Setting<boolean> {
  return {
    ...row,
    schema: z.boolean(),
    range: "true or false",
    placeholder: "true|false",
    fromText: (text) => TRUTHS[text.trim().toLowerCase()] ?? text,
  };
}

const TRUTHS: Readonly<Record<string, boolean>> = {
  true: true,
  yes: true,
  "1": true,
  false: false,
  no: false,
  "0": false,
};

/** One of a closed list of words. */
export function choice<const T extends string>(
  words: readonly [T, ...T[]],
  row: Description<NoInfer<T>>,
): Setting<NoInfer<T>> {
  return {
    ...row,
    schema: z.enum(words),
    range: words.join(", "),
    placeholder: words.join("|"),
    fromText: (text) => text.trim(),
  };
}

/** Free text; `placeholder` names what it holds. Empty means "not set". */
export function text(row: Description<string> & { placeholder: string }): Setting<string> {
  return { ...row, schema: z.string(), range: "text; empty: not set", fromText: (value) => value };
}

/** `host:port` to listen on. IPv6 hosts stand in brackets; port 0 lets the system choose; empty closes the listener. */
export function address(row: Description<string>): Setting<string> {
  return {
    ...row,
    schema: z
      .string()
      .refine(
        (value) => value === "" || parseAddress(value) !== undefined,
        'expected host:port, such as 127.0.0.1:50051 or [::1]:50051, or "" for none',
      ),
    range: "host:port; empty: none",
    placeholder: "host:port",
    fromText: (value) => value.trim(),
  };
}

/** Several texts: a JSON array in a file, comma-separated elsewhere; a flag may also be repeated. */
export function textList(row: Description<readonly string[]> & { placeholder: string }): Setting<readonly string[]> {
  return {
    ...row,
    schema: z.array(z.string().min(1)).readonly(),
    range: "list of texts",
    fromText: (value) =>
      value
        .split(",")
        .map((item) => item.trim())
        .filter((item) => item !== ""),
  };
}

/** Host and port of a listening address, or undefined for text that is none. */
export function parseAddress(value: string): { host: string; port: number } | undefined {
  const match = /^(?:\[([0-9a-fA-F:.%]+)\]|([^\s:[\]]+)):(\d{1,5})$/.exec(value);
  if (match === null) return undefined;
  const port = Number(match[3]);
  return port <= 65535 ? { host: (match[1] ?? match[2])!, port } : undefined;
}

/** Whether only this machine can reach a host to listen on: all of 127.0.0.0/8, ::1 and the name localhost. */
export function isLoopback(host: string): boolean {
  return /^(127(\.\d{1,3}){3}|::1|0*(:0*){6}:0*1|localhost)$/i.test(host);
}

/** Decimal numbers. JavaScript reads "", "0x10" and "Infinity" as numbers too; such text stays text, so that it is shown as given. */
function numberFromText(value: string): unknown {
  const number = /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(value.trim()) ? Number(value) : Number.NaN;
  return Number.isFinite(number) ? number : value;
}
