import type { PreTokenizerStep } from "./definition.ts";
import { fail, flag, list, type Node, object, text, unsupported } from "./json-node.ts";

const SUPPORTED = "Sequence, WhitespaceSplit, BertPreTokenizer, Metaspace";
const DEEPEST = 16;

/** Reads a `pre_tokenizer`; null is none. */
export function readPreTokenizer(node: Node, depth = 0): PreTokenizerStep[] {
  if (node.value === null || node.value === undefined) return [];
  if (depth > DEEPEST) throw unsupported({ ...node, value: "..." }, `sequences nested at most ${DEEPEST} times`);
  const step = object(node);
  switch (step("type").value) {
    case "Sequence":
      return list(step("pretokenizers")).flatMap((inner) => readPreTokenizer(inner, depth + 1));
    case "WhitespaceSplit":
      return [{ type: "whitespace-split" }];
    case "BertPreTokenizer":
      return [{ type: "bert" }];
    case "Metaspace": {
      const replacement = step("replacement").value === undefined ? "\u2581" : text(step("replacement"));
      if ([...replacement].length !== 1) throw fail(step("replacement"), "one character");
      return [{ type: "metaspace", replacement, prepend: readPrepend(step), split: flag(step("split"), true) }];
    }
    default:
      throw unsupported(step("type"), SUPPORTED);
  }
}

/** Old files say `add_prefix_space` instead of `prepend_scheme`. */
function readPrepend(step: (key: string) => Node): "always" | "first" | "never" {
  const { value: scheme } = step("prepend_scheme");
  if (scheme === undefined || scheme === null) return flag(step("add_prefix_space"), true) ? "always" : "never";
  if (scheme !== "always" && scheme !== "first" && scheme !== "never") {
    throw fail(step("prepend_scheme"), "always, first or never");
  }
  if (step("add_prefix_space").value === false && scheme !== "never") {
    throw fail(step("add_prefix_space"), `what agrees with the prepend_scheme ${scheme}`);
  }
  return scheme;
}
