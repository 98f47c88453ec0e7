import { type Command, InvalidArgumentError, Option } from "commander";
import type { ReadingOptions } from "../../training/data/rows/dataset-rows.ts";
import { SEPARATOR_NAMES, type SeparatorName } from "../../training/data/rows/delimited-format.ts";
import { parseColumns } from "../../training/data/rows/fields.ts";

// Flags by which a person says how data files are to be read.

export interface ReadingFlags {
  readonly columns?: string;
  readonly acceptWindowsText?: true;
  readonly skipInvalid?: number;
  readonly separator?: SeparatorName;
}

/** Rows that may be left out where `--skip-invalid` names no share. */
const SKIPPED_SHARE = 0.01;

/** Adds `--columns`, `--separator`, `--accept-windows-text` and `--skip-invalid`. */
export function addReadingOptions(command: Command): Command {
  return command
    .option(
      "--columns <field=column,...>",
      "names of your own columns, such as text=review,label=stars or choices=ending0|ending1|ending2",
    )
    .addOption(
      new Option(
        "--separator <name>",
        "what divides the cells of your own CSV and TSV files, where it is not found out rightly",
      ).choices(SEPARATOR_NAMES),
    )
    .option(
      "--accept-windows-text",
      "of official layouts: drop byte order marks and carriage returns, which are errors otherwise; own data may have them",
    )
    .option(
      "--skip-invalid [share]",
      `go on without rows that cannot be used, if they are at most this share of all (${SKIPPED_SHARE} where none is named)`,
      share,
    );
}

/** @throws AlbertError invalid-input for wrong columns */
export function readingOf({ columns, acceptWindowsText, skipInvalid, separator }: ReadingFlags): ReadingOptions {
  return {
    ...(columns === undefined ? {} : { columns: parseColumns(columns, "--columns") }),
    ...(acceptWindowsText === undefined ? {} : { acceptWindowsText }),
    ...(separator === undefined ? {} : { separator }),
    ...(skipInvalid === undefined
      ? {}
      : { skipInvalid: (skipInvalid as number | true) === true ? SKIPPED_SHARE : skipInvalid }),
  };
}

function share(text: string): number {
  const value = Number(text);
  if (text.trim() === "" || !(value >= 0 && value <= 1)) throw new InvalidArgumentError("expected a share from 0 to 1");
  return value;
}
