import { type FileHandle, open } from "node:fs/promises";
import { join } from "node:path";
import { AlbertError } from "../../errors.ts";
import { crc32c } from "../../model/formats/crc32c.ts";
import { encodeRecord } from "../../model/formats/records.ts";
import { createDirectoryAtomically, writeNewFile } from "../../platform/atomic-files.ts";
import type { Tokenizer } from "../../tokenizer/tokenizer.ts";
import type { PackedTokens } from "./packed-token.ts";
import { type DocumentOptions, emptyTextReport, readDocuments, type TextReport } from "./text-documents.ts";
import {
  MANIFEST,
  SHARD_TOKENS,
  type ShardFile,
  type ShardSizes,
  shardFileName,
  type TokenStoreManifest,
} from "./token-store-files.ts";

// Writes a token store from text files, in memory that does not grow with the text.

export interface TokenStoreSource extends DocumentOptions {
  readonly files: readonly string[];
  readonly tokenizer: Tokenizer;
  /** Called after every 10,000 sentences and at the end. */
  readonly onProgress?: (report: Readonly<TextReport>) => void;
}

/**
 * Tokenises text files once into a directory that {@link TokenStore} reads. Memory does not grow with the text. The
 * directory appears at once when it is complete.
 *
 * @returns what was read
 * @throws AlbertError precondition when the files hold no sentence; already-exists when the directory is not empty; see
 *   also {@link readDocuments}
 */
export async function buildTokenStore(directory: string, source: TokenStoreSource): Promise<TextReport> {
  const { files, tokenizer, officialQuirks, onProgress } = source;
  const report = emptyTextReport();
  await createDirectoryAtomically(directory, async (temporary) => {
    const shards = new ShardWriter(temporary);
    try {
      for await (const part of readDocuments(files, tokenizer, { officialQuirks }, report)) {
        if (part.kind === "sentence") await shards.sentence(part.tokens);
        else await shards.endDocument();
        if (report.sentences % 10_000 === 0 && part.kind === "sentence") onProgress?.(report);
      }
    } finally {
      await shards.close();
    }
    if (report.documents === 0) {
      throw new AlbertError("precondition", "the input holds no sentence; expected text with one sentence per line", {
        reason: "TEXT_EMPTY",
      });
    }
    const manifest: TokenStoreManifest = {
      format: "albert-token-store",
      formatVersion: 1,
      tokenizer: {
        digest: tokenizer.digest,
        kind: tokenizer.kind,
        vocabSize: tokenizer.vocabSize,
        special: tokenizer.special,
      },
      officialQuirks,
      report,
      shards: shards.sizes,
    };
    await writeNewFile(join(temporary, MANIFEST), encodeRecord(manifest));
  });
  onProgress?.(report);
  return report;
}

/** Writes documents into shards, a new one when the last is full. */
class ShardWriter {
  readonly sizes: ShardSizes[] = [];
  readonly #directory: string;
  #open: { readonly [Kind in ShardFile]: WordWriter } | undefined;
  #hash = 0;

  constructor(directory: string) {
    this.#directory = directory;
  }

  async sentence(tokens: PackedTokens): Promise<void> {
    this.#open ??= await this.#openShard();
    this.#hash = crc32c(Buffer.from(tokens.buffer, tokens.byteOffset, tokens.byteLength), this.#hash);
    await this.#open.tokens.write(tokens);
    await this.#open.sentences.write(Uint32Array.of(this.#open.tokens.words));
  }

  async endDocument(): Promise<void> {
    if (this.#open === undefined) return;
    await this.#open.documents.write(Uint32Array.of(this.#open.sentences.words, this.#hash));
    this.#hash = 0;
    if (this.#open.tokens.words >= SHARD_TOKENS) await this.close();
  }

  async close(): Promise<void> {
    const shard = this.#open;
    if (shard === undefined) return;
    this.#open = undefined;
    for (const file of [shard.tokens, shard.sentences, shard.documents]) await file.close();
    this.sizes.push({
      tokens: shard.tokens.words,
      sentences: shard.sentences.words,
      documents: shard.documents.words / 2,
      checksums: {
        tokens: shard.tokens.checksum,
        sentences: shard.sentences.checksum,
        documents: shard.documents.checksum,
      },
    });
  }

  async #openShard() {
    const open = (kind: ShardFile) => WordWriter.open(join(this.#directory, shardFileName(kind, this.sizes.length)));
    return { tokens: await open("tokens"), sentences: await open("sentences"), documents: await open("documents") };
  }
}

/** Appends 32-bit words to a file through a buffer of fixed size. */
class WordWriter {
  words = 0;
  /** CRC-32C of what has been written. */
  checksum = 0;
  readonly #handle: FileHandle;
  readonly #buffer = new Uint32Array(1 << 14);
  #filled = 0;

  private constructor(handle: FileHandle) {
    this.#handle = handle;
  }

  static async open(path: string): Promise<WordWriter> {
    return new WordWriter(await open(path, "wx"));
  }

  async write(words: Uint32Array): Promise<void> {
    this.words += words.length;
    for (let at = 0; at < words.length; ) {
      const part = words.subarray(at, at + this.#buffer.length - this.#filled);
      this.#buffer.set(part, this.#filled);
      this.#filled += part.length;
      at += part.length;
      if (this.#filled === this.#buffer.length) await this.#flush();
    }
  }

  async close(): Promise<void> {
    await this.#flush();
    await this.#handle.sync();
    await this.#handle.close();
  }

  async #flush(): Promise<void> {
    const bytes = Buffer.from(this.#buffer.buffer, 0, this.#filled * 4);
    this.checksum = crc32c(bytes, this.checksum);
    await this.#handle.writeFile(bytes);
    this.#filled = 0;
  }
}
