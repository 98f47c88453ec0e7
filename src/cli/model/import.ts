import { basename, resolve } from "node:path";
import { type Command, Option } from "commander";
import { invalidInput } from "../../errors.ts";
import { createRandomModel, importCheckpoint } from "../../model/checkpoint/import-checkpoint.ts";
import { HEAD_CHOICES, type HeadChoice, type HeadHints } from "../../model/checkpoint/infer-heads.ts";
import type { Head } from "../../model/heads.ts";
import { PUBLISHED_CONFIG_NAMES } from "../../model/published-configs.ts";
import { sizeOf } from "../../model/tensor.ts";
import { LARGEST_SEED } from "../../training/settings/value-type.ts";
import { wholeNumber } from "../number-flags.ts";
import { saidToWait } from "../work-progress.ts";

interface ImportFlags {
  readonly output: string;
  readonly name?: string;
  readonly description?: string;
  readonly vocab?: string;
  readonly cased?: true;
  readonly config?: string;
  readonly head?: readonly (HeadChoice | "none")[];
  readonly labels?: readonly string[];
  readonly randomInit?: string;
  readonly seed: number;
  readonly json?: true;
}

/** Adds `albert import`: makes a model directory from a foreign checkpoint, or from random values. */
export function registerImport(program: Command): void {
  program
    .command("import")
    .description("make a model directory from a TensorFlow or Hugging Face checkpoint")
    .argument("[source]", "directory, .safetensors file, or TensorFlow checkpoint prefix")
    .requiredOption("--output <dir>", "directory to make; must not exist")
    .option("--name <name>", "name of the model (default: the output directory's)")
    .option("--description <text>", "what the model is for")
    .option(
      "--vocab <file>",
      "SentencePiece .model, WordPiece .txt or tokenizer.json, where it is not next to the weights",
    )
    .option("--cased", "do not lower-case text")
    .option("--config <file>", "albert_config.json or config.json, where it is not next to the weights")
    .addOption(new Option("--head <kinds...>", "heads to take").choices([...HEAD_CHOICES, "none"]))
    .addOption(
      new Option("--labels <names>", "label names of a classification in logit order, comma-separated").argParser(
        (text) => text.split(",").map((label) => label.trim()),
      ),
    )
    .addOption(
      new Option("--random-init <architecture>", "start from random values instead").choices(PUBLISHED_CONFIG_NAMES),
    )
    .addOption(
      new Option("--seed <n>", "seed of the random values").default(12345).argParser(wholeNumber(0, LARGEST_SEED)),
    )
    .option("--json", "print JSON")
    .action(async (source: string | undefined, flags: ImportFlags) => {
      await (flags.randomInit === undefined
        ? importSource(source, flags)
        : initialise(source, flags.randomInit, flags));
    });
}

async function importSource(source: string | undefined, flags: ImportFlags): Promise<void> {
  if (source === undefined) {
    throw invalidInput([{ field: "source", description: "name a checkpoint, or an architecture with --random-init" }]);
  }
  const imported = importCheckpoint(source, flags.output, identityOf(flags), {
    heads: hintsOf(flags),
    ...(flags.config === undefined ? {} : { config: flags.config }),
    ...(flags.vocab === undefined ? {} : { vocabulary: flags.vocab }),
    ...(flags.cased ? { lowerCase: false } : {}),
  });
  const { manifest, digest, checkpoint } = await saidToWait("the checkpoint is read and written", imported);
  const { loaded, zeroed, unused, warnings, parameters } = checkpoint;
  if (flags.json) {
    printJson({ name: manifest.name, digest, heads: manifest.heads, loaded, zeroed, unused, warnings });
    return;
  }
  const values = [...parameters.values()].reduce((sum, { shape }) => sum + sizeOf(shape), 0);
  for (const warning of warnings) process.stderr.write(`warning: ${warning}\n`);
  process.stdout.write(
    `${manifest.name}  ${digest}\n` +
      `heads    ${headList(manifest.heads)}\n` +
      `loaded   ${loaded.length} tensors, ${values.toLocaleString("en-US")} values\n` +
      `missing  ${zeroed.length === 0 ? "none" : zeroed.join(", ")}\n` +
      `unused   ${unused.length === 0 ? "none" : shortened(unused)}\n`,
  );
}

async function initialise(source: string | undefined, architecture: string, flags: ImportFlags): Promise<void> {
  const violations = [];
  if (source !== undefined) violations.push({ field: "source", description: "--random-init reads no checkpoint" });
  if (flags.config !== undefined) violations.push({ field: "config", description: "--random-init has its own" });
  if (flags.vocab === undefined) violations.push({ field: "vocab", description: "--random-init needs a vocabulary" });
  if (flags.vocab === undefined || violations.length > 0) throw invalidInput(violations);
  const created = createRandomModel(flags.output, identityOf(flags), {
    architecture,
    heads: freshHeads(flags),
    seed: flags.seed,
    vocabulary: flags.vocab,
    ...(flags.cased ? { lowerCase: false } : {}),
  });
  const { manifest, digest } = await saidToWait("the model is written", created);
  if (flags.json) printJson({ name: manifest.name, digest, heads: manifest.heads, seed: flags.seed });
  else {
    const line = `${manifest.name}  ${digest}\nheads    ${headList(manifest.heads)}\nrandom values of seed ${flags.seed}\n`;
    process.stdout.write(line);
  }
}

function identityOf({ output, name, description }: ImportFlags): { name: string; description?: string } {
  return { name: name ?? basename(resolve(output)), ...(description === undefined ? {} : { description }) };
}

function choicesOf({ head }: ImportFlags): HeadChoice[] | undefined {
  if (head === undefined) return undefined;
  if (head.includes("none") && head.length > 1) {
    throw invalidInput([{ field: "head", description: "none cannot be combined with a head" }]);
  }
  return head.filter((kind) => kind !== "none");
}

function hintsOf(flags: ImportFlags): HeadHints {
  const choices = choicesOf(flags);
  return {
    ...(choices === undefined ? {} : { choices }),
    ...(flags.labels === undefined ? {} : { labels: flags.labels }),
  };
}

/** Heads of a random model: those that were asked for, else the two of pretraining. */
function freshHeads(flags: ImportFlags): Head[] {
  return (choicesOf(flags) ?? ["masked-lm", "sentence-order"]).map((choice): Head => {
    switch (choice) {
      case "classification":
      case "multi-label":
      case "regression": {
        const problemType = choice === "classification" ? "single-label" : choice;
        const labels = flags.labels ?? (choice === "regression" ? ["score"] : ["LABEL_0", "LABEL_1"]);
        return { kind: "classification", name: "classification", problemType, labels };
      }
      default:
        return { kind: choice, name: choice };
    }
  });
}

function headList(heads: readonly Head[]): string {
  if (heads.length === 0) return "none";
  return heads
    .map((head) => (head.kind === "classification" ? `${head.name} (${head.labels.join(", ")})` : head.name))
    .join("; ");
}

function shortened(names: readonly string[]): string {
  return names.length <= 6 ? names.join(", ") : `${names.slice(0, 5).join(", ")} and ${names.length - 5} more`;
}

function printJson(value: unknown): void {
  process.stdout.write(`${JSON.stringify(value, null, 2)}\n`);
}
