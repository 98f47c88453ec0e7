import { type Command, Option } from "commander";
import { SEPARATOR_NAMES } from "../../training/data/rows/delimited-format.ts";
import { pairs } from "../admin/admin-call.ts";

// The flags from which commands build the recipe of a job.

/** Flags that make the recipe of a job, or of the job that is to read data. */
export interface RecipeFlags {
  readonly set?: Readonly<Record<string, string>>;
  readonly acceptWindowsText?: true;
  readonly columns?: string;
  readonly skipInvalid?: string | true;
  readonly separator?: string;
}

/** Adds `--set` and what is short for some of it. */
export function addRecipeOptions(command: Command): Command {
  return command
    .option("--set <name=value>", "recipe value; may be repeated", pairs)
    .option("--accept-windows-text", "drop byte order marks and carriage returns: --set accept_windows_text=true")
    .option("--columns <field=column,...>", "names of your own columns: --set columns=text=review,label=stars")
    .addOption(
      new Option("--separator <name>", "what divides the cells of your own tables: --set separator=semicolon").choices(
        SEPARATOR_NAMES,
      ),
    )
    .option("--skip-invalid [share]", "go on without rows that cannot be used: --set skip_invalid=0.01");
}

export function recipeOf({
  set,
  acceptWindowsText,
  columns,
  skipInvalid,
  separator,
}: RecipeFlags): Record<string, string> {
  return {
    ...set,
    ...(acceptWindowsText === true ? { accept_windows_text: "true" } : {}),
    ...(columns === undefined ? {} : { columns }),
    ...(separator === undefined ? {} : { separator }),
    ...(skipInvalid === undefined ? {} : { skip_invalid: skipInvalid === true ? "0.01" : skipInvalid }),
  };
}
