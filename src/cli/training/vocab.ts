import { type Command, Option } from "commander";
import { OFFICIAL_VOCABULARY_TRAINING, trainVocabulary } from "../../pretraining/vocabulary/train-vocabulary.ts";
import { numberFlag, wholeNumber } from "../number-flags.ts";
import { saidToWait } from "../work-progress.ts";

interface TrainFlags {
  readonly input: readonly string[];
  readonly vocabSize: number;
  readonly output: string;
  readonly cased?: true;
  readonly characterCoverage: number;
  readonly userSymbols: readonly string[];
  readonly inputSentenceSize: number;
  readonly spmTrain: string;
  readonly verbose?: true;
  readonly json?: true;
}

/** Adds `albert vocab train`: a SentencePiece vocabulary from text. */
export function registerVocab(program: Command): void {
  const official = OFFICIAL_VOCABULARY_TRAINING;
  program
    .command("vocab")
    .description("make vocabularies")
    .command("train")
    .description("train a SentencePiece vocabulary with the settings of the published English one")
    .requiredOption("--input <files...>", "text files, plain or gzipped, one sentence per line")
    .requiredOption("--output <prefix>", "PREFIX.model and PREFIX.vocab are written")
    .addOption(
      new Option("--vocab-size <n>", "pieces in all, special ones included")
        .default(30_000)
        .argParser(wholeNumber(14, 10_000_000)),
    )
    .option("--cased", "do not lower-case the text")
    .addOption(
      new Option("--character-coverage <share>", "share of all characters that pieces must be able to spell")
        .default(official.characterCoverage)
        .argParser(numberFlag({ kind: "number", above: 0, maximum: 1 })),
    )
    .addOption(
      new Option("--user-symbols <symbols...>", "symbols that are always pieces of their own").default([
        ...official.userSymbols,
      ]),
    )
    .addOption(
      new Option("--input-sentence-size <n>", "most lines to train on, drawn at random")
        .default(official.inputSentenceSize)
        .argParser(wholeNumber(1)),
    )
    .option("--spm-train <path>", "SentencePiece's trainer", official.spmTrain)
    .option("--verbose", "show the trainer's log")
    .option("--json", "print JSON")
    .action(train);
}

async function train(flags: TrainFlags): Promise<void> {
  const training = trainVocabulary({
    files: flags.input,
    vocabSize: flags.vocabSize,
    outputPrefix: flags.output,
    lowerCase: !flags.cased,
    characterCoverage: flags.characterCoverage,
    userSymbols: flags.userSymbols,
    inputSentenceSize: flags.inputSentenceSize,
    spmTrain: flags.spmTrain,
    ...(flags.verbose ? { onLog: (line: string) => process.stderr.write(`${line}\n`) } : {}),
  });
  // The trainer's own lines say what it does.
  const result = await (flags.verbose ? training : saidToWait("the vocabulary is trained", training));
  process.stdout.write(
    flags.json
      ? `${JSON.stringify(result, undefined, 2)}\n`
      : `${result.vocabSize} pieces from ${result.lines.toLocaleString("en-US")} lines: ${result.model}, ${result.vocab}\n`,
  );
}
