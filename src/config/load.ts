import { AlbertError, type FieldViolation } from "../errors.ts";
import { CLIENT_VARIABLES } from "./client-environment.ts";
import { contradictions } from "./contradictions.ts";
import { nearest } from "./nearest.ts";
import { type Origin, say } from "./origin.ts";
import { type Config, NAMED_SETTINGS, type NamedSetting } from "./settings.ts";

// Merges file, environment and flags into one checked configuration. It names no setting and reads no source itself.

/** Where values may come from, weakest first. Absent sources set nothing. */
export interface ConfigSources {
  /** A parsed JSON file: groups of settings, keys in snake_case. `name` is shown as the origin. */
  readonly file?: { readonly name: string; readonly json: unknown };
  /** Variables whose names begin with `ALBERT_` count; all others are ignored. */
  readonly environment?: Readonly<Record<string, string | undefined>>;
  /** By flag name without dashes; a repeated flag gives an array. */
  readonly flags?: Readonly<Record<string, string | readonly string[] | undefined>>;
}

export interface LoadedConfig {
  readonly config: Config;
  /** By key (`serving.max_requests`). */
  readonly origins: ReadonlyMap<string, Origin>;
}

/** One value as a source gave it, not yet checked. */
interface Given {
  readonly value: unknown;
  readonly origin: Origin;
}

/** Variables with our prefix that are no settings: the configuration file's path, the test suite's fixtures, and what clients use. */
const OTHER_VARIABLES = new Set(["ALBERT_CONFIG", "ALBERT_FIXTURES", ...Object.values(CLIENT_VARIABLES)]);

/**
 * What Kubernetes puts into every container for a Service called `albert-...`. These are not ours and must not stop a
 * start that refuses unknown names.
 */
const SERVICE_LINK = /^ALBERT_(.*_)?(SERVICE_HOST|SERVICE_PORT(_.*)?|PORT(_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)?)$/;

/**
 * Merges the sources over the defaults (file, then environment, then flags), checks every value and every rule between
 * values, and freezes the result.
 *
 * @throws AlbertError invalid-input CONFIG_INVALID that lists every problem of every source at once
 */
export function loadConfig(sources: ConfigSources): LoadedConfig {
  const violations: FieldViolation[] = [];
  const given = new Map<string, Given>();
  if (sources.file !== undefined) readFile(sources.file, given, violations);
  readEnvironment(sources.environment ?? {}, given, violations);
  readFlags(sources.flags ?? {}, given, violations);

  const groups: Record<string, Record<string, unknown>> = {};
  const origins = new Map<string, Origin>();
  for (const { group, name, key, setting } of NAMED_SETTINGS) {
    const { value, origin } = given.get(key) ?? { value: setting.default, origin: { source: "default" } };
    const checked = setting.schema.safeParse(value);
    if (!checked.success) {
      const shown = setting.secret ? "a value" : typeof value === "number" ? String(value) : JSON.stringify(value);
      const problems = checked.error.issues.map((issue) => issue.message).join("; ");
      violations.push({ field: key, description: `${problems} (${setting.range}), got ${shown} from ${say(origin)}` });
    }
    groups[group] ??= {};
    groups[group][name] = checked.success ? checked.data : setting.default;
    origins.set(key, origin);
  }
  const config = deepFreeze(groups) as Config;
  violations.push(...contradictions(config, origins));
  if (violations.length > 0) throw configInvalid(violations);
  return { config, origins };
}

function configInvalid(violations: readonly FieldViolation[]): AlbertError {
  const lines = violations.map((violation) => `${violation.field}: ${violation.description}`);
  const [only] = lines;
  const message =
    lines.length === 1
      ? `the configuration has a problem: ${only}`
      : `the configuration has ${lines.length} problems:${lines.map((line) => `\n  ${line}`).join("")}`;
  return new AlbertError("invalid-input", message, { reason: "CONFIG_INVALID", violations });
}

function readFile(
  file: NonNullable<ConfigSources["file"]>,
  given: Map<string, Given>,
  violations: FieldViolation[],
): void {
  const byKey = new Set(NAMED_SETTINGS.map(({ key }) => key));
  const isObject = (value: unknown): value is Record<string, unknown> =>
    typeof value === "object" && value !== null && !Array.isArray(value);
  if (!isObject(file.json)) {
    violations.push({ field: file.name, description: "expected a JSON object with one object per group of settings" });
    return;
  }
  for (const [group, rows] of Object.entries(file.json)) {
    if (!isObject(rows)) {
      violations.push(unknown(group, [...new Set(NAMED_SETTINGS.map((named) => named.group))], file.name));
      continue;
    }
    for (const [name, value] of Object.entries(rows)) {
      const key = `${group}.${name}`;
      if (byKey.has(key)) given.set(key, { value, origin: { source: "file", detail: file.name } });
      else violations.push(unknown(key, byKey, file.name));
    }
  }
}

function readEnvironment(
  environment: Readonly<Record<string, string | undefined>>,
  given: Map<string, Given>,
  violations: FieldViolation[],
): void {
  const byVariable = new Map(NAMED_SETTINGS.map((named) => [named.environment, named]));
  for (const [variable, text] of Object.entries(environment)) {
    if (!variable.startsWith("ALBERT_") || text === undefined) continue;
    const named = byVariable.get(variable);
    if (named !== undefined) {
      given.set(named.key, {
        value: named.setting.fromText(text),
        origin: { source: "environment", detail: variable },
      });
    } else if (!OTHER_VARIABLES.has(variable) && !SERVICE_LINK.test(variable)) {
      violations.push(unknown(variable, byVariable.keys(), "the environment"));
    }
  }
}

function readFlags(
  flags: NonNullable<ConfigSources["flags"]>,
  given: Map<string, Given>,
  violations: FieldViolation[],
): void {
  const byFlag = new Map(NAMED_SETTINGS.map((named) => [named.flag, named]));
  for (const [flag, text] of Object.entries(flags)) {
    if (text === undefined) continue;
    const named = byFlag.get(flag);
    if (named === undefined)
      violations.push(
        unknown(
          `--${flag}`,
          [...byFlag.keys()].map((name) => `--${name}`),
        ),
      );
    else given.set(named.key, { value: flagValue(named, text), origin: { source: "flag", detail: `--${flag}` } });
  }
}

/** A flag given several times adds up where the setting is a list; elsewhere the last one counts. */
function flagValue({ setting }: NamedSetting, text: string | readonly string[]): unknown {
  if (typeof text === "string") return setting.fromText(text);
  const values = text.map((one) => setting.fromText(one));
  return values.every((value) => Array.isArray(value)) ? values.flat() : values.at(-1);
}

function unknown(name: string, known: Iterable<string>, place?: string): FieldViolation {
  const guess = nearest(name, known);
  const where = place === undefined ? "" : ` in ${place}`;
  return {
    field: name,
    description: `no such setting${where}${guess === undefined ? "; docs/configuration.md lists them all" : `; did you mean ${guess}?`}`,
  };
}

function deepFreeze<T extends object>(value: T): T {
  for (const part of Object.values(value)) if (typeof part === "object" && part !== null) deepFreeze(part);
  return Object.freeze(value);
}
