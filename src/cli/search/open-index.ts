import { invariant } from "../../errors.ts";
import { readIndexFile } from "../../search/index/index-file.ts";
import { type FoundPassage, SearchIndex } from "../../search/index/search-index.ts";
import { openIndexEncoder, type RunFlags } from "./search-models.ts";

// An index with its encoder, for the commands that ask one in this process.

/** An index opened in this process, with the encoder of its questions. */
export interface OpenIndex {
  /** The passages nearest to a question, nearest first. @throws AlbertError invalid-input for a question without a word */
  find(question: string, count: number): Promise<FoundPassage[]>;
  close(): Promise<void>;
}

/** Opens an index. @throws AlbertError as `readIndexFile` and `openIndexEncoder` */
export async function openIndex(path: string, model: string | undefined, flags: RunFlags): Promise<OpenIndex> {
  const stored = await readIndexFile(path);
  const encoder = await openIndexEncoder({ path, encoder: stored.encoder }, model, flags);
  const index = new SearchIndex(stored);
  return {
    find: async (question, count) => {
      const { value: vector } = await encoder.encode([question]).next();
      invariant(vector instanceof Float32Array, "a text has a vector");
      return index.find(vector, count);
    },
    close: () => encoder.close(),
  };
}
