import type { Command } from "commander";
import { registerAskIndex } from "./ask-index.ts";
import { registerFind } from "./find.ts";
import { registerIndex } from "./index-folder.ts";
import { registerInspectIndex } from "./inspect-index.ts";
import { registerListIndexes } from "./list-indexes.ts";

/** Adds `albert search` and its commands. */
export function registerSearch(program: Command): void {
  const search = program
    .command("search")
    .description("index a folder of texts, find passages in it and ask questions over it");
  registerIndex(search);
  registerAskIndex(search);
  registerFind(search);
  registerInspectIndex(search);
  registerListIndexes(search);
}
