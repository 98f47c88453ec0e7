import { fail, list, type Node, object, text, unsupported } from "./json-node.ts";

/** The only two arrangements that a request is ever given; anything else would be computed differently here. */
const SUPPORTED =
  "TemplateProcessing or BertProcessing that makes [CLS] A [SEP] and [CLS] A [SEP] B [SEP] with types 0 and 1";

interface SpecialPieces {
  readonly cls: string;
  readonly sep: string;
}

/**
 * Checks that a `post_processor` puts the special pieces where this program puts them.
 *
 * @param idOf  the id of a piece in the vocabulary
 * @returns the two pieces it puts there
 */
export function readSpecialPieces(node: Node, idOf: (piece: string) => number | undefined): SpecialPieces {
  if (node.value === null || node.value === undefined) throw unsupported(node, SUPPORTED);
  const processor = object(node);
  switch (processor("type").value) {
    case "TemplateProcessing":
      return readTemplate(processor, node, idOf);
    case "BertProcessing": {
      const [sep, cls] = ["sep", "cls"].map((key) => readPieceAndId(processor(key), idOf));
      return { cls: cls!, sep: sep! };
    }
    case "Sequence": {
      const inner = list(processor("processors"));
      if (inner.length === 1 && inner[0] !== undefined) return readSpecialPieces(inner[0], idOf);
      throw unsupported(processor("processors"), SUPPORTED);
    }
    default:
      throw unsupported(processor("type"), SUPPORTED);
  }
}

function readTemplate(
  processor: (key: string) => Node,
  node: Node,
  idOf: (piece: string) => number | undefined,
): SpecialPieces {
  const single = list(processor("single")).map(readPart);
  const pair = list(processor("pair")).map(readPart);
  const [cls, , sep] = single;
  const expected = (names: string[]) => names.map((name, i) => `${name}:${i < 3 ? 0 : 1}`).join(" ");
  const names = [cls?.special ?? "", "A", sep?.special ?? ""];
  const written = (parts: typeof single) =>
    parts.map(({ special, sequence, type }) => `${special ?? sequence}:${type}`).join(" ");
  const wanted = expected([...names, "B", names[2]!]);
  if (
    cls?.special === undefined ||
    sep?.special === undefined ||
    written(single) !== expected(names) ||
    written(pair) !== wanted
  ) {
    throw unsupported({ path: node.path, value: `${written(single)} | ${written(pair)}` }, SUPPORTED);
  }
  const special = object(processor("special_tokens"));
  for (const piece of [cls.special, sep.special]) {
    const { value: ids, path } = object(special(piece))("ids");
    if (!Array.isArray(ids) || ids.length !== 1 || ids[0] !== idOf(piece)) {
      throw fail({ value: ids, path }, `the one id ${idOf(piece)} of ${piece}`);
    }
  }
  return { cls: cls.special, sep: sep.special };
}

function readPart(node: Node): { special?: string; sequence?: string; type: unknown } {
  const part = object(node);
  for (const [key, name] of [
    ["SpecialToken", "special"],
    ["Sequence", "sequence"],
  ] as const) {
    if (part(key).value === undefined) continue;
    const inner = object(part(key));
    return { [name]: text(inner("id")), type: inner("type_id").value };
  }
  throw fail(node, "a SpecialToken or a Sequence");
}

function readPieceAndId(node: Node, idOf: (piece: string) => number | undefined): string {
  const [piece, id] = list(node);
  if (piece === undefined || id === undefined || id.value !== idOf(text(piece))) {
    throw fail(node, "a piece of the vocabulary and its id");
  }
  return text(piece);
}
