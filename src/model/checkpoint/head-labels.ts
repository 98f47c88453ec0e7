import { type FieldViolation, invalidInput } from "../../errors.ts";

// Label names of a classification head from a Hugging Face `config.json`, where three keys speak of them: `id2label`,
// `label2id` and `num_labels`. Names may be texts or numbers; ids may be numbers or their texts.

/**
 * Names in logit order: those of `id2label`, else of `label2id`, else `LABEL_0`, `LABEL_1`, ... as Hugging Face's library
 * names them.
 *
 * @param rows  how many logits the checkpoint's head has, where that is known
 * @throws AlbertError invalid-input naming all of `id2label`, `label2id`, `num_labels` and the head when they contradict
 *   each other
 */
export function labelsOfConfig(json: Readonly<Record<string, unknown>>, rows: number | undefined): string[] {
  const violations: FieldViolation[] = [];
  const byId = readNames(json["id2label"], violations);
  const byName = readIds(json["label2id"], violations);
  const count = readCount(json["num_labels"], violations);
  if (violations.length > 0) throw invalidInput(violations);
  const sizes = [byId?.length, byName?.length, count, rows].filter((size) => size !== undefined);
  const namesDiffer = byId !== undefined && byName !== undefined && byId.some((name, id) => byName[id] !== name);
  if (new Set(sizes).size > 1 || namesDiffer) {
    const description =
      `${namesText("id2label", byId)}, ${namesText("label2id", byName)}, num_labels ${count ?? "is not given"}, ` +
      `and the classifier has ${rows ?? "no"} rows: expected one name for each row, alike in all; ` +
      "correct config.json, or name the labels in the order of the rows with --labels";
    throw invalidInput([{ field: "id2label", description }]);
  }
  return byId ?? byName ?? Array.from({ length: rows ?? count ?? 2 }, (_, id) => `LABEL_${id}`);
}

/** `id2label`, an object from ids or a list. */
function readNames(value: unknown, violations: FieldViolation[]): string[] | undefined {
  if (value === undefined || value === null) return undefined;
  const wrong = (description: string) => void violations.push({ field: "id2label", description });
  if (typeof value !== "object") return wrong(`expected an object from ids to names, got ${JSON.stringify(value)}`);
  const names = new Map<number, string>();
  for (const [key, name] of Object.entries(value)) {
    const id = readId(key);
    const text = nameText(name);
    if (id === undefined) return wrong(`${JSON.stringify(key)} is no id; expected 0, 1, 2, ...`);
    if (text === undefined) return wrong(`the name of ${key} is ${JSON.stringify(name)}; expected a text or a number`);
    if (names.has(id)) return wrong(`id ${id} is given twice`);
    names.set(id, text);
  }
  return inOrder(names, wrong);
}

/** `label2id`, as the names in the order of their ids. */
function readIds(value: unknown, violations: FieldViolation[]): string[] | undefined {
  if (value === undefined || value === null) return undefined;
  const wrong = (description: string) => void violations.push({ field: "label2id", description });
  if (typeof value !== "object" || Array.isArray(value)) {
    return wrong(`expected an object from names to ids, got ${JSON.stringify(value)}`);
  }
  const names = new Map<number, string>();
  for (const [name, given] of Object.entries(value)) {
    const id = readId(given);
    if (id === undefined) return wrong(`the id of ${name} is ${JSON.stringify(given)}; expected 0, 1, 2, ...`);
    if (names.has(id)) return wrong(`${names.get(id)} and ${name} have the same id ${id}`);
    names.set(id, name);
  }
  return inOrder(names, wrong);
}

function readCount(value: unknown, violations: FieldViolation[]): number | undefined {
  if (value === undefined || value === null) return undefined;
  const count = readId(value);
  if (count !== undefined && count > 0) return count;
  violations.push({ field: "num_labels", description: `expected a positive integer, got ${JSON.stringify(value)}` });
  return undefined;
}

/** An id: a natural number, or its text. */
function readId(value: unknown): number | undefined {
  const id = typeof value === "string" && /^\d{1,9}$/.test(value) ? Number(value) : value;
  return typeof id === "number" && Number.isSafeInteger(id) && id >= 0 ? id : undefined;
}

function nameText(name: unknown): string | undefined {
  if (typeof name === "number" && Number.isFinite(name)) return String(name);
  return typeof name === "string" ? name : undefined;
}

function inOrder(names: ReadonlyMap<number, string>, wrong: (description: string) => void): string[] | undefined {
  const ordered: string[] = [];
  for (let id = 0; id < names.size; id++) {
    const name = names.get(id);
    if (name === undefined) {
      wrong(`it has ${names.size} ids but none is ${id}; expected each from 0 to ${names.size - 1}`);
      return undefined;
    }
    ordered.push(name);
  }
  return ordered;
}

function namesText(key: string, names: readonly string[] | undefined): string {
  if (names === undefined) return `${key} is not given`;
  const shown = names.slice(0, 5).map((name) => JSON.stringify(name.slice(0, 40)));
  return `${key} names ${names.length} (${shown.join(", ")}${names.length > 5 ? ", ..." : ""})`;
}
