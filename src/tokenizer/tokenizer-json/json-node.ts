import { AlbertError, corrupt } from "../../errors.ts";

// Reads values of a `tokenizer.json` by type and refuses any other with its place in the file.

/** A value of a `tokenizer.json` that knows its place in the file, so that every refusal can name it. */
export interface Node {
  readonly value: unknown;
  /** Such as `normalizer.normalizers[2].pattern`. */
  readonly path: string;
}

export function rootNode(value: unknown): Node {
  return { value, path: "" };
}

/** An object's fields by name; an absent one is a node of `undefined`. */
export function object(node: Node): (key: string) => Node {
  const { value, path } = node;
  if (typeof value !== "object" || value === null || Array.isArray(value)) throw fail(node, "an object");
  return (key) => ({
    value: Object.hasOwn(value, key) ? (value as Record<string, unknown>)[key] : undefined,
    path: path === "" ? key : `${path}.${key}`,
  });
}

export function list(node: Node): Node[] {
  if (!Array.isArray(node.value)) throw fail(node, "a list");
  return (node.value as unknown[]).map((value, i) => ({ value, path: `${node.path}[${i}]` }));
}

export function text(node: Node): string {
  if (typeof node.value !== "string") throw fail(node, "a text");
  return node.value;
}

/** A truth value, or what holds where the file says nothing. */
export function flag(node: Node, absent: boolean): boolean {
  if (node.value === undefined || node.value === null) return absent;
  if (typeof node.value !== "boolean") throw fail(node, "true or false");
  return node.value;
}

/** Something that contradicts the format. */
export function fail({ value, path }: Node, expected: string): AlbertError {
  return corrupt(
    `tokenizer.json: expected ${expected} at ${path || "the top"}, got ${shown(value)}; save the tokenizer again`,
  );
}

/** Something that the format allows and this program does not do. */
export function unsupported({ value, path }: Node, supported: string): AlbertError {
  return new AlbertError(
    "unimplemented",
    `tokenizer.json: ${path} is ${shown(value)}, which cannot be represented here; supported: ${supported}; bring the model's spiece.model or vocab.txt instead`,
    { reason: "TOKENIZER_UNSUPPORTED" },
  );
}

function shown(value: unknown): string {
  return (JSON.stringify(value) ?? "nothing").slice(0, 80);
}
