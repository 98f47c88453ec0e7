import { createHash } from "node:crypto";
import type { TaskKind } from "../../tasks/task-request.ts";
import type { AnswerRequest } from "../answer.ts";
import type { LoadedVersion } from "../models/loaded-version.ts";

/** Characters of a request's texts beyond which it is not looked for: to digest them would hold the main thread for too long. */
const MOST_CHARACTERS = 65_536;

/**
 * What makes two requests the same: sha256 of the version that answers, the task, and all that is asked of it with its bounds.
 *
 * @returns undefined for a request with too much text, and for one with a wrong field, whose error says more
 */
export function requestKey<K extends TaskKind>(
  { name, version, digest }: Pick<LoadedVersion, "name" | "version" | "digest">,
  { task, input, limits, violations = [] }: Pick<AnswerRequest<K>, "task" | "input" | "limits" | "violations">,
): string | undefined {
  if (violations.length > 0) return undefined;
  let characters = 0;
  for (const value of Object.values(input).flat()) if (typeof value === "string") characters += value.length;
  if (characters > MOST_CHARACTERS) return undefined;
  return createHash("sha256")
    .update(JSON.stringify([name, version, digest, task, input, limits]))
    .digest("base64");
}
