import { type Command, InvalidArgumentError, type Option } from "commander";
import { describe, expect, it } from "vitest";
import { albertProgram } from "../../src/cli/program.ts";
import { PRETRAINING } from "../../src/pretraining/hyperparameters.ts";
import { FINE_TUNING } from "../../src/training/settings/fine-tuning.ts";
import { nameOf } from "../../src/training/settings/table.ts";

/** Every command with its subcommands, by its whole name. */
function commandsOf(command: Command, path = ""): readonly (readonly [name: string, command: Command])[] {
  const name = path === "" ? command.name() : `${path} ${command.name()}`;
  return [[name, command], ...command.commands.flatMap((sub) => commandsOf(sub, name))];
}

/** Hyperparameters are read by their rows, which have a test of their own. */
const rows = new Set(
  [...Object.keys(FINE_TUNING), ...Object.keys(PRETRAINING)].map((key) => nameOf(key).replaceAll("_", "-")),
);
const numeric = commandsOf(await albertProgram()).flatMap(([command, { options }]) =>
  options
    .filter((option) => /<(n|k|x|share|generation|seconds)>/.test(option.flags))
    .filter(({ parseArg, long }) => parseArg !== undefined || !rows.has(long?.slice(2) ?? ""))
    .map((option): [string, Option] => [`${command} ${option.flags}`, option]),
);

describe("the numbers of flags", () => {
  it("are found", () => {
    expect(numeric.length).toBeGreaterThan(20);
  });

  it.each(numeric)("%s is refused with usage where it is none", (_, option) => {
    for (const text of ["", "NaN", "Infinity", "many", "1e999", "0x10", "1,5", "18446744073709551616"]) {
      expect(() => option.parseArg?.(text, undefined), JSON.stringify(text)).toThrow(InvalidArgumentError);
      expect(option.parseArg).toBeDefined();
    }
  });
});
