import { hash } from "node:crypto";
import { type FieldViolation, invalidInput } from "../errors.ts";
import type { Grant } from "./caller.ts";
import { limitViolations, type OwnLimits } from "./caller-limits.ts";
import { ALL_MODELS, isModelPattern, isScope, SCOPES, type Scope } from "./scopes.ts";

// The file of those who may call: hashes of tokens, and names of certificates. JSON, written by `albert tokens`. Each entry has a
// checksum, so that a damaged byte neither lets anyone in nor prolongs a token; an entry without one, written by hand, is believed.

/** One token, without its secret. */
export interface TokenEntry extends Grant {
  readonly id: string;
  readonly name: string;
  /** SHA-256 of the token, in hexadecimal. */
  readonly sha256: string;
  /** Milliseconds since 1970. */
  readonly created: number;
  /** Absent: never. */
  readonly expires?: number;
}

/** A certificate that the client authorities vouch for, by one of its alternative names. */
export interface CertificateEntry extends Grant {
  /** As OpenSSL writes it: `DNS:client.example`, `URI:spiffe://...`, `IP Address:10.0.0.1`, `email:...`. */
  readonly name: string;
}

/** Everything in the file. */
export interface AccessList {
  readonly tokens: readonly TokenEntry[];
  readonly certificates: readonly CertificateEntry[];
}

export const NOBODY: AccessList = { tokens: [], certificates: [] };

const NAME = /^[\x21-\x7e]{1,64}$/;
const ALTERNATIVE_NAME = /^(DNS|URI|IP Address|email):[^\s",]{1,512}$/;

/**
 * Reads the file.
 *
 * @throws AlbertError invalid-input with every wrong entry, by its place in the file
 */
export function parseAccessList(text: string): AccessList {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    throw invalidInput([{ field: "auth.tokens_file", description: `is not JSON at ${placeOf(text)}` }]);
  }
  const violations: FieldViolation[] = [];
  const root = record(json, "file", violations);
  for (const key of Object.keys(root)) {
    if (key !== "tokens" && key !== "certificates") violations.push({ field: key, description: "is not known" });
  }
  const tokens = list(root["tokens"], "tokens", violations).map((entry, index) =>
    tokenEntry(entry, `tokens[${index}]`, violations),
  );
  const certificates = list(root["certificates"], "certificates", violations).map((entry, index) =>
    certificateEntry(entry, `certificates[${index}]`, violations),
  );
  for (const [kind, keys] of [
    ["tokens", tokens.map(({ id }) => id)],
    ["certificates", certificates.map(({ name }) => name)],
  ] as const) {
    if (new Set(keys).size < keys.length) violations.push({ field: kind, description: "name one twice" });
  }
  if (violations.length > 0) throw invalidInput(violations);
  return { tokens, certificates };
}

/** The file's text. */
export function formatAccessList({ tokens, certificates }: AccessList): string {
  const summed = (entry: TokenEntry | CertificateEntry) => ({ ...entry, checksum: checksumOf(entry) });
  return `${JSON.stringify({ tokens: tokens.map(summed), certificates: certificates.map(summed) }, null, 2)}\n`;
}

/** Of an entry's fields, in their order. */
function checksumOf(entry: object): string {
  return hash("sha256", JSON.stringify(entry)).slice(0, 16);
}

/** Where a text stops being JSON. */
function placeOf(text: string): string {
  let [right, wrong] = [0, text.length + 1]; // lengths at which it still might become JSON, and no longer
  while (wrong - right > 1) {
    const middle = (right + wrong) >> 1;
    if (mayBecomeJson(text.slice(0, middle))) right = middle;
    else wrong = middle;
  }
  const lines = text.slice(0, right).split("\n");
  return `line ${lines.length}, column ${lines.at(-1)!.length + 1}`;
}

/** Whether a text is JSON, or its beginning. */
function mayBecomeJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch (error) {
    // V8 names a position or the end, but not where a token stands that it did not expect.
    const position = /at position (\d+)/.exec(String(error))?.[1];
    return position === undefined ? /Unexpected end|Unterminated/.test(String(error)) : Number(position) >= text.length;
  }
}

/** Checks what a grant says. @returns every violation, with fields `scopes` and `models` below `at` */
export function grantViolations(
  { scopes, models }: { readonly scopes: readonly string[]; readonly models: readonly string[] },
  at = "",
): FieldViolation[] {
  const known = Object.keys(SCOPES).join(", ");
  return [
    ...(scopes.length === 0 ? [{ field: `${at}scopes`, description: `are missing: give some of ${known}` }] : []),
    ...scopes
      .filter((scope) => !isScope(scope))
      .map((scope) => ({ field: `${at}scopes`, description: `${JSON.stringify(scope)} is none of ${known}` })),
    ...(models.length === 0
      ? [{ field: `${at}models`, description: `are missing: give names, or ${ALL_MODELS}` }]
      : []),
    ...models
      .filter((pattern) => !isModelPattern(pattern))
      .map((pattern) => ({
        field: `${at}models`,
        description: `${JSON.stringify(pattern)} is no name, with * or without`,
      })),
  ];
}

