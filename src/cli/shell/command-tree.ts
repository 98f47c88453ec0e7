import type { Command, Option } from "commander";

// The command line as data, for whatever is generated from it: completion of three shells.

/** What may stand after an option. */
export type OptionValue =
  | { readonly kind: "none" }
  | { readonly kind: "choices"; readonly choices: readonly string[] }
  | { readonly kind: "file" }
  /** Something that no shell can guess. */
  | { readonly kind: "text" };

/** One option of a command. */
export interface OptionEntry {
  /** `--task` */
  readonly flag: string;
  readonly description: string;
  readonly value: OptionValue;
}

/** One command and what may follow it. */
export interface CommandEntry {
  /** `jobs create`; empty for the program itself. */
  readonly path: string;
  readonly name: string;
  readonly description: string;
  readonly options: readonly OptionEntry[];
  readonly children: readonly string[];
  /** Choices of its first argument. */
  readonly choices: readonly string[];
  /** Whether an argument of it may be a file. */
  readonly takesFiles: boolean;
}

/** Every command of a program, the program itself first. */
export function commandEntries(program: Command, parent = ""): CommandEntry[] {
  const path = parent === "" && program.parent === null ? "" : `${parent} ${program.name()}`.trim();
  const visible = program.commands.filter((command) => command.name() !== "help");
  return [
    {
      path,
      name: program.name(),
      description: oneLine(program.description()),
      options: [...program.options.map(entryOf), { flag: "--help", description: "help", value: { kind: "none" } }],
      children: visible.map((command) => command.name()),
      choices: program.registeredArguments[0]?.argChoices ?? [],
      takesFiles: program.registeredArguments.some((argument) => namesFile(argument.name())),
    },
    ...visible.flatMap((command) => commandEntries(command, path)),
  ];
}

function entryOf(option: Option): OptionEntry {
  return { flag: option.long ?? option.flags, description: oneLine(option.description), value: optionValue(option) };
}

function optionValue({ flags, argChoices, required, optional }: Option): OptionValue {
  if (!required && !optional) return { kind: "none" };
  const [, wanted, spared = ""] = /<([^>]+)>|\[([^\]]+)\]/.exec(flags) ?? [];
  const placeholder = wanted ?? spared;
  const choices = argChoices ?? (/^[\w-]+(\|[\w-]+)+$/.test(placeholder) ? placeholder.split("|") : undefined);
  if (choices !== undefined) return { kind: "choices", choices };
  return namesFile(placeholder.replace("...", "")) ? { kind: "file" } : { kind: "text" };
}

const FILES: ReadonlySet<string> = new Set(
  "file files path path[=weight] dir directory folder prefix location name=directory name=file name|file source model index".split(
    " ",
  ),
);

function namesFile(placeholder: string): boolean {
  return FILES.has(placeholder);
}

const MOST = 70;

/** The first clause of a description, as much of it as a shell shows. */
function oneLine(text: string): string {
  const [clause = ""] = text.split(/[;\n]/);
  return clause.length > MOST ? `${clause.slice(0, MOST - 1)}…` : clause;
}
