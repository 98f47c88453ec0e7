import type { Command } from "commander";
import { type ExplainedSetting, explainConfig, settingOptions } from "../config/explain.ts";
import type { ConfigSources } from "../config/load.ts";
import { loadProcessConfig } from "../config/sources.ts";

// The command `albert config`, and the options by which every command takes settings.

/** Adds `albert config`: the configuration a server started with the same flags would use, with each value's origin. */
export function registerConfig(program: Command): void {
  const command = program
    .command("config")
    .description("print every setting with its value and where the value comes from");
  addSettingOptions(command);
  command.option("--json", "print JSON").action((options: Record<string, unknown>) => {
    const loaded = loadProcessConfig(settingFlags(options), configPath(options));
    const rows = explainConfig(loaded);
    process.stdout.write(options["json"] ? `${JSON.stringify(rows, null, 2)}\n` : printed(rows));
  });
}

/** Gives a command `--config FILE` and one option per setting. */
export function addSettingOptions(command: Command): void {
  command.option("--config <file>", "JSON file with settings");
  for (const { flags, description, repeatable } of settingOptions()) {
    if (repeatable) {
      command.option(flags, description, (value: string, before: string[] = []) => [...before, value]);
    } else {
      command.option(flags, description);
    }
  }
}

/** The settings among a command's parsed options, by flag name as `loadProcessConfig` expects them. */
export function settingFlags(options: Readonly<Record<string, unknown>>): NonNullable<ConfigSources["flags"]> {
  const given = settingOptions().map(({ flag }) => {
    const attribute = flag.replace(/-([a-z0-9])/g, (_, letter: string) => letter.toUpperCase());
    return [flag, options[attribute] as string | readonly string[] | undefined] as const;
  });
  return Object.fromEntries(given.filter(([, value]) => value !== undefined));
}

/** The value of `--config`, when given. */
export function configPath(options: Readonly<Record<string, unknown>>): string | undefined {
  return options["config"] as string | undefined;
}

function printed(rows: readonly ExplainedSetting[]): string {
  const width = Math.max(...rows.map(({ key }) => key.length));
  const lines = rows.map(({ key, value, source, from }) => {
    const shown = Array.isArray(value) ? value.join(",") || "(none)" : value === "" ? "(not set)" : String(value);
    return `${key.padEnd(width)}  ${shown}${source === "default" ? "" : `  (${source}: ${from})`}\n`;
  });
  return lines.join("");
}
