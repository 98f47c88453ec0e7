import type { CommandEntry, OptionEntry } from "./command-tree.ts";

// What scripts for the shells of Bourne's family have in common.

/** A word that the shell takes as it stands. */
export function quoted(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}

/** The branch of a `case` that holds for every command but the program itself. */
export function commandPatterns(commands: readonly CommandEntry[]): string {
  return commands
    .slice(1)
    .map(({ path }) => quoted(path))
    .join("|");
}

/** The options of a command. */
export function commandOptions({ options }: CommandEntry): string[] {
  return options.map(({ flag }) => flag);
}

/**
 * Branches of a `case` over "command option", those with the same action as one.
 *
 * @param actionOf  what is to happen after an option; undefined where nothing may follow it
 */
export function optionCases(
  commands: readonly CommandEntry[],
  actionOf: (option: OptionEntry) => string | undefined,
): { readonly patterns: string; readonly action: string }[] {
  const patterns = new Map<string, string[]>();
  for (const { path, options } of commands) {
    for (const option of options) {
      const action = actionOf(option);
      if (action === undefined) continue;
      patterns.set(action, [...(patterns.get(action) ?? []), quoted(`${path} ${option.flag}`)]);
    }
  }
  return [...patterns].map(([action, list]) => ({ patterns: list.join("|"), action }));
}
