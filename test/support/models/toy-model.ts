import type { Head } from "../../../src/model/heads.ts";
import type { OutputTensors, SequenceInput, SequenceOutput } from "../../../src/runtime/engine.ts";
import type { TaskModel } from "../../../src/tasks/plan.ts";
import type { TokenizedText, Tokenizer } from "../../../src/tokenizer/tokenizer.ts";

/**
 * A tokenizer whose every word is a piece, so that tests can count pieces by eye. Ids grow as words appear; offsets are
 * exact. Pieces begin with the word-boundary mark, as SentencePiece's do.
 */
export function wordTokenizer(): Tokenizer {
  const pieces = ["<pad>", "<unk>", "[CLS]", "[SEP]", "[MASK]"];
  const idOf = (piece: string): number => {
    const known = pieces.indexOf(piece);
    return known >= 0 ? known : pieces.push(piece) - 1;
  };
  return {
    kind: "wordpiece",
    pieceStyle: "wordpiece",
    get vocabSize() {
      return pieces.length;
    },
    special: { pad: 0, unk: 1, cls: 2, sep: 3, mask: 4 },
    lowerCase: false,
    digest: "words",
    tokenize(text): TokenizedText {
      const words = [...text.matchAll(/\S+/g)];
      const found = words.map((word) => `\u2581${word[0]}`);
      return {
        pieces: found,
        ids: Int32Array.from(found, idOf),
        starts: Int32Array.from(words, (word) => word.index),
        ends: Int32Array.from(words, (word) => word.index + word[0].length),
      };
    },
    idOf,
    pieceOf: (id) => pieces[id] ?? "<unk>",
  };
}

/** A model of the given heads over the word tokenizer. */
export function toyModel(heads: readonly Head[], maxSequenceLength = 16): TaskModel {
  return { tokenizer: wordTokenizer(), heads, maxSequenceLength };
}

/** The pieces of a sequence, for reading in assertions. */
export function piecesOf(model: TaskModel, sequence: SequenceInput | undefined): string {
  return Array.from(sequence?.inputIds ?? [], (id) => model.tokenizer.pieceOf(id).replace("\u2581", "")).join(" ");
}

/** An engine's output with one head's tensors. */
export function output(head: string, tensors: OutputTensors): SequenceOutput {
  return new Map([[head, tensors]]);
}
