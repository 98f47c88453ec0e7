import { expect } from "vitest";
import { openModelDirectory } from "../../src/model/directory/open-model-directory.ts";
import type { Store } from "../../src/store/store.ts";

/** Every version of a model opens and has the digest it is stored under, and every alias points at one. */
export async function expectSound({ versions, aliases }: Store, model: string): Promise<void> {
  for (const version of await versions.list(model)) {
    const opened = await openModelDirectory(await versions.materialise(version));
    expect(opened.digest).toBe(version.digest);
  }
  for (const { version, digest } of Object.values((await aliases.list(model)).aliases)) {
    expect((await versions.get(model, version)).digest).toBe(digest);
  }
}
