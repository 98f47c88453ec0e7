import { lstat, realpath } from "node:fs/promises";
import { basename, dirname, join, relative, resolve, sep } from "node:path";
import { AlbertError, corrupt } from "../../errors.ts";

// Which files of a model directory are read: regular ones, and symbolic links whose target stays inside the mount. That
// is how Kubernetes mounts volumes (`file -> ..data/file`, `..data -> ..2026_01`) and how Hugging Face's download cache
// looks (`snapshots/<revision>/file -> ../../blobs/<digest>`).

/**
 * Follows the link of a directory's `file`, so that every further file is read from its target's directory: a volume that is
 * exchanged meanwhile then cannot mix two versions.
 *
 * @returns the directory to read; `directory` itself where `file` is no link into a directory of its own
 * @throws AlbertError as `requireRegularFile`
 */
export async function settledDirectory(directory: string, file: string): Promise<string> {
  if (!(await lstat(join(directory, file)).catch(() => undefined))?.isSymbolicLink()) return directory;
  await requireRegularFile(directory, file);
  const target = await realpath(join(directory, file));
  return basename(target) === file ? dirname(target) : directory;
}

/** @throws AlbertError corrupt when a file is absent or no file; forbidden when it is a link that leads outside */
export async function requireRegularFile(directory: string, file: string): Promise<void> {
  const path = join(directory, file);
  const info = await lstat(path).catch((cause: unknown) => {
    throw corrupt(`${file} is missing from the model directory; copy the directory whole`, {
      reason: "FILE_MISSING",
      cause,
    });
  });
  if (info.isFile()) return;
  if (!info.isSymbolicLink()) {
    throw corrupt(`${file} is not a regular file; copy the model directory again`, { reason: "FILE_NOT_REGULAR" });
  }
  const target = await realpath(path).catch((cause: unknown) => {
    throw corrupt(`${file} is a symbolic link to nothing; copy the file itself into the model directory`, {
      reason: "FILE_MISSING",
      cause,
    });
  });
  if (!isInside(await mountRoot(directory), target)) {
    throw new AlbertError(
      "forbidden",
      `${file} is a symbolic link that leads out of the model directory; links may only lead to files inside it ` +
        "(as Kubernetes mounts volumes) or into the blobs of the same Hugging Face cache; copy the file itself, or name the directory that holds it",
      { reason: "LINK_LEADS_OUTSIDE" },
    );
  }
  if (!(await lstat(target)).isFile()) {
    throw corrupt(`${file} is a symbolic link to something that is no file`, { reason: "FILE_NOT_REGULAR" });
  }
}

/** The directory that links may not leave. */
async function mountRoot(directory: string): Promise<string> {
  const real = await realpath(directory);
  const parent = dirname(real);
  if (basename(parent) === "snapshots" && basename(dirname(parent)).startsWith("models--")) return dirname(parent);
  // A volume's files may be read in the place that `..data` names; its links then lead no further than the volume.
  return basename(real).startsWith("..") ? parent : real;
}

function isInside(root: string, path: string): boolean {
  const way = relative(root, resolve(path));
  return way !== "" && way !== ".." && !way.startsWith(`..${sep}`);
}
