import { basename, resolve } from "node:path";
import type { Command } from "commander";
import { programVersion } from "../../config/program-version.ts";
import { invalidInput } from "../../errors.ts";
import { writeModelDirectory } from "../../model/directory/write-model-directory.ts";
import { PUBLISHED_CONFIG_NAMES } from "../../model/published-configs.ts";
import { refuseDistributed, writeDistributedPretraining } from "../../pretraining/distributed-run.ts";
import { shareInterval } from "../../pretraining/evaluate.ts";
import { PRETRAINING, parsePretraining } from "../../pretraining/hyperparameters.ts";
import {
  evaluateWeights,
  type PreparedPretraining,
  type PretrainSpec,
  preparePretraining,
  pretrainingLineage,
  runPretraining,
} from "../../pretraining/pretrain.ts";
import { requireExecutor } from "../../training/executors/executor-options.ts";
import type { TrainingOutcome } from "../../training/loop.ts";
import { refuseExisting } from "../new-output.ts";
import { addExecutorOptions, type ExecutorFlags, executorOf } from "./executor-flags.ts";
import { followRun } from "./follow-run.ts";
import { addHyperparameters, givenHyperparameters } from "./hyperparameter-flags.ts";
import { TrainingProgressBar } from "./training-progress.ts";

interface PretrainFlags extends ExecutorFlags {
  readonly input: readonly string[];
  readonly evalInput?: readonly string[];
  readonly init?: string;
  readonly teacher?: string;
  readonly student?: string;
  readonly config?: string;
  readonly vocab?: string;
  readonly cased?: true;
  readonly output?: string;
  readonly work?: string;
  readonly cache?: string;
  readonly name?: string;
  readonly resume?: true;
  readonly evalOnly?: true;
  readonly distributed?: true;
  readonly json?: true;
}

/** Adds `albert pretrain`: masked language modelling and sentence order from raw text. */
export function registerPretrain(program: Command): void {
  const command = program
    .command("pretrain")
    .description("pretrain ALBERT on text: masked language modelling and sentence order")
    .requiredOption(
      "--input <files...>",
      "text (a sentence a line, a blank line between documents; .gz too) or .tf_record files",
    )
    .option("--eval-input <files...>", "text to evaluate on (default: a held-out share of the documents)")
    .option("--init <path>", "model directory or checkpoint to continue from; without it weights are random")
    .option("--config <name|file>", `architecture of random weights: ${PUBLISHED_CONFIG_NAMES.join(", ")}, or a file`)
    .option("--vocab <file>", "SentencePiece .model, WordPiece .txt or tokenizer.json")
    .option(
      "--teacher <path>",
      "model with a masked-lm head and the same vocabulary: the words that it expects at masked positions are learnt too",
    )
    .option(
      "--student <architecture>",
      "with --teacher, in place of --init: a published architecture, a config.json, or one as JSON, with the teacher's vocabulary",
    )
    .option("--cased", "do not lower-case text")
    .option("--output <dir>", "model directory to make; must not exist")
    .option("--work <dir>", "checkpoints, logs and results (default: the output directory's name with .run)")
    .option("--cache <dir>", "tokenised text, which runs may share (default: inside the work directory)")
    .option("--name <name>", "name of the model (default: the output directory's)");
  addExecutorOptions(command)
    .option("--resume", "continue from the newest checkpoint of the work directory")
    .option("--eval-only", "measure --init on the evaluation text and stop")
    .option(
      "--distributed",
      "write the run, with text and starting weights, to --output for PyTorch on several machines (distributed/), and stop",
    )
    .option("--json", "print the result as JSON");
  addHyperparameters(command, PRETRAINING);
  command.action(async (flags: PretrainFlags & Record<string, unknown>) => {
    const bar = new TrainingProgressBar(process.stderr);
    const spec = specOf(flags);
    if (flags.distributed) refuseDistributed(spec);
    if (flags.output !== undefined && !flags.evalOnly) await refuseExisting(flags.output);
    await requireExecutor(spec.executor);
    const prepared = await preparePretraining(spec, (activity) => bar.activity(activity));
    sayData(prepared, bar);
    if (flags.distributed) {
      const output = flags.output!; // `specOf` looked
      await writeDistributedPretraining(output, prepared);
      print({ run: output, steps: spec.settings.numTrainSteps, text: prepared.data.digest }, flags);
    } else if (flags.evalOnly) print(await evaluated(prepared), flags);
    else await run(prepared, flags, bar);
  });
}

async function run(prepared: PreparedPretraining, flags: PretrainFlags, bar: TrainingProgressBar): Promise<void> {
  const outcome = await followRun(
    { work: prepared.spec.work, metric: "loss", resume: flags.resume === true, bar },
    (options) => runPretraining(prepared, options),
  );
  if (outcome !== undefined) await finish(prepared, flags, outcome);
}

