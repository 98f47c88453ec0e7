import { type Command, Option } from "commander";
import { invalidInput } from "../../errors.ts";
import { PUBLISHED_CONFIG_NAMES } from "../../model/published-configs.ts";
import type { StudentSpec } from "../../training/distillation/student-start.ts";
import { DISTILLATION, parseDistillation } from "../../training/settings/distillation.ts";
import { FINE_TUNING } from "../../training/settings/fine-tuning.ts";
import { HEAD_TASKS } from "../../training/settings/recipes.ts";
import type { StartSpec } from "../../training/starting-model.ts";
import { addDataOptions, addRunOptions, commonSpec, type FineTuneFlags, fineTune } from "./fine-tune-command.ts";
import { addHyperparameters, givenHyperparameters } from "./hyperparameter-flags.ts";
import { addReadingOptions } from "./reading-options.ts";

interface DistilFlags extends FineTuneFlags {
  readonly teacher: string;
  readonly init?: string;
  readonly student?: string;
  readonly unlabelled?: string;
}

const SETTINGS = { ...DISTILLATION, ...FINE_TUNING };

/** Adds `albert distil`: trains a small model on what a larger one answers. */
export function registerDistil(program: Command): void {
  const command = program
    .command("distil")
    .description("train a student on a teacher's answers, hidden states and attention, and write its model directory")
    .requiredOption(
      "--teacher <path>",
      "model that is learnt from: a model directory, or any checkpoint with a head for the task",
    )
    .addOption(new Option("--task <task>", "what to train for").choices(HEAD_TASKS).makeOptionMandatory())
    .option("--init <path>", "student: model directory, Hugging Face directory or TensorFlow checkpoint to start from")
    .option(
      "--student <architecture>",
      `student: ${PUBLISHED_CONFIG_NAMES[0]}, ..., a config.json, or one as JSON; with the teacher's vocabulary`,
    )
    .option(
      "--unlabelled <file>",
      "CSV, TSV or JSONL of texts without labels (columns text, text_pair): the teacher's answers to them are learnt",
    );
  addDataOptions(command);
  addRunOptions(command);
  addReadingOptions(command);
  addHyperparameters(command, SETTINGS);
  command.action(async (flags: DistilFlags & Record<string, unknown>) => {
    const { settings, distillation, warnings } = parseDistillation(givenHyperparameters(flags, SETTINGS));
    const { data, ...spec } = commonSpec(flags, settings);
    const { unlabelled, teacher } = flags;
    await fineTune(
      {
        ...spec,
        data: { ...data, ...(unlabelled === undefined ? {} : { unlabelled }) },
        start: studentOf(flags),
        distillation: { teacher, given: distillation },
        given: settings,
        givenWarnings: warnings,
      },
      flags,
    );
  });
}

function studentOf({ init, student }: DistilFlags): StartSpec | StudentSpec {
  if ((init === undefined) === (student === undefined)) {
    throw invalidInput([{ field: "student", description: "give either --student or --init" }]);
  }
  return student === undefined
    ? { kind: "checkpoint", path: init! } // one of them is there
    : { kind: "student", architecture: student };
}
