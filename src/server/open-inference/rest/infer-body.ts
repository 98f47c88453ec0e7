import { type FieldViolation, invalidInput } from "../../../errors.ts";
import type { ParameterValue } from "../parameters.ts";

// The JSON of a request of tensors: what it may hold, and every place where it holds something else.

/** Elements of a tensor, nested by its shape or flat. */
export type Nested = string | readonly Nested[];

type GivenParameters = Readonly<Record<string, ParameterValue>>;

export interface InferBody {
  readonly id: string;
  readonly parameters: GivenParameters;
  readonly inputs: readonly {
    readonly name: string;
    readonly datatype: string;
    readonly shape: readonly number[];
    readonly parameters: GivenParameters;
    readonly data: Nested;
  }[];
  readonly outputs: readonly { readonly name: string; readonly parameters: GivenParameters }[];
}

/** Far deeper than any input's shape. */
const DEEPEST = 4;

/** @throws AlbertError invalid-input with every wrong field, by its place */
export function parseInferBody(json: unknown): InferBody {
  const violations: FieldViolation[] = [];
  const refuse = (field: string, description: string) => violations.push({ field, description });
  const record = (value: unknown, field: string): Readonly<Record<string, unknown>> => {
    if (typeof value === "object" && value !== null && !Array.isArray(value)) return { ...value };
    refuse(field, "must be an object");
    return {};
  };
  const list = (value: unknown, field: string): readonly unknown[] => {
    if (Array.isArray(value)) return value;
    refuse(field, "must be a list");
    return [];
  };
  const text = (value: unknown, field: string): string => {
    if (typeof value === "string") return value;
    refuse(field, "must be a string");
    return "";
  };
  const parametersOf = (value: unknown, field: string): GivenParameters => {
    const entries = Object.entries(value === undefined ? {} : record(value, field));
    return Object.fromEntries(
      entries.filter((entry): entry is [string, ParameterValue] => {
        const fits = ["string", "number", "boolean"].includes(typeof entry[1]);
        if (!fits) refuse(`${field}.${entry[0]}`, "must be a string, a number, true or false");
        return fits;
      }),
    );
  };
  const shapeOf = (value: unknown, field: string): number[] =>
    list(value, field).map((size) => {
      if (typeof size === "number" && Number.isSafeInteger(size)) return size;
      refuse(field, "must hold integers");
      return 0;
    });
  const dataOf = (value: unknown, field: string, depth = 0): Nested => {
    if (!Array.isArray(value)) return text(value, field);
    if (depth < DEEPEST) return value.map((inner) => dataOf(inner, field, depth + 1));
    refuse(field, `must be nested at most ${DEEPEST} deep`);
    return [];
  };

  const body = record(json, "body");
  const inputs = list(body["inputs"], "inputs").map((value, index) => {
    const field = `inputs[${index}]`;
    const input = record(value, field);
    return {
      name: text(input["name"], `${field}.name`),
      datatype: text(input["datatype"], `${field}.datatype`),
      shape: shapeOf(input["shape"], `${field}.shape`),
      parameters: parametersOf(input["parameters"], `${field}.parameters`),
      data: dataOf(input["data"] ?? [], `${field}.data`),
    };
  });
  const outputs = list(body["outputs"] ?? [], "outputs").map((value, index) => {
    const field = `outputs[${index}]`;
    const output = record(value, field);
    const name = text(output["name"], `${field}.name`);
    return { name, parameters: parametersOf(output["parameters"], `${field}.parameters`) };
  });
  const id = text(body["id"] ?? "", "id");
  const parameters = parametersOf(body["parameters"], "parameters");
  if (violations.length > 0) throw invalidInput(violations);
  return { id, parameters, inputs, outputs };
}
