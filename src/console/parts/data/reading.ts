import type { ListRowsResponse } from "../../../gen/albert/v1/training_pb.js";

// How a person says that data is to be read: its task, what divides its cells, and which column holds what.

export interface Reading {
  readonly task: string;
  /** Empty: as it is found out. */
  readonly separator: string;
  /** Columns by field, as in a recipe: `text=Message,label=Team`; fields that are found by their names are left out. */
  readonly columns: string;
}

/** Fields of each task of one's own data, those that are needed first. */
export const FIELDS: Readonly<Record<string, readonly string[]>> = {
  classification: ["text", "label", "text_pair"],
  qa: ["question", "context", "answer", "answer_start"],
  "multiple-choice": ["question", "choices", "answer", "context"],
};

/** What the address says of it. */
export function readingOf(parameters: URLSearchParams): Reading {
  return {
    task: parameters.get("task") || "classification",
    separator: parameters.get("separator") ?? "",
    columns: parameters.get("columns") ?? "",
  };
}

/** The same for an address, without what goes without saying. */
export function readingInAddress({ task, separator, columns }: Reading): Record<string, string> {
  return { task: task === "classification" ? "" : task, separator, columns };
}

/** The part of a recipe that says so. */
export function recipeOfReading({ separator, columns }: Reading): Record<string, string> {
  return { ...(separator === "" ? {} : { separator }), ...(columns === "" ? {} : { columns }) };
}

/** The columns that a person named, by field. */
export function namedColumns({ columns }: Reading): Readonly<Record<string, string>> {
  const pairs = columns.split(",").filter((pair) => pair.includes("="));
  return Object.fromEntries(pairs.map((pair) => [pair.slice(0, pair.indexOf("=")), pair.slice(pair.indexOf("=") + 1)]));
}

/** The same reading with another column for a field; an empty one leaves it to be found. */
export function withColumn(reading: Reading, field: string, column: string): Reading {
  const named = Object.entries({ ...namedColumns(reading), [field]: column }).filter(([, name]) => name !== "");
  return { ...reading, columns: named.map((pair) => pair.join("=")).join(",") };
}

/** The column that a field is read from; undefined where there is none. */
export function columnOf(
  { fields }: Pick<ListRowsResponse, "fields">,
  reading: Reading,
  field: string,
): string | undefined {
  return namedColumns(reading)[field] ?? fields[field];
}
