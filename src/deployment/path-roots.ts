import { lstat, realpath } from "node:fs/promises";
import { join } from "node:path";
import { AlbertError, type ErrorCode, invalidInput } from "../errors.ts";

/**
 * Turns a path that a caller gave into an absolute one below a configured root; the first root that has it wins. Only plain
 * names count: nothing absolute, nothing that climbs, no backslash, and no link on the way.
 *
 * @param field  what the caller calls the path
 * @throws AlbertError invalid-input (field) for a path that could lead out; forbidden (PATH_IS_LINK); not-found
 *   (PATH_NOT_FOUND); precondition (NO_ROOT) when no root is configured
 */
export async function resolveBelow(roots: readonly string[], path: string, field: string): Promise<string> {
  const parts = path.split("/");
  const isPlain = parts.every((part) => part !== "" && part !== "." && part !== ".." && !/[\\\0]/.test(part));
  if (!isPlain) {
    const description = "expected a relative path of plain names below a configured root, such as sst-2/train.tsv";
    throw invalidInput([{ field, description }]);
  }
  if (roots.length === 0)
    throw refusal(
      "precondition",
      "NO_ROOT",
      "no directory is configured that paths may name: see training.dataset_roots and store.checkpoint_roots",
    );
  for (const root of roots) {
    const found = await below(await realpath(root).catch(() => undefined), parts);
    if (found !== undefined) return found;
  }
  throw refusal("not-found", "PATH_NOT_FOUND", `there is no ${path} below any configured root`);
}

/** The path below one root; undefined when there is nothing. */
async function below(root: string | undefined, parts: readonly string[]): Promise<string | undefined> {
  if (root === undefined) return undefined;
  let path = root;
  for (const part of parts) {
    path = join(path, part);
    const found = await lstat(path).catch(() => undefined);
    if (found === undefined) return undefined;
    if (found.isSymbolicLink()) {
      throw refusal("forbidden", "PATH_IS_LINK", `${part} is a symbolic link; name the file itself`);
    }
  }
  return path;
}

function refusal(code: ErrorCode, reason: string, message: string): AlbertError {
  return new AlbertError(code, message, { reason });
}