/** What is wrong with the name of a token or certificate; undefined if nothing is. */
export function nameViolation(kind: "token" | "certificate", name: string): string | undefined {
  if (kind === "token") return NAME.test(name) ? undefined : "must be 1 to 64 printable letters without spaces";
  return ALTERNATIVE_NAME.test(name) ? undefined : "must be DNS:..., URI:..., IP Address:... or email:...";
}

const GRANT_FIELDS = ["scopes", "models", "limits"];
const TOKEN_FIELDS = ["id", "name", "sha256", "created", "expires", ...GRANT_FIELDS];
const CERTIFICATE_FIELDS = ["name", ...GRANT_FIELDS];

/** An entry's fields, once its checksum holds and each of them is known. */
function fieldsOf(value: unknown, known: readonly string[], at: string, violations: FieldViolation[]) {
  const { checksum, ...entry } = record(value, at, violations);
  for (const field of Object.keys(entry)) {
    if (!known.includes(field)) violations.push({ field: `${at}.${field}`, description: "is not known" });
  }
  if (checksum !== undefined && checksum !== checksumOf(entry)) {
    const description = `is not that of the entry (${JSON.stringify(entry["name"])}), which is damaged: make it again with albert tokens, or take the checksum out of an entry that you changed by hand`;
    violations.push({ field: `${at}.checksum`, description });
  }
  return entry;
}

function tokenEntry(value: unknown, at: string, violations: FieldViolation[]): TokenEntry {
  const entry = fieldsOf(value, TOKEN_FIELDS, at, violations);
  const { id, name, sha256, created, expires } = entry;
  const wrong = (field: string, description: string) => violations.push({ field: `${at}.${field}`, description });
  if (typeof id !== "string" || !/^[0-9a-f]{12}$/.test(id)) wrong("id", "must be 12 hexadecimal digits");
  if (typeof name !== "string" || nameViolation("token", name)) wrong("name", nameViolation("token", "") ?? "");
  if (typeof sha256 !== "string" || !/^[0-9a-f]{64}$/.test(sha256)) wrong("sha256", "must be 64 hexadecimal digits");
  if (!isTime(created)) wrong("created", "must be milliseconds since 1970");
  if (expires !== undefined && !isTime(expires)) wrong("expires", "must be milliseconds since 1970");
  const token = { id: String(id), name: String(name), sha256: String(sha256), created: Number(created) };
  return {
    ...token,
    ...grantOf(entry, at, violations),
    ...(expires === undefined ? {} : { expires: Number(expires) }),
  };
}

function certificateEntry(value: unknown, at: string, violations: FieldViolation[]): CertificateEntry {
  const entry = fieldsOf(value, CERTIFICATE_FIELDS, at, violations);
  const name = String(entry["name"]);
  const violation = nameViolation("certificate", name);
  if (violation !== undefined) violations.push({ field: `${at}.name`, description: violation });
  return { name, ...grantOf(entry, at, violations) };
}

function grantOf(entry: Readonly<Record<string, unknown>>, at: string, violations: FieldViolation[]): Grant {
  const scopes = list(entry["scopes"], `${at}.scopes`, violations).map(String);
  const models = list(entry["models"], `${at}.models`, violations).map(String);
  violations.push(...grantViolations({ scopes, models }, `${at}.`));
  const grant = { scopes: scopes as Scope[], models }; // anything else is a violation
  if (entry["limits"] === undefined) return grant;
  const limits = record(entry["limits"], `${at}.limits`, violations);
  violations.push(...limitViolations(limits, `${at}.limits`));
  return { ...grant, limits: limits as OwnLimits };
}

function record(value: unknown, field: string, violations: FieldViolation[]): Readonly<Record<string, unknown>> {
  if (typeof value === "object" && value !== null && !Array.isArray(value)) return value as Record<string, unknown>;
  violations.push({ field, description: "must be an object" });
  return {};
}

function list(value: unknown, field: string, violations: FieldViolation[]): readonly unknown[] {
  if (value === undefined || Array.isArray(value)) return value ?? [];
  violations.push({ field, description: "must be a list" });
  return [];
}

function isTime(value: unknown): boolean {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 0;
}
