import type { NormalizerStep } from "./definition.ts";
import { fail, flag, list, type Node, object, text, unsupported } from "./json-node.ts";

const SUPPORTED =
  "Sequence, BertNormalizer, NFC, NFD, NFKC, NFKD, Lowercase, StripAccents, Strip, Nmt, Precompiled, Replace, Prepend";

/** Deepest nesting of sequences that is read. */
const DEEPEST = 16;

/** Reads a `normalizer`; null is none. */
export function readNormalizer(node: Node, depth = 0): NormalizerStep[] {
  if (node.value === null || node.value === undefined) return [];
  if (depth > DEEPEST) throw unsupported({ ...node, value: "..." }, `sequences nested at most ${DEEPEST} times`);
  const step = object(node);
  switch (step("type").value) {
    case "Sequence":
      return list(step("normalizers")).flatMap((inner) => readNormalizer(inner, depth + 1));
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
      return [{ type: "strip", left: flag(step("strip_left"), true), right: flag(step("strip_right"), true) }];
    case "Prepend":
      return [{ type: "prepend", content: text(step("prepend")) }];
    case "Replace":
      return [{ type: "replace", pattern: readPattern(step("pattern")), content: text(step("content")) }];
    case "Precompiled":
      return [{ type: "precompiled", charsmap: readCharsmap(step("precompiled_charsmap")) }];
    case "BertNormalizer": {
      const lowercase = flag(step("lowercase"), true);
      return [
        {
          type: "bert",
          cleanText: flag(step("clean_text"), true),
          handleChineseCharacters: flag(step("handle_chinese_chars"), true),
          stripAccents: flag(step("strip_accents"), lowercase),
          lowercase,
        },
      ];
    }
    default:
      throw unsupported(step("type"), SUPPORTED);
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
