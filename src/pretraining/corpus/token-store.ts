import { closeSync, fstatSync, openSync, readFileSync, readSync } from "node:fs";
import { join } from "node:path";
import { AlbertError, corrupt, invariant } from "../../errors.ts";
import { crc32c } from "../../model/formats/crc32c.ts";
import type { Tokenizer } from "../../tokenizer/tokenizer.ts";
import type { Documents } from "../instances/instance.ts";
import type { PackedTokens } from "./packed-token.ts";
import {
  DOCUMENT_WORDS,
  MANIFEST,
  parseManifest,
  type ShardFile,
  type ShardSizes,
  shardFileName,
  type TokenStoreManifest,
  WORD_BYTES,
} from "./token-store-files.ts";

/** Words that are read at once where a whole file is. */
const VERIFIED = 1 << 18;

/** Sentence ends that are read at once; planning an epoch walks through them in order. */
const BUFFERED = 1 << 10;

/**
 * Documents that `buildTokenStore` wrote. Tokens and sentence boundaries stay on disk and are read where they are needed;
 * memory holds eight bytes per document. Reads are synchronous: a few microseconds each from the page cache.
 */
export class TokenStore implements Documents {
  readonly manifest: TokenStoreManifest;
  readonly count: number;
  readonly #shards: readonly Shard[];
  /** First document of each shard, and the count at the end. */
  readonly #firstDocuments: readonly number[];

  /** @throws AlbertError not-found when there is no store; corrupt when a file has not the size its manifest says */
  constructor(directory: string) {
    let bytes: Uint8Array;
    try {
      bytes = readFileSync(join(directory, MANIFEST));
    } catch (cause) {
      throw new AlbertError("not-found", "no token store here: manifest.json cannot be read", {
        reason: "TOKEN_STORE_UNREADABLE",
        cause,
      });
    }
    this.manifest = parseManifest(bytes);
    this.#shards = this.manifest.shards.map((sizes, shard) => new Shard(directory, shard, sizes));
    const firstDocuments = [0];
    for (const { documents } of this.manifest.shards) firstDocuments.push(firstDocuments.at(-1)! + documents);
    this.#firstDocuments = firstDocuments;
    this.count = firstDocuments.at(-1)!;
  }

