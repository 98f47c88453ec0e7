import type { LoadedConfig } from "./load.ts";
import { NAMED_SETTINGS, type NamedSetting } from "./settings.ts";

// Everything that is derived from the table of settings for people: options, `albert config`, and
// docs/configuration.md.

/** A command-line option that sets one setting, in the notation of option parsers. */
export interface SettingOption {
  /** `--serving-max-requests <number>` */
  readonly flags: string;
  readonly description: string;
  /** Whether the option may be repeated. */
  readonly repeatable: boolean;
  /** The name under which `loadConfig` expects the value. */
  readonly flag: string;
}

/** One option per setting, for `--help` and the parser. */
export function settingOptions(): SettingOption[] {
  return NAMED_SETTINGS.map(({ flag, setting }) => ({
    flag,
    flags: `--${flag} <${setting.placeholder}>`,
    description: `${setting.doc} (default: ${showDefault(setting)})`,
    repeatable: Array.isArray(setting.default),
  }));
}

/** One setting of a loaded configuration as a person may see it. */
export interface ExplainedSetting {
  readonly key: string;
  /** The value; "(set)" or "(not set)" for a secret. */
  readonly value: unknown;
  readonly source: string;
  /** The variable, flag or file, where it is not the default. */
  readonly from?: string;
}

/** Every setting with its value and origin, secrets hidden. */
export function explainConfig({ config, origins }: LoadedConfig): ExplainedSetting[] {
  return NAMED_SETTINGS.map(({ group, name, key, setting }) => {
    const value = (config[group] as Record<string, unknown>)[name];
    const origin = origins.get(key)!;
    return {
      key,
      value: setting.secret ? (value === "" || value === undefined ? "(not set)" : "(set)") : value,
      source: origin.source,
      ...(origin.detail === undefined ? {} : { from: origin.detail }),
    };
  });
}

/** The whole of `docs/configuration.md`. */
export function configurationPage(): string {
  const groups = [...new Set(NAMED_SETTINGS.map(({ group }) => group))];
  return `# Configuration

This page is generated from \`src/config/settings.ts\` by \`npm run docs\`; a test fails when it differs.

Values come from, weakest first: the default; a JSON file named by \`--config\` or \`ALBERT_CONFIG\`; environment variables;
flags. A file holds one object per group: \`{"serving": {"max_requests": 256}}\`. Lists are JSON arrays in a file and
comma-separated elsewhere; the flag of a list may be repeated. An unknown name, a value out of range, a contradiction
between two settings, and a setting that the chosen role would ignore each stop the start with exit status 2, and all
problems are listed together. \`albert config\` prints every value with its origin.
${groups.map((group) => groupSection(group)).join("")}`;
}

function groupSection(group: string): string {
  const rows = NAMED_SETTINGS.filter((named) => named.group === group);
  return `
## ${group}

| key | default | range | meaning |
|---|---|---|---|
${rows.map(tableRow).join("\n")}
`;
}

function tableRow({ key, environment, flag, setting }: NamedSetting): string {
  const unit = setting.unit === undefined ? "" : ` ${setting.unit}`;
  const secret = setting.secret ? " Secret." : "";
  const roles = setting.roles === undefined ? "" : ` Roles: ${setting.roles.join(", ")}.`;
  const names = `\`${key}\`<br>\`${environment}\`<br>\`--${flag}\``;
  return `| ${names} | ${showDefault(setting)} | ${setting.range}${unit} | ${setting.doc}${secret}${roles} |`;
}

function showDefault(setting: { readonly default: unknown }): string {
  const value = setting.default;
  if (Array.isArray(value)) return value.length === 0 ? "none" : value.join(", ");
  return value === "" ? "not set" : String(value);
}
