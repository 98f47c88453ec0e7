import { type Command, InvalidArgumentError, Option } from "commander";
import { SPACE_FORMS } from "../../../training/sweeps/search-space.ts";
import {
  DEFAULT_REDUCTION,
  DEFAULT_TRIALS,
  MOST_TRIALS,
  SWEEP_METHODS,
  type SweepMethod,
} from "../../../training/sweeps/sweep.ts";
import { pairs, wholeNumber } from "../../admin/admin-call.ts";

// The flags from which commands build a sweep.

/** Flags that say how a sweep chooses its trials; what is absent has its default. */
export interface SweepFlags {
  readonly method?: SweepMethod;
  readonly vary: Readonly<Record<string, string>>;
  readonly trials?: number;
  readonly reduction?: number;
}

/** The flag of a setting that varies. */
export const VARY = [
  "--vary <name=space>",
  `a setting and what it may be: ${SPACE_FORMS}; may be repeated`,
  spaces,
] as const;

/** Adds the flags that say how trials are chosen, besides `--vary`. @param of  comes before each description */
export function addSweepOptions(command: Command, of = ""): Command {
  return command
    .addOption(
      new Option(
        "--method <method>",
        `${of}grid: every combination; random: drawn ones; halving: drawn, and the better go on (default: random)`,
      ).choices(SWEEP_METHODS),
    )
    .option("--trials <n>", `${of}drawn combinations, up to ${MOST_TRIALS} (default: ${DEFAULT_TRIALS})`, wholeNumber)
    .option(
      "--reduction <n>",
      `${of}with halving one of so many goes on, to so many times the steps (default: ${DEFAULT_REDUCTION})`,
      wholeNumber,
    );
}

/** Gathers spaces; a setting that is given twice is a mistake and no correction. */
function spaces(text: string, before: Readonly<Record<string, string>> = {}): Record<string, string> {
  const name = text.slice(0, text.indexOf("="));
  if (Object.hasOwn(before, name)) throw new InvalidArgumentError(`${name} is given twice`);
  return pairs(text, before);
}
