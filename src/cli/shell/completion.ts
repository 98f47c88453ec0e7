import { Argument, type Command } from "commander";
import { bashScript } from "./bash.ts";
import { commandEntries } from "./command-tree.ts";
import { fishScript } from "./fish.ts";
import { zshScript } from "./zsh.ts";

const SCRIPTS = { bash: bashScript, zsh: zshScript, fish: fishScript } as const;

/**
 * Adds `albert completion`: a script by which a shell completes commands, options and their values.
 *
 * @param wholeProgram  makes the program with every command
 */
export function registerCompletion(program: Command, wholeProgram: () => Promise<Command>): void {
  program
    .command("completion")
    .description("print the script by which a shell completes commands, options and values")
    .addArgument(new Argument("<shell>", "which shell").choices(Object.keys(SCRIPTS)))
    .action(async (shell: keyof typeof SCRIPTS) => {
      process.stdout.write(SCRIPTS[shell](commandEntries(await wholeProgram())));
    });
}
