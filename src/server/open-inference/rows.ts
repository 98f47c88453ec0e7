import type { FieldViolation } from "../../errors.ts";
import type { InputSpec, Row } from "./task.ts";
import type { TextTensor } from "./tensor.ts";

// The input tensors of a request as rows, each of which is answered by itself.

/**
 * Cuts the inputs into rows: [n] or [n, 1] for inputs of one text a row, [n, k] for those of several. What is wrong is added
 * to `violations`; then there are no rows.
 */
export function readRows(
  specs: readonly InputSpec[],
  tensors: readonly TextTensor[],
  maxRows: number,
  violations: FieldViolation[],
): Row[] {
  const before = violations.length;
  const refuse = (name: string, description: string) => violations.push({ field: `inputs.${name}`, description });
  const byName = new Map<string, TextTensor>();
  for (const tensor of tensors) {
    const { name, shape, data } = tensor;
    const spec = specs.find((input) => input.name === name);
    if (spec === undefined) refuse(name, `is no input of this task; it takes ${specs.map((s) => s.name).join(", ")}`);
    else if (byName.has(name)) refuse(name, "is there twice");
    else if (!fitsShape(spec, shape)) refuse(name, `must have the shape ${shapeOf(spec)}, got [${shape.join(", ")}]`);
    else if (data !== undefined && shape.reduce((product, size) => product * size, 1) !== data.length) {
      refuse(name, `has the shape [${shape.join(", ")}] and ${data.length} elements`);
    }
    byName.set(name, tensor);
  }
  for (const { name, optional } of specs) {
    if (optional !== true && !byName.has(name)) refuse(name, "is missing");
  }
  if (violations.length > before) return [];
  const counts = [...new Set([...byName.values()].map(({ shape }) => shape[0]!))];
  const [count = 0] = counts;
  if (counts.length > 1) violations.push({ field: "inputs", description: "must all have the same number of rows" });
  else if (count < 1 || count > maxRows) {
    violations.push({ field: "inputs", description: `must have 1 to ${maxRows} rows, got ${count}` });
  } else return Array.from({ length: count }, (_, index) => rowAt(byName, count, index));
  return [];
}

function fitsShape({ several }: InputSpec, shape: readonly number[]): boolean {
  if (!shape.every((size) => Number.isSafeInteger(size) && size >= 0)) return false;
  if (several) return shape.length === 2;
  return shape.length === 1 || (shape.length === 2 && shape[1] === 1);
}

function shapeOf({ several }: InputSpec): string {
  return several ? "[rows, texts of a row]" : "[rows] or [rows, 1]";
}

function rowAt(tensors: ReadonlyMap<string, TextTensor>, rows: number, index: number): Row {
  const texts = (name: string): string[] => {
    const { data = [] } = tensors.get(name) ?? {};
    const width = data.length / rows;
    return data.slice(index * width, (index + 1) * width);
  };
  return {
    text: (name) => texts(name)[0] ?? "",
    optionalText: (name) => texts(name)[0],
    texts,
  };
}
