import { mkdirSync, mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { openModelDirectory } from "../../src/model/directory/open-model-directory.ts";
import { createEngine } from "../../src/runtime/packed-engine.ts";
import { modelEncoder, type TextEncoder } from "../../src/search/encoder.ts";
import { buildIndex } from "../../src/search/index/build-index.ts";
import { type IndexContents, PASSAGE_WIDTH } from "../../src/search/index/index-contents.ts";
import { writeIndexFile } from "../../src/search/index/index-file.ts";

/** Texts by path. */
export type Folder = Readonly<Record<string, string>>;

/** Makes an index of some texts. @returns its file */
export async function writeIndex(texts: Folder, encoder: TextEncoder, file = newIndexFile()): Promise<string> {
  const folder = join(mkdtempSync(join(tmpdir(), "albert-texts-")), "texts");
  for (const [path, text] of Object.entries(texts)) {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    writeFileSync(join(folder, path), text);
  }
  const { contents } = await buildIndex({ folder, encoder, rule: { version: 1, maxTokens: 16 } });
  await writeIndexFile(file, contents);
  return file;
}

/** Makes an index of some texts with the model of a directory as its encoder. @returns its file */
export async function writeIndexBy(directory: string, texts: Folder, file = newIndexFile()): Promise<string> {
  const model = await openModelDirectory(directory);
  const engine = await createEngine(model, { device: "cpu", threads: 1, calibrationMs: 0 });
  try {
    return await writeIndex(texts, modelEncoder(model, engine, "mean"), file);
  } finally {
    await engine.close();
  }
}

/** Makes an index of so many passages of 480 characters whose vectors mean nothing, as if by the model of a directory. @returns its file */
export async function writeLargeIndex(directory: string, passages: number): Promise<string> {
  const { digest, manifest, config } = await openModelDirectory(directory);
  const width = config.hiddenSize;
  const step = 24;
  const length = 480;
  const sentence = "The cat sat on the mat. ";
  const text = sentence.repeat(passages + length / step);
  const sha256 = "0".repeat(64);
  const rows = Int32Array.from({ length: passages * PASSAGE_WIDTH }, (_, i) => {
    const start = Math.floor(i / PASSAGE_WIDTH) * step;
    return [0, start, start + length, start, start, start + length][i % PASSAGE_WIDTH]!;
  });
  const contents: IndexContents = {
    encoder: { name: manifest.name, digest, pooling: "mean", width },
    rule: { version: 1, maxTokens: 128 },
    files: [
      {
        ...{ path: "cats.txt", kind: "text", bytes: text.length, sha256, passages },
        ...{ textBytes: text.length, sourceRuns: 0 },
      },
    ],
    vectors: {
      width,
      values: Int8Array.from({ length: passages * width }, (_, i) => ((i * 2654435761) >>> 7) & 127),
      scales: new Float32Array(passages).fill(1 / 2000),
    },
    passages: rows,
    texts: Buffer.from(text),
    sourceRuns: new Int32Array(0),
  };
  const file = newIndexFile();
  await writeIndexFile(file, contents);
  return file;
}

export function newIndexFile(): string {
  return join(mkdtempSync(join(tmpdir(), "albert-index-")), "texts.index");
}
