import type { CommandEntry, OptionEntry } from "./command-tree.ts";
import { quoted } from "./script-parts.ts";

/** The script that completes `albert` in fish. */
export function fishScript(commands: readonly CommandEntry[]): string {
  const byPath = new Map(commands.map((command) => [command.path, command]));
  const at = (path: string) => `-n ${fishQuoted(`__albert_at '${path}'`)}`;
  return `# Completion of albert for fish, generated from its commands. To use it now: albert completion fish | source
set -g __albert_commands ${commands
    .slice(1)
    .map(({ path }) => quoted(path))
    .join(" ")}
function __albert_at
    set -l at ''
    for word in (commandline -opc)[2..-1]
        set -l next (string trim -- "$at $word")
        contains -- $next $__albert_commands; and set at $next
    end
    test "$at" = "$argv[1]"
end
complete -c albert -f
${commands
  .flatMap(({ path, children, choices, options, takesFiles }) => [
    ...children.map((name) => {
      const description = byPath.get(`${path} ${name}`.trim())?.description ?? "";
      return `complete -c albert ${at(path)} -a ${name} -d ${fishQuoted(description)}`;
    }),
    ...(choices.length > 0 ? [`complete -c albert ${at(path)} -a ${fishQuoted(choices.join(" "))}`] : []),
    ...(takesFiles ? [`complete -c albert ${at(path)} -F`] : []),
    ...options.map((option) => `complete -c albert ${at(path)} ${optionWords(option)}`),
  ])
  .join("\n")}
`;
}

function optionWords({ flag, description, value }: OptionEntry): string {
  const words = {
    none: "",
    text: " -x",
    file: " -r -F",
    choices: value.kind === "choices" ? ` -x -a ${fishQuoted(value.choices.join(" "))}` : "",
  }[value.kind];
  return `-l ${flag.replace(/^--?/, "")}${words} -d ${fishQuoted(description)}`;
}

/** In fish a backslash and a quote are what a backslash is put before. */
function fishQuoted(text: string): string {
  return `'${text.replaceAll("\\", "\\\\").replaceAll("'", "\\'")}'`;
}