async function finish(prepared: PreparedPretraining, flags: PretrainFlags, outcome: TrainingOutcome): Promise<void> {
  const { start, heads, spec } = prepared;
  const { metrics } = outcome;
  const output = flags.output!; // `specOf` looked
  const { digest } = await writeModelDirectory(output, {
    name: flags.name ?? basename(resolve(output)),
    config: start.config,
    heads: [...heads],
    parameters: outcome.parameters,
    vocabulary: start.vocabulary,
    maxSequenceLength: spec.settings.maxSeqLength,
    metrics,
    lineage: { ...pretrainingLineage(prepared), program: programVersion() },
  });
  print(
    { model: output, digest, global_step: outcome.progress.step, stopped_by: outcome.stoppedBy, ...metrics },
    flags,
  );
}

async function evaluated(prepared: PreparedPretraining): Promise<Record<string, unknown>> {
  if (prepared.data.heldOut === undefined) {
    throw invalidInput([
      { field: "eval-input", description: "nothing to evaluate on: give text, or held_out above 0" },
    ]);
  }
  const metrics = await evaluateWeights(prepared, prepared.initial.parameters);
  const count = Math.min(
    prepared.spec.settings.evalInstances,
    prepared.data.heldOut(prepared.spec.settings.maxSeqLength).length,
  );
  const [low, high] = shareInterval(metrics.sentence_order_accuracy, count);
  return {
    ...metrics,
    instances: count,
    sentence_order_accuracy_low: low,
    sentence_order_accuracy_high: high,
    ...(prepared.data.entropy === undefined ? {} : { unigram_entropy: prepared.data.entropy.nats }),
  };
}

function sayData({ data, initialised, start }: PreparedPretraining, bar: TrainingProgressBar): void {
  const { report, entropy } = data;
  if (report !== undefined) {
    bar.activity(`${report.documents} documents, ${report.sentences} sentences, ${report.tokens} tokens`);
    const { invalidUtf8Lines, firstInvalidUtf8Line, cutLines, oneSentenceDocuments } = report;
    if (invalidUtf8Lines > 0) {
      bar.activity(
        `warning: ${invalidUtf8Lines} lines are not UTF-8, the first is ${firstInvalidUtf8Line}; wrong bytes became U+FFFD`,
      );
    }
    if (cutLines > 0) bar.activity(`warning: lines are too long for one piece and were cut ${cutLines} times`);
    if (oneSentenceDocuments > 0) {
      bar.activity(
        `warning: ${oneSentenceDocuments} documents hold a single sentence, of which no order can be asked (see --single-sentence)`,
      );
    }
  }
  if (entropy !== undefined) bar.activity(`unigram entropy of the held-out text: ${entropy.nats.toFixed(4)} nats`);
  if (!start.fromScratch && initialised.length > 0) bar.activity(`drawn at random: ${initialised.join(", ")}`);
}

function print(result: Record<string, unknown>, { json }: PretrainFlags): void {
  const lines = Object.entries(result).map(([name, value]) => `${name} = ${value}\n`);
  process.stdout.write(json ? `${JSON.stringify(result, null, 2)}\n` : lines.join(""));
}

function specOf(flags: PretrainFlags & Record<string, unknown>): PretrainSpec {
  if (flags.distributed && (flags.evalOnly || flags.resume)) {
    const description = "writes a run and stops: leave --eval-only and --resume out";
    throw invalidInput([{ field: "distributed", description }]);
  }
  if (flags.output === undefined && !flags.evalOnly) {
    throw invalidInput([{ field: "output", description: "name the model directory to make" }]);
  }
  const output = (flags.output ?? "albert-pretrain").replace(/[/\\]+$/, "");
  const work = flags.work ?? (flags.distributed ? output : `${output}.run`);
  const list = (files: readonly string[]) => files.flatMap((entry) => entry.split(",")).filter((file) => file !== "");
  return {
    start: startOf(flags),
    ...(flags.teacher === undefined ? {} : { teacher: flags.teacher }),
    files: list(flags.input),
    ...(flags.evalInput === undefined ? {} : { evalFiles: list(flags.evalInput) }),
    ...parsePretraining(givenHyperparameters(flags, PRETRAINING)),
    executor: executorOf(flags),
    work,
    cache: flags.cache ?? `${work}/text`,
  };
}

function startOf({ init, config, vocab, cased, student, teacher }: PretrainFlags): PretrainSpec["start"] {
  if (student !== undefined) {
    if (init !== undefined || config !== undefined || vocab !== undefined) {
      const description = "is made with the teacher's vocabulary: leave --init, --config and --vocab out";
      throw invalidInput([{ field: "student", description }]);
    }
    if (teacher === undefined) throw invalidInput([{ field: "student", description: "needs --teacher" }]);
    return { kind: "student", architecture: student };
  }
  const lowerCase = cased ? { lowerCase: false } : {};
  if (init !== undefined) {
    return {
      kind: "checkpoint",
      path: init,
      ...(config === undefined ? {} : { config }),
      ...(vocab === undefined ? {} : { vocabulary: vocab }),
      ...lowerCase,
    };
  }
  if (config === undefined || vocab === undefined) {
    throw invalidInput([{ field: "init", description: "give --init, or --config and --vocab for random weights" }]);
  }
  return { kind: "random", architecture: config, vocabulary: vocab, ...lowerCase };
}
