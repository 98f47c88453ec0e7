import { corrupt } from "../../errors.ts";
import { type ActivationScales, type InputScales, type TrunkProduct, trunkProducts } from "../activation-scales.ts";
import type { AlbertConfig } from "../config.ts";

// Reads, checks and writes the scales of a version's static int8, a file of its directory beside the weights.

/** Where they lie; a version without the file has none. */
export const SCALES_FILE = "activation-scales.json";

/** Digits that are kept of each number: a hundredth of what one of 255 steps can tell. */
const DIGITS = 5;

/** The scales as the bytes of their file; the same scales give the same bytes. @param config  of the model that they are for */
export function serializeScales(scales: ActivationScales, config: AlbertConfig): Uint8Array {
  const products = trunkProducts(config).map(({ name }) => {
    const own = scales.get(name);
    if (own === undefined) return [name, "float32"] as const;
    const { smoothing, applications } = own;
    return [
      name,
      {
        scales: applications.map(({ scale }) => scale),
        zeroPoints: applications.map(({ zeroPoint }) => zeroPoint),
        ...(smoothing === undefined ? {} : { smoothing: Array.from(smoothing, storedNumber) }),
      },
    ] as const;
  });
  const lines = products.map(([name, value]) => `    ${JSON.stringify(name)}: ${JSON.stringify(value)}`);
  return Buffer.from(`{\n  "formatVersion": 1,\n  "products": {\n${lines.join(",\n")}\n  }\n}\n`, "utf8");
}

/** A number as it is read from the file again. */
export function storedNumber(value: number): number {
  return Number(value.toPrecision(DIGITS));
}

/**
 * Reads the file.
 *
 * @param config  of the model that it lies beside: each of its products must have scales of its sizes, or be said to stay in float32
 * @throws AlbertError corrupt (SCALES_CORRUPT) with everything that is wrong
 */
export function parseScales(bytes: Uint8Array, config: AlbertConfig): ActivationScales {
  let json: unknown;
  try {
    json = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch (cause) {
    throw wrong(["it is not JSON"], cause);
  }
  if (!isObject(json)) throw wrong(["it is not a JSON object"]);
  const { formatVersion, products } = json;
  if (formatVersion !== 1) {
    throw wrong([`formatVersion is ${JSON.stringify(formatVersion)}; this program reads 1`]);
  }
  if (!isObject(products)) throw wrong(["products is not an object"]);
  const scales = new Map<string, InputScales>();
  const problems: string[] = [];
  const expected = trunkProducts(config);
  for (const product of expected) {
    const { name } = product;
    const value = Object.hasOwn(products, name) ? products[name] : undefined;
    if (value === "float32") continue;
    const found = isObject(value) ? problemsOf(value, product) : ['neither scales nor "float32"'];
    if (value === undefined) problems.push(`${name} is missing`);
    else if (found.length > 0) problems.push(`${name}: ${found.join(", ")}`);
    else scales.set(name, inputScales(value as unknown as StoredScales)); // as was just checked
  }
  const known = new Set(expected.map(({ name }) => name));
  const extra = Object.keys(products).filter((name) => !known.has(name));
  problems.push(...extra.map((name) => `${name} is no product of this model`));
  if (problems.length > 0) throw wrong(problems);
  return scales;
}

/** One product in the file. */
interface StoredScales {
  readonly scales: readonly number[];
  readonly zeroPoints: readonly number[];
  readonly smoothing?: readonly number[];
}

function problemsOf(
  { scales, zeroPoints, smoothing }: Record<string, unknown>,
  { applications, inputs }: TrunkProduct,
): string[] {
  const problems: string[] = [];
  const check = (name: string, value: unknown, length: number, isFine: (each: number) => boolean, expected: string) => {
    if (Array.isArray(value) && value.length === length && value.every((each) => Number.isFinite(each) && isFine(each)))
      return;
    const found = Array.isArray(value) ? `${value.length} values` : JSON.stringify(value);
    problems.push(`${name} should be ${length} ${expected}, found ${found}`);
  };
  const isStep = (value: number) => Number.isInteger(value) && value >= 0 && value <= 255;
  check("scales", scales, applications, isPositive, "finite numbers above 0");
  check("zeroPoints", zeroPoints, applications, isStep, "integers from 0 to 255");
  if (smoothing !== undefined) check("smoothing", smoothing, inputs, isPositive, "finite numbers above 0");
  return problems;
}

/** Neither 0 nor infinite as a float32 either. */
function isPositive(value: number): boolean {
  const held = Math.fround(value);
  return held > 0 && Number.isFinite(held) && Number.isFinite(Math.fround(1 / held));
}

function inputScales({ scales, zeroPoints, smoothing }: StoredScales): InputScales {
  return {
    ...(smoothing === undefined ? {} : { smoothing: Float32Array.from(smoothing) }),
    applications: scales.map((scale, i) => ({ scale, zeroPoint: zeroPoints[i]! })),
  };
}

function wrong(problems: readonly string[], cause?: unknown) {
  const [first = ""] = problems;
  const rest = problems.length > 3 ? `; and ${problems.length - 3} more` : "";
  const list = problems.length === 1 ? first : `${problems.slice(0, 3).join("; ")}${rest}`;
  return corrupt(`${SCALES_FILE}: ${list}; copy the directory again, or make the version anew with albert quantise`, {
    reason: "SCALES_CORRUPT",
    cause,
  });
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
