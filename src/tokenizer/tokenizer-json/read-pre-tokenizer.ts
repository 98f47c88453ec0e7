import type { PreTokenizerRule } from "./definition.ts";
import { fail, flag, list, type Node, object, text, unsupported } from "./json-node.ts";

const SUPPORTED = "Sequence, WhitespaceSplit, BertPreTokenizer, Metaspace";
const DEEPEST = 16;

/** Reads a `pre_tokenizer`; null is none. */
export function readPreTokenizer(node: Node, depth = 0): PreTokenizerRule[] {
  if (node.value === null || node.value === undefined) return [];
  if (depth > DEEPEST) throw unsupported({ ...node, value: "..." }, `sequences nested at most ${DEEPEST} times`);
  const rule = object(node);
  switch (rule("type").value) {
    case "Sequence":
      return list(rule("pretokenizers")).flatMap((inner) => readPreTokenizer(inner, depth + 1));
    case "WhitespaceSplit":
      return [{ type: "whitespace-split" }];
    case "BertPreTokenizer":
      return [{ type: "bert" }];
    case "Metaspace": {
      const replacement = rule("replacement").value === undefined ? "\u2581" : text(rule("replacement"));
      if ([...replacement].length !== 1) throw fail(rule("replacement"), "one character");
      return [{ type: "metaspace", replacement, prepend: readPrepend(rule), split: flag(rule("split"), true) }];
    }
    default:
      throw unsupported(rule("type"), SUPPORTED);
  }
}

/** Old files say `add_prefix_space` instead of `prepend_scheme`. */
function readPrepend(rule: (key: string) => Node): "always" | "first" | "never" {
  const { value: scheme } = rule("prepend_scheme");
  if (scheme === undefined || scheme === null) return flag(rule("add_prefix_space"), true) ? "always" : "never";
  if (scheme !== "always" && scheme !== "first" && scheme !== "never") {
    throw fail(rule("prepend_scheme"), "always, first or never");
  }
  if (rule("add_prefix_space").value === false && scheme !== "never") {
    throw fail(rule("add_prefix_space"), `what agrees with the prepend_scheme ${scheme}`);
  }
  return scheme;
}
