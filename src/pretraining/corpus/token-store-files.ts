import { corrupt } from "../../errors.ts";
import { decodeRecord } from "../../model/formats/records.ts";
import type { SpecialIds, VocabularyKind } from "../../tokenizer/tokenizer.ts";
import type { TextReport } from "./text-documents.ts";

// The layout of a token store on the disk. The store itself is written and read elsewhere.

/**
 * Layout of a token store directory. All numbers are unsigned 32-bit, little-endian. A document lies in one shard.
 *
 *     manifest.json
 *     tokens-00000.bin       packed tokens, all sentences end to end
 *     sentences-00000.bin    for each sentence, where it ends in the shard's tokens
 *     documents-00000.bin    for each document, where it ends in the shard's sentences, and its content hash
 */
export const MANIFEST = "manifest.json";
export const WORD_BYTES = 4;
export const DOCUMENT_WORDS = 2;

/** Tokens after which a shard is closed, at the next end of a document: half a gigabyte. */
export const SHARD_TOKENS = 1 << 27;

export type ShardFile = "tokens" | "sentences" | "documents";

export function shardFileName(kind: ShardFile, shard: number): string {
  return `${kind}-${String(shard).padStart(5, "0")}.bin`;
}

export interface ShardSizes {
  readonly tokens: number;
  readonly sentences: number;
  readonly documents: number;
  /** CRC-32C of each file; absent in stores of earlier versions. */
  readonly checksums?: Readonly<Record<ShardFile, number>>;
}

export interface TokenStoreManifest {
  readonly format: "albert-token-store";
  readonly formatVersion: 1;
  readonly tokenizer: {
    readonly digest: string;
    readonly kind: VocabularyKind;
    readonly vocabSize: number;
    readonly special: SpecialIds;
  };
  readonly officialQuirks: boolean;
  readonly report: TextReport;
  readonly shards: readonly ShardSizes[];
}

/** @throws AlbertError corrupt for anything that is not a manifest of this format, or a damaged one */
export function parseManifest(bytes: Uint8Array): TokenStoreManifest {
  const parsed = decodeRecord<Partial<TokenStoreManifest>>(bytes, "token store: manifest.json"); // the fields are checked below
  if (parsed.format !== "albert-token-store" || parsed.formatVersion !== 1 || !Array.isArray(parsed.shards)) {
    throw corrupt("token store: manifest.json is not that of a token store of version 1");
  }
  return parsed as TokenStoreManifest;
}
