import type { CommandEntry, OptionValue } from "./command-tree.ts";
import { commandPatterns, optionCases, quoted } from "./script-parts.ts";

/** The script that completes `albert` in zsh. */
export function zshScript(commands: readonly CommandEntry[]): string {
  const byPath = new Map(commands.map((command) => [command.path, command]));
  const described = (rows: readonly (readonly [name: string, description: string])[]) =>
    rows.map(([name, text]) => quoted(`${name.replaceAll(":", "\\:")}:${text}`)).join(" ");
  const list = (what: string, rows: readonly (readonly [string, string])[]) =>
    `found=(${described(rows)}); _describe -t ${what} ${what} found`;
  const action = (value: OptionValue) =>
    value.kind === "choices"
      ? `compadd -- ${value.choices.map(quoted).join(" ")}`
      : value.kind === "file"
        ? "_files"
        : ":";
  const values = optionCases(commands, ({ value }) => (value.kind === "none" ? undefined : action(value)));
  return `#compdef albert
# Completion of albert for zsh, generated from its commands. To use it now: eval "$(albert completion zsh)"
_albert() {
  local at="" next i cur=\${words[CURRENT]} prev=\${words[CURRENT-1]}
  local -a found
  for ((i = 2; i < CURRENT; i++)); do
    next="\${at:+$at }\${words[i]}"
    case "$next" in
      ${commandPatterns(commands)}) at=$next ;;
    esac
  done
  case "$at $prev" in
${values.map(({ patterns, action: run }) => `    ${patterns}) ${run}; return ;;`).join("\n")}
  esac
  if [[ $cur == -* ]]; then
    case "$at" in
${commands
  .map(
    ({ path, options }) =>
      `      ${quoted(path)}) ${list(
        "options",
        options.map(({ flag, description }) => [flag, description] as const),
      )} ;;`,
  )
  .join("\n")}
    esac
    return
  fi
  case "$at" in
${commands
  .flatMap(({ path, children, choices, takesFiles }) => {
    const rows = [
      ...children.map((name) => [name, byPath.get(`${path} ${name}`.trim())?.description ?? ""] as const),
      ...choices.map((choice) => [choice, ""] as const),
    ];
    if (rows.length > 0) return [`    ${quoted(path)}) ${list("commands", rows)} ;;`];
    return takesFiles ? [`    ${quoted(path)}) _files ;;`] : [];
  })
  .join("\n")}
  esac
}
(( $+functions[compdef] )) && compdef _albert albert
`;
}
