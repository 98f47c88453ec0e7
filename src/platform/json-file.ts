import { readFile } from "node:fs/promises";
import { basename } from "node:path";
import { AlbertError } from "../errors.ts";

/**
 * Reads a JSON file that holds one object.
 *
 * @throws AlbertError not-found when it cannot be read; invalid-input when it is not one JSON object
 */
export async function readJsonObject(path: string): Promise<Readonly<Record<string, unknown>>> {
  const name = basename(path);
  const text = await readFile(path, "utf8").catch((cause: unknown) => {
    throw new AlbertError("not-found", `${name} cannot be read`, { reason: "FILE_NOT_READABLE", cause });
  });
  try {
    const json: unknown = JSON.parse(text);
    if (typeof json === "object" && json !== null && !Array.isArray(json)) return json as Record<string, unknown>;
  } catch (cause) {
    throw new AlbertError("invalid-input", `${name} is not JSON`, { reason: "JSON_INVALID", cause });
  }
  throw new AlbertError("invalid-input", `${name} is not a JSON object`, { reason: "JSON_INVALID" });
}
