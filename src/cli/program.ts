import { readFileSync } from "node:fs";
import { Command } from "commander";
import { registerConfig } from "./config.ts";
import { registerExport } from "./export.ts";
import { registerImport } from "./import.ts";
import { registerInspect } from "./inspect.ts";

/** The `albert` command with every subcommand. */
export function albertProgram(): Command {
  const program = new Command("albert")
    .description("serve, train and hot-swap ALBERT models")
    .version(programVersion())
    .showHelpAfterError("(add --help for the options)");
  registerConfig(program);
  registerImport(program);
  registerInspect(program);
  registerExport(program);
  return program;
}

/** Version of this program, as `package.json` has it. */
export function programVersion(): string {
  const { version } = JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8")) as {
    version: string;
  };
  return version;
}
