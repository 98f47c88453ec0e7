import { readFileSync } from "node:fs";
import { AlbertError } from "../errors.ts";
import { type ConfigSources, type LoadedConfig, loadConfig } from "./load.ts";

/**
 * Loads the configuration of this process: the file named by `--config` or `ALBERT_CONFIG`, the environment, and flags.
 *
 * @param flags       parsed command line, by flag name without dashes
 * @param configPath  value of `--config`, when given
 * @throws AlbertError invalid-input CONFIG_UNREADABLE when the file is missing or no JSON; CONFIG_INVALID as `loadConfig`
 */
export function loadProcessConfig(flags: ConfigSources["flags"] = {}, configPath?: string): LoadedConfig {
  const environment = process.env;
  const path = configPath ?? environment["ALBERT_CONFIG"];
  return loadConfig({
    flags,
    environment,
    ...(path === undefined || path === "" ? {} : { file: { name: path, json: readJson(path) } }),
  });
}

function readJson(path: string): unknown {
  try {
    return JSON.parse(readFileSync(path, "utf8"));
  } catch (cause) {
    const problem = cause instanceof SyntaxError ? `is no JSON: ${cause.message}` : "cannot be read";
    throw new AlbertError("invalid-input", `the configuration file ${path} ${problem}`, {
      reason: "CONFIG_UNREADABLE",
      cause,
    });
  }
}
