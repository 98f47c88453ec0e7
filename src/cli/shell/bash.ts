import type { CommandEntry, OptionValue } from "./command-tree.ts";
import { commandOptions, commandPatterns, optionCases, quoted } from "./script-parts.ts";

/** The script that completes `albert` in bash. */
export function bashScript(commands: readonly CommandEntry[]): string {
  const words = (list: readonly string[]) => `COMPREPLY=($(compgen -W ${quoted(list.join(" "))} -- "$cur"))`;
  const files = 'compopt -o filenames 2>/dev/null; COMPREPLY=($(compgen -f -- "$cur"))';
  const action = (value: OptionValue) =>
    value.kind === "choices" ? words(value.choices) : value.kind === "file" ? files : ":";
  const values = optionCases(commands, ({ value }) => (value.kind === "none" ? undefined : action(value)));
  return `# Completion of albert for bash, generated from its commands. To use it now: eval "$(albert completion bash)"
_albert() {
  local cur=\${COMP_WORDS[COMP_CWORD]} prev=\${COMP_WORDS[COMP_CWORD-1]} at="" next i
  COMPREPLY=()
  for ((i = 1; i < COMP_CWORD; i++)); do
    next="\${at:+$at }\${COMP_WORDS[i]}"
    case "$next" in
      ${commandPatterns(commands)}) at=$next ;;
    esac
  done
  case "$at $prev" in
${values.map(({ patterns, action: run }) => `    ${patterns}) ${run}; return ;;`).join("\n")}
  esac
  if [[ $cur == -* ]]; then
    case "$at" in
${commands.map((command) => `      ${quoted(command.path)}) ${words(commandOptions(command))} ;;`).join("\n")}
    esac
    return
  fi
  case "$at" in
${commands
  .flatMap(({ path, children, choices, takesFiles }) => {
    const list = [...children, ...choices];
    if (list.length > 0) return [`    ${quoted(path)}) ${words(list)} ;;`];
    return takesFiles ? [`    ${quoted(path)}) ${files} ;;`] : [];
  })
  .join("\n")}
  esac
}
complete -F _albert albert
`;
}
