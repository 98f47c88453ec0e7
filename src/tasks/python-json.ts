// JSON and floats as Python writes them, for files that must equal those of the official scripts.

/** A value that the official scripts write as JSON. Every number in it is a Python float. */
export type FloatJson = string | number | boolean | null | readonly FloatJson[] | { readonly [key: string]: FloatJson };

/**
 * `json.dumps(value, indent=4) + "\n"`: four spaces, ASCII with \u escapes, floats as Python prints them. Takes a map where
 * the order of keys matters and keys may look like integers (which a JavaScript object would move to the front).
 */
export function pythonJson(value: FloatJson | ReadonlyMap<string, FloatJson>): string {
  return `${write(value, "")}\n`;
}

/** `repr(float)`: the shortest digits that read back, always with a point or an exponent. */
export function pythonFloat(value: number): string {
  if (Number.isNaN(value)) return "NaN";
  if (!Number.isFinite(value)) return value > 0 ? "Infinity" : "-Infinity";
  if (Object.is(value, -0)) return "-0.0";
  const magnitude = Math.abs(value);
  if (magnitude !== 0 && (magnitude >= 1e16 || magnitude < 1e-4)) {
    const [digits, exponent] = value.toExponential().split("e") as [string, string];
    const power = Number(exponent);
    return `${digits}e${power < 0 ? "-" : "+"}${String(Math.abs(power)).padStart(2, "0")}`;
  }
  return Number.isInteger(value) ? `${value}.0` : String(value);
}

function write(value: FloatJson | ReadonlyMap<string, FloatJson>, indent: string): string {
  if (typeof value === "number") return pythonFloat(value);
  if (typeof value === "string") return asciiString(value);
  if (typeof value !== "object" || value === null) return String(value);
  const inner = `${indent}    `;
  if (Array.isArray(value)) {
    const items = value.map((item: FloatJson) => inner + write(item, inner));
    return items.length === 0 ? "[]" : `[\n${items.join(",\n")}\n${indent}]`;
  }
  const entries = value instanceof Map ? [...value] : Object.entries(value as Record<string, FloatJson>);
  const fields = entries.map(([key, item]) => `${inner}${asciiString(key)}: ${write(item, inner)}`);
  return fields.length === 0 ? "{}" : `{\n${fields.join(",\n")}\n${indent}}`;
}

function asciiString(text: string): string {
  return JSON.stringify(text).replace(
    /[\u007f-\uffff]/g,
    (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}
