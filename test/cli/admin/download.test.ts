import { createHash } from "node:crypto";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { create } from "@bufbuild/protobuf";
import { afterAll, expect, it } from "vitest";
import { downloaded } from "../../../src/cli/admin/download.ts";
import { DownloadVersionResponseSchema } from "../../../src/gen/albert/v1/models_pb.js";

const base = mkdtempSync(join(tmpdir(), "albert-download-"));
afterAll(() => rmSync(base, { recursive: true, force: true }));

const sha256 = (text: string) => createHash("sha256").update(text).digest("hex");
const piece = (file: string, text: string, whole: string) =>
  create(DownloadVersionResponseSchema, {
    ...{ version: 7, file, sha256: sha256(whole), bytes: BigInt(whole.length), data: Buffer.from(text) },
  });

/** A server that answers a request for files with these pieces, and with an error after them where one is given. */
function serverOf(pieces: readonly ReturnType<typeof piece>[], error?: Error) {
  const downloadVersion = async function* () {
    yield* pieces;
    if (error !== undefined) throw error;
  };
  return { models: { downloadVersion } } as unknown as Parameters<typeof downloaded>[0];
}

it("puts files together from their pieces, empty ones too", async () => {
  const output = join(base, "whole");
  const pieces = [piece("a.bin", "one ", "one two"), piece("a.bin", "two", "one two"), piece("empty", "", "")];
  expect(await downloaded(serverOf(pieces), "m/champion", output)).toEqual({
    model: "m",
    version: 7,
    files: 2,
    bytes: 7,
  });
  expect(readFileSync(join(output, "a.bin"), "utf8")).toBe("one two");
  expect(readFileSync(join(output, "empty"), "utf8")).toBe("");
});

it.each([
  ["a file that is not what the store has", [piece("a.bin", "one", "one two")], undefined, /a\.bin came with sha256/],
  ["a file that lacks its end because the server went away", [piece("a.bin", "one", "one")], new Error("gone"), /gone/],
  ["a file beside the directory", [piece("../a.bin", "one", "one")], undefined, /a file named "\.\.\/a\.bin"/],
])("leaves nothing of %s", async (_, pieces, error, message) => {
  const output = join(base, "broken");
  await expect(downloaded(serverOf(pieces, error), "m", output)).rejects.toThrow(message);
  expect(existsSync(output)).toBe(false);
});
