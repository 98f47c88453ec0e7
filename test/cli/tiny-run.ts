import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { AlbertError } from "../../src/errors.ts";
import { parseAlbertConfig } from "../../src/model/config.ts";
import { type ModelContents, writeModelDirectory } from "../../src/model/directory/write-model-directory.ts";
import type { Head } from "../../src/model/heads.ts";
import { initialiseParameters } from "../../src/model/initialise.ts";
import { modelParameters } from "../../src/model/parameters.ts";
import { runAlbertInto } from "../support/command-line.ts";

const WORDS =
  "a fine lovely film dull bore again who sat ran the cat dog on mat yard . good bad small big bird walk run sleep and";

/** A folder with an architecture and a vocabulary that train in milliseconds. */
export interface TinyFolder {
  readonly path: string;
  /** Flags that start from random weights. */
  readonly start: readonly string[];
  write(name: string, content: string | Uint8Array): string;
  remove(): void;
}

export function tinyFolder(): TinyFolder {
  const path = mkdtempSync(join(tmpdir(), "albert-cli-"));
  const write = (name: string, content: string | Uint8Array) => {
    writeFileSync(join(path, name), content);
    return join(path, name);
  };
  const architecture = write(
    "tiny.json",
    JSON.stringify({
      vocab_size: 48,
      embedding_size: 4,
      hidden_size: 8,
      num_hidden_layers: 1,
      num_attention_heads: 2,
      intermediate_size: 8,
      max_position_embeddings: 32,
    }),
  );
  const pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", ...WORDS.split(" ")];
  const vocabulary = write("vocab.txt", pieces.join("\n"));
  return {
    path,
    start: ["--random-init", architecture, "--vocab", vocabulary],
    write,
    remove: () => rmSync(path, { recursive: true, force: true }),
  };
}

/** A small classifier of random weights, as a model directory, and rows for it. */
export interface TinyClassifier {
  readonly directory: string;
  /** A table of texts and labels. */
  readonly data: string;
}

/**
 * @param sizes  of its architecture, by the names of `config.json`
 * @param more   what else its manifest is made from
 */
export async function writeTinyClassifier(
  folder: TinyFolder,
  sizes: Readonly<Record<string, number>>,
  rows: number,
  more: Partial<ModelContents> = {},
): Promise<TinyClassifier> {
  const labels = ["down", "up"];
  const heads: readonly Head[] = [{ name: "mood", kind: "classification", problemType: "single-label", labels }];
  const bytes = readFileSync(join(folder.path, "vocab.txt"));
  const words = bytes.toString("utf8").split("\n").slice(5);
  const { config } = parseAlbertConfig({
    ...{ vocab_size: words.length + 5, num_hidden_layers: 2, num_attention_heads: 4 },
    ...{ max_position_embeddings: 32, initializer_range: 0.2, ...sizes },
  });
  const parameters = initialiseParameters(modelParameters(config, heads), 3);
  const vocabulary = { kind: "wordpiece", lowerCase: true, bytes } as const;
  const directory = join(folder.path, "source");
  const metrics = { eval_accuracy: 0.25 };
  await writeModelDirectory(directory, { name: "source", config, heads, parameters, vocabulary, metrics, ...more });
  const texts = Array.from(
    { length: rows },
    (_, i) => `${words[i % words.length]} ${words[(i * 7) % words.length]}\t${labels[i % 2]}`,
  );
  return { directory, data: folder.write("mood.tsv", `text\tlabel\n${texts.join("\n")}\n`) };
}

/** What a command wrote to stdout and stderr, and the error it ended with. */
export interface CommandResult {
  readonly printed: string;
  readonly said: string;
  /** The exit status that it asked for; absent with an error. */
  readonly status?: number;
  readonly error?: string;
}

/** Runs the command line in this process. */
export async function albert(...args: string[]): Promise<CommandResult> {
  const written = { out: "", err: "" };
  const result = () => ({ printed: written.out, said: written.err });
  try {
    const status = await runAlbertInto(written, args);
    return { ...result(), status };
  } catch (thrown) {
    if (!(thrown instanceof AlbertError)) throw thrown;
    return { ...result(), error: thrown.message };
  }
}
