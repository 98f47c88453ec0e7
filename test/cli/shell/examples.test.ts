import type { Command } from "commander";
import { describe, expect, it } from "vitest";
import { albertProgram } from "../../../src/cli/program.ts";
import { EXAMPLES } from "../../../src/cli/shell/examples.ts";

const program = await albertProgram();

/** Commands that do something, by what is typed. */
function commands(of: Command, parent = ""): [path: string, command: Command][] {
  return of.commands.flatMap((command): [string, Command][] => {
    const path = `${parent} ${command.name()}`.trim();
    const below = commands(command, path);
    return below.length > 0 ? below : [[path, command]];
  });
}

const ALL = commands(program);

/** The words of a line as a shell cuts it, as far as examples need that; what is redirected is left out. */
function words(line: string): string[] {
  const [typed = ""] = line.split(/ >>? /);
  return [...typed.matchAll(/"([^"]*)"|(\S+)/g)].map(([, quoted, bare]) => quoted ?? bare!);
}

describe("the help of every command", () => {
  it.each(ALL)("albert %s ends with an example", (path, command) => {
    expect(EXAMPLES[path]?.length, path).toBeGreaterThan(0);
    let help = "";
    command.configureOutput({ writeOut: (text) => (help += text) }).outputHelp();
    for (const example of EXAMPLES[path]!) expect(help).toContain(`  $ albert ${example}\n`);
  });

  it("has no example of a command that is not there", () => {
    const paths = ALL.map(([path]) => path);
    expect(Object.keys(EXAMPLES).filter((path) => !paths.includes(path))).toEqual([]);
  });

  it.each(ALL)("albert %s: its examples are taken by the command line", async (path) => {
    for (const example of EXAMPLES[path]!) {
      const own = await albertProgram();
      let ran = false;
      const quiet = (command: Command): void => {
        command.exitOverride().configureOutput({ writeErr: () => {}, writeOut: () => {} });
        if (command.commands.length === 0) {
          command.action(() => {
            ran = true;
          });
        }
        for (const child of command.commands) quiet(child);
      };
      quiet(own);
      await own.parseAsync(["node", "albert", ...words(example)]);
      expect(ran, example).toBe(true);
    }
  });
});
