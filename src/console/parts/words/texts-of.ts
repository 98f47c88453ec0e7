import { linesOf } from "./lines-of.ts";

// Texts out of what a person pastes or drops: lines, JSON lines, or a table with a column of texts.

/** Names that the column of texts has, in this order of preference; without one of them it is the first column. */
const COLUMNS = ["text", "sentence", "message", "question", "body"];

/**
 * The texts of a file, or of a field.
 *
 * @param name  of the file, whose ending says what it is; anything else is a text a line
 */
export function textsOf(content: string, name = ""): string[] {
  const text = content.replace(/^\ufeff/, "");
  if (/\.jsonl?$/i.test(name)) {
    return linesOf(text).flatMap((line) => {
      const row: unknown = JSON.parse(line);
      const values = typeof row === "string" ? { text: row } : (row as Readonly<Record<string, unknown>>);
      const key = COLUMNS.find((column) => column in values) ?? Object.keys(values)[0] ?? "";
      return values[key] === undefined || values[key] === "" ? [] : [String(values[key])];
    });
  }
  if (!/\.[ct]sv$/i.test(name)) return linesOf(text);
  const [header = [], ...rows] = cellsOf(text, /\.tsv$/i.test(name) ? "\t" : commonest(text));
  const names = header.map((cell) => cell.trim().toLowerCase());
  const at = Math.max(0, COLUMNS.map((column) => names.indexOf(column)).find((index) => index >= 0) ?? 0);
  return rows.map((row) => (row[at] ?? "").trim()).filter((cell) => cell !== "");
}

/** Whichever of two separators the first line has more of. */
function commonest(text: string): string {
  const [line = ""] = text.split("\n", 1);
  return line.split(";").length > line.split(",").length ? ";" : ",";
}

/** Rows of cells, quoted as RFC 4180 has it. */
function cellsOf(text: string, separator: string): string[][] {
  const rows: string[][] = [[]];
  let cell = "";
  let quoted = false;
  for (let i = 0; i < text.length; i++) {
    const letter = text[i]!;
    if (quoted) {
      if (letter !== '"') cell += letter;
      else if (text[i + 1] === '"') cell += text[i++];
      else quoted = false;
    } else if (letter === '"' && cell === "" && separator !== "\t") quoted = true;
    else if (letter === separator || letter === "\n") {
      rows.at(-1)!.push(cell.replace(/\r$/, ""));
      cell = "";
      if (letter === "\n") rows.push([]);
    } else cell += letter;
  }
  rows.at(-1)!.push(cell);
  return rows.filter((row) => row.some((one) => one !== ""));
}

/** A table as CSV. */
export function csvOf(rows: readonly (readonly string[])[]): string {
  const quoted = (cell: string) => (/[",\r\n]/.test(cell) ? `"${cell.replaceAll('"', '""')}"` : cell);
  return rows.map((row) => `${row.map(quoted).join(",")}\n`).join("");
}