  /** Reads every file whole. @throws AlbertError corrupt when one is not what its checksum says */
  verify(): void {
    for (const shard of this.#shards) shard.verify();
  }

  /** @throws AlbertError precondition when the store was made with another vocabulary or other cleaning */
  requireTokenizer(tokenizer: Tokenizer): void {
    if (this.manifest.tokenizer.digest === tokenizer.digest) return;
    throw new AlbertError("precondition", "the token store was built with another vocabulary; build it anew", {
      reason: "TOKEN_STORE_VOCABULARY",
      metadata: { expected: tokenizer.digest, got: this.manifest.tokenizer.digest },
    });
  }

  sentenceCount(document: number): number {
    const { shard, local } = this.#locate(document);
    return shard.sentenceEnd(local) - shard.sentenceEnd(local - 1);
  }

  /** A number that depends on nothing but the document's tokens; uniform over 32 bits. */
  contentHash(document: number): number {
    const { shard, local } = this.#locate(document);
    return shard.hash(local);
  }

  lengths(document: number): Uint32Array {
    const { shard, local } = this.#locate(document);
    const first = shard.sentenceEnd(local - 1);
    const ends = shard.tokenEnds(first, shard.sentenceEnd(local));
    const lengths = new Uint32Array(ends.length - 1);
    for (let i = 0; i < lengths.length; i++) lengths[i] = ends[i + 1]! - ends[i]!;
    return lengths;
  }

  read(document: number, first: number, sentences: number): PackedTokens {
    const { shard, local } = this.#locate(document);
    const start = shard.sentenceEnd(local - 1) + first;
    invariant(start + sentences <= shard.sentenceEnd(local), "sentences lie in one document");
    const ends = shard.tokenEnds(start, start + sentences);
    return shard.tokens(ends[0]!, ends.at(-1)!);
  }

  readAtLeast(document: number, first: number, tokens: number): PackedTokens {
    const { shard, local } = this.#locate(document);
    const start = shard.sentenceEnd(local - 1) + first;
    const last = shard.sentenceEnd(local);
    // Every sentence has a token, so that many sentences are always enough.
    const ends = shard.tokenEnds(start, Math.min(last, start + Math.max(1, tokens)));
    let end = 1;
    while (end < ends.length - 1 && ends[end]! - ends[0]! < tokens) end++;
    return shard.tokens(ends[0]!, ends[end]!);
  }

  close(): void {
    for (const shard of this.#shards) shard.close();
  }

  #locate(document: number): { shard: Shard; local: number } {
    let shard = 0;
    while (document >= this.#firstDocuments[shard + 1]!) shard++;
    return { shard: this.#shards[shard]!, local: document - this.#firstDocuments[shard]! };
  }
}

/** Documents, sentences and tokens are numbered within the shard here. */
class Shard {
  readonly #tokens: number;
  readonly #sentences: number;
  readonly #documents: Uint32Array;
  #buffer: Uint32Array = new Uint32Array(0);
  #bufferStart = 0;
  readonly #sentenceCount: number;
  readonly #number: number;
  readonly #sizes: ShardSizes;

  constructor(directory: string, shard: number, sizes: ShardSizes) {
    this.#number = shard;
    this.#sizes = sizes;
    const open = (kind: ShardFile, words: number): number => openWords(directory, shardFileName(kind, shard), words);
    this.#tokens = open("tokens", sizes.tokens);
    this.#sentences = open("sentences", sizes.sentences);
    this.#sentenceCount = sizes.sentences;
    const documents = open("documents", sizes.documents * DOCUMENT_WORDS);
    this.#documents = readWords(documents, 0, sizes.documents * DOCUMENT_WORDS);
    closeSync(documents);
  }

  verify(): void {
    const { tokens, sentences, checksums } = this.#sizes;
    if (checksums === undefined) return;
    const documents = this.#documents;
    const found: Record<ShardFile, number> = {
      tokens: checksumOf(this.#tokens, tokens),
      sentences: checksumOf(this.#sentences, sentences),
      documents: crc32c(new Uint8Array(documents.buffer, documents.byteOffset, documents.byteLength)),
    };
    for (const kind of Object.keys(found) as ShardFile[]) {
      if (found[kind] === checksums[kind]) continue;
      throw corrupt(`token store: ${shardFileName(kind, this.#number)} is damaged: its checksum is not the manifest's`);
    }
  }

  /** Where a document ends among the sentences; 0 for the one "before the first". */
  sentenceEnd(document: number): number {
    return document < 0 ? 0 : this.#documents[DOCUMENT_WORDS * document]!;
  }

  hash(document: number): number {
    return this.#documents[DOCUMENT_WORDS * document + 1]!;
  }

  /** Where sentence `first` starts, then where each of the sentences `first..last` (half-open) ends, among the tokens. */
  tokenEnds(first: number, last: number): Uint32Array {
    const ends = new Uint32Array(last - first + 1);
    for (let at = first - 1; at < last; ) {
      if (at < 0) {
        at++;
        continue;
      }
      if (at < this.#bufferStart || at >= this.#bufferStart + this.#buffer.length) {
        this.#bufferStart = at;
        this.#buffer = readWords(this.#sentences, at, Math.min(BUFFERED, this.#sentenceCount - at));
      }
      const part = this.#buffer.subarray(at - this.#bufferStart, last - this.#bufferStart);
      ends.set(part, at - first + 1);
      at += part.length;
    }
    return ends;
  }

  tokens(start: number, end: number): PackedTokens {
    return readWords(this.#tokens, start, end - start);
  }

  close(): void {
    closeSync(this.#tokens);
    closeSync(this.#sentences);
  }
}

function openWords(directory: string, name: string, words: number): number {
  let file: number;
  try {
    file = openSync(join(directory, name), "r");
  } catch (cause) {
    throw corrupt(`token store: ${name} cannot be opened`, { cause });
  }
  const { size } = fstatSync(file);
  if (size === words * WORD_BYTES) return file;
  closeSync(file);
  throw corrupt(`token store: ${name} should have ${words * WORD_BYTES} bytes, got ${size}`);
}

function checksumOf(file: number, words: number): number {
  let checksum = 0;
  for (let at = 0; at < words; at += VERIFIED) {
    const part = readWords(file, at, Math.min(VERIFIED, words - at));
    checksum = crc32c(new Uint8Array(part.buffer), checksum);
  }
  return checksum;
}

function readWords(file: number, first: number, count: number): Uint32Array {
  const words = new Uint32Array(count);
  const bytes = new Uint8Array(words.buffer);
  for (let done = 0; done < bytes.length; ) {
    const got = readSync(file, bytes, done, bytes.length - done, first * WORD_BYTES + done);
    if (got === 0) throw corrupt(`token store: a file ends at byte ${first * WORD_BYTES + done}`);
    done += got;
  }
  return words;
}
