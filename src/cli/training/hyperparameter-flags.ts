import type { Command } from "commander";
import { nameOf, type Table } from "../../training/settings/table.ts";

// Turns a table of hyperparameters into flags. The rows of the table check the values, not this file.

/** Adds a flag for each row of a table; what a flag may say is judged where recipes of jobs are judged too, by the row. */
export function addHyperparameters(command: Command, table: Table): void {
  for (const [key, { type, description, default: fallback }] of Object.entries(table)) {
    const flag = `--${nameOf(key).replaceAll("_", "-")}`;
    const choices = type.kind === "choice" ? `choices: ${type.choices.join(", ")}` : undefined;
    const notes = [choices, fallback === undefined ? undefined : `default: ${fallback}`].filter(Boolean);
    const help = notes.length === 0 ? description : `${description} (${notes.join("; ")})`;
    // A boolean may be given without a value, and must be given one to be turned off.
    command.option(type.kind === "boolean" ? `${flag} [value]` : `${flag} <value>`, help);
  }
}

/** The values among parsed flags that are hyperparameters, as text, by official name. */
export function givenHyperparameters(flags: Readonly<Record<string, unknown>>, table: Table): Record<string, string> {
  const given = Object.keys(table).flatMap((key) => (flags[key] === undefined ? [] : [[nameOf(key), flags[key]]]));
  return Object.fromEntries(given.map(([name, value]) => [name, String(value)]));
}
