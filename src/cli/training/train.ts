import { type Command, Option } from "commander";
import { type FieldViolation, invalidInput } from "../../errors.ts";
import { PUBLISHED_CONFIG_NAMES } from "../../model/published-configs.ts";
import { LABEL_SOURCES, type LabelsFrom } from "../../training/features/task-data.ts";
import type { FineTuneSpec } from "../../training/fine-tune.ts";
import { FINE_TUNING, type GivenSettings, parseFineTuning } from "../../training/settings/fine-tuning.ts";
import { TASKS } from "../../training/settings/recipes.ts";
import type { StartSpec } from "../../training/starting-model.ts";
import { addDataOptions, addRunOptions, commonSpec, type FineTuneFlags, fineTune } from "./fine-tune-command.ts";
import { addHyperparameters, givenHyperparameters } from "./hyperparameter-flags.ts";
import { addReadingOptions } from "./reading-options.ts";

// `albert train`, and what it shares with other commands that train alike.

/** Flags of a command that fine-tunes from a checkpoint or random weights. */
export interface TrainFlags extends FineTuneFlags {
  readonly init?: string;
  readonly randomInit?: string;
  readonly vocab?: string;
  readonly config?: string;
  readonly cased?: true;
  readonly labelsFrom?: LabelsFrom;
}

/** Adds `albert train`: fine-tunes a model on a task, or trains one from random weights. */
export function registerTrain(program: Command): void {
  const command = program
    .command("train")
    .description("train a model on a task and write a model directory that `albert serve` opens")
    .option(
      "--distributed",
      "write the run, with features and starting weights, to --output for PyTorch on several machines (distributed/), and stop",
    );
  addTrainOptions(command).action(async (flags: TrainFlags & Record<string, unknown>) => {
    const { settings, warnings } = parseFineTuning(givenHyperparameters(flags, FINE_TUNING));
    await fineTune({ ...trainSpec(flags, settings), givenWarnings: warnings }, flags);
  });
}

/** Adds every flag of `albert train`. */
export function addTrainOptions(command: Command): Command {
  command
    .addOption(new Option("--task <task>", "what to train for").choices(TASKS).makeOptionMandatory())
    .option("--init <path>", "model directory, Hugging Face directory or TensorFlow checkpoint to start from")
    .option(
      "--random-init <architecture>",
      `start from random weights: ${PUBLISHED_CONFIG_NAMES[0]}, ... or a config.json`,
    )
    .option(
      "--vocab <file>",
      "SentencePiece .model, WordPiece .txt or tokenizer.json, where it is not next to the weights",
    )
    .option("--config <file>", "albert_config.json or config.json, where it is not next to the weights")
    .option("--cased", "do not lower-case text");
  addDataOptions(command).addOption(
    new Option(
      "--labels-from <source>",
      "whose labels count where the model's head of this task and the data differ: head goes on with the head, data trains a new one",
    ).choices(LABEL_SOURCES),
  );
  addRunOptions(command);
  addReadingOptions(command);
  addHyperparameters(command, FINE_TUNING);
  return command;
}

/** The run that the flags say, with these settings. @throws AlbertError invalid-input with every flag that contradicts another */
export function trainSpec(flags: TrainFlags, given: GivenSettings): FineTuneSpec {
  const { data, ...spec } = commonSpec(flags, given);
  const { labelsFrom } = flags;
  return {
    ...spec,
    data: { ...data, ...(labelsFrom === undefined ? {} : { labelsFrom }) },
    start: startOf(flags),
    given,
  };
}

function startOf({ init, randomInit, vocab, config, cased }: TrainFlags): StartSpec {
  const violations: FieldViolation[] = [];
  if ((init === undefined) === (randomInit === undefined)) {
    violations.push({ field: "init", description: "give either --init or --random-init" });
  }
  if (randomInit !== undefined && vocab === undefined) {
    violations.push({ field: "vocab", description: "--random-init needs a vocabulary" });
  }
  if (randomInit !== undefined && config !== undefined) {
    violations.push({ field: "config", description: "--random-init names the configuration itself" });
  }
  if (violations.length > 0) throw invalidInput(violations);
  const lowerCase = cased ? { lowerCase: false } : {};
  if (randomInit !== undefined) {
    return { kind: "random", architecture: randomInit, vocabulary: vocab!, ...lowerCase }; // checked above
  }
  return {
    kind: "checkpoint",
    path: init!, // checked above
    ...(config === undefined ? {} : { config }),
    ...(vocab === undefined ? {} : { vocabulary: vocab }),
    ...lowerCase,
  };
}
