import type { NormalizerRule } from "./definition.ts";
import { fail, flag, list, type Node, object, text, unsupported } from "./json-node.ts";

const SUPPORTED =
  "Sequence, BertNormalizer, NFC, NFD, NFKC, NFKD, Lowercase, StripAccents, Strip, Nmt, Precompiled, Replace, Prepend";

/** Deepest nesting of sequences that is read. */
const DEEPEST = 16;

/** Reads a `normalizer`; null is none. */
export function readNormalizer(node: Node, depth = 0): NormalizerRule[] {
  if (node.value === null || node.value === undefined) return [];
  if (depth > DEEPEST) throw unsupported({ ...node, value: "..." }, `sequences nested at most ${DEEPEST} times`);
  const rule = object(node);
  switch (rule("type").value) {
    case "Sequence":
      return list(rule("normalizers")).flatMap((inner) => readNormalizer(inner, depth + 1));
    case "NFC":
      return [{ type: "nfc" }];
    case "NFD":
      return [{ type: "nfd" }];
    case "NFKC":
      return [{ type: "nfkc" }];
    case "NFKD":
      return [{ type: "nfkd" }];
    case "Lowercase":
      return [{ type: "lowercase" }];
    case "StripAccents":
      return [{ type: "strip-accents" }];
    case "Nmt":
      return [{ type: "nmt" }];
    case "Strip":
      return [{ type: "strip", left: flag(rule("strip_left"), true), right: flag(rule("strip_right"), true) }];
    case "Prepend":
      return [{ type: "prepend", content: text(rule("prepend")) }];
    case "Replace":
      return [{ type: "replace", pattern: readPattern(rule("pattern")), content: text(rule("content")) }];
    case "Precompiled":
      return [{ type: "precompiled", charsmap: readCharsmap(rule("precompiled_charsmap")) }];
    case "BertNormalizer": {
      const lowercase = flag(rule("lowercase"), true);
      return [
        {
          type: "bert",
          cleanText: flag(rule("clean_text"), true),
          handleChineseCharacters: flag(rule("handle_chinese_chars"), true),
          stripAccents: flag(rule("strip_accents"), lowercase),
          lowercase,
        },
      ];
    }
    default:
      throw unsupported(rule("type"), SUPPORTED);
  }
}

/**
 * Regular expressions that mean the same everywhere and take linear time: characters that stand for themselves, or one
 * that is repeated.
 */
const PLAIN_REGEX =
  /^(?:(?:[^\\^$.|?*+()[\]{}]|\\[\\^$.|?*+()[\]{}])+|(?:[^\\^$.|?*+()[\]{}]|\\[\\^$.|?*+()[\]{}])(?:\{\d{1,4},?\}|\{\d{1,4},\d{1,4}\}|\+))$/u;

function readPattern(node: Node): RegExp {
  const pattern = object(node);
  const { value: literal } = pattern("String");
  if (typeof literal === "string") {
    if (literal === "") throw fail(pattern("String"), "a text that is not empty");
    return new RegExp(literal.replaceAll(/[\\^$.|?*+()[\]{}/]/g, "\\$&"), "gu");
  }
  const regex = text(pattern("Regex"));
  if (!PLAIN_REGEX.test(regex)) {
    throw unsupported(
      pattern("Regex"),
      "a text, or a regular expression of plain characters, or of one with {n,} or + behind it",
    );
  }
  try {
    return new RegExp(regex, "gu");
  } catch {
    throw fail(pattern("Regex"), "a regular expression");
  }
}

function readCharsmap(node: Node): Uint8Array {
  const encoded = text(node);
  if (!/^[A-Za-z0-9+/]*={0,2}$/.test(encoded)) throw fail({ ...node, value: "no base64" }, "base64");
  return Buffer.from(encoded, "base64");
}
