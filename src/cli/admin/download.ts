import { createHash, type Hash } from "node:crypto";
import { type FileHandle, open } from "node:fs/promises";
import { basename, join } from "node:path";
import type { Command } from "commander";
import type { AdminClient } from "../../client/admin-client.ts";
import { corrupt } from "../../errors.ts";
import type { DownloadVersionResponse } from "../../gen/albert/v1/models_pb.js";
import { createDirectoryAtomically } from "../../platform/atomic-files.ts";
import { refuseExisting } from "../new-output.ts";
import { type AdminFlags, addAdminOptions, withAdmin } from "./admin-call.ts";

// `albert models download`: a version of a running server's store as a model directory of this machine.

/** Adds `download` to `albert models`. */
export function registerDownload(models: Command): void {
  addAdminOptions(
    models.command("download").argument("<version>", "as name@7 or name/champion; a name alone: champion"),
  )
    .description("bring a version's files here, as a model directory")
    .requiredOption("--output <directory>", "directory to make; must not exist")
    .action((reference: string, { output, ...flags }: AdminFlags & { readonly output: string }) =>
      withAdmin(flags, async (client) => {
        await refuseExisting(output);
        const got = await downloaded(client, reference, output);
        const name = `${got.model}@${got.version}`;
        process.stdout.write(
          flags.json
            ? `${JSON.stringify({ ...got, output }, null, 2)}\n`
            : `${name}: ${got.files} files, ${(got.bytes / 1e6).toFixed(1)} MB in ${output}\n`,
        );
      }),
    );
}

/** What was brought. */
interface Downloaded {
  readonly model: string;
  readonly version: number;
  readonly files: number;
  readonly bytes: number;
}

/**
 * Brings a version into a new directory, which appears when all of it is there.
 *
 * @throws AlbertError corrupt (DIGEST_MISMATCH) where a file is not what the store has; already-exists; CallError
 */
export async function downloaded(
  { models }: Pick<AdminClient, "models">,
  reference: string,
  output: string,
): Promise<Downloaded> {
  const [model = "", wanted = ""] = reference.split(/[@/]/);
  let version = 0;
  let files = 0;
  let bytes = 0;
  await createDirectoryAtomically(output, async (directory) => {
    let file: WrittenFile | undefined;
    try {
      for await (const piece of models.downloadVersion({ model, version: wanted })) {
        if (file === undefined || file.about.file !== piece.file) {
          await file?.finish();
          file = await WrittenFile.begin(directory, piece);
          files++;
        }
        await file.add(piece.data);
        version = piece.version;
        bytes += piece.data.length;
      }
      await file?.finish();
    } finally {
      await file?.close();
    }
  });
  return { model, version, files, bytes };
}

/** A file that comes in pieces. */
class WrittenFile {
  readonly about: DownloadVersionResponse;
  readonly #handle: FileHandle;
  readonly #hash: Hash = createHash("sha256");

  private constructor(about: DownloadVersionResponse, handle: FileHandle) {
    this.about = about;
    this.#handle = handle;
  }

  static async begin(directory: string, about: DownloadVersionResponse): Promise<WrittenFile> {
    const { file } = about;
    if (file !== basename(file) || file === "..") throw corrupt(`the server sent a file named ${JSON.stringify(file)}`);
    return new WrittenFile(about, await open(join(directory, file), "wx"));
  }

  async add(data: Uint8Array): Promise<void> {
    this.#hash.update(data);
    await this.#handle.writeFile(data);
  }

  close(): Promise<void> {
    return this.#handle.close();
  }

  async finish(): Promise<void> {
    await this.close();
    const { file, sha256 } = this.about;
    const got = this.#hash.digest("hex");
    if (got !== sha256)
      throw corrupt(`${file} came with sha256 ${got}, expected ${sha256}: call again`, { reason: "DIGEST_MISMATCH" });
  }
}
