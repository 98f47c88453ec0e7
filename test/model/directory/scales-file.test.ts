import { describe, expect, it } from "vitest";
import { type ActivationScales, trunkProducts } from "../../../src/model/activation-scales.ts";
import { parseScales, serializeScales } from "../../../src/model/directory/scales-file.ts";
import { randomModel } from "../../support/models/random-model.ts";

const { config } = randomModel();
const products = trunkProducts(config);
const [projection, qkv, attended] = products.map(({ name }) => name) as [string, string, string];
const scales: ActivationScales = new Map(
  products.map(({ name, inputs, applications }, at) => [
    name,
    {
      ...(at === 1 ? { smoothing: Float32Array.from({ length: inputs }, (_, i) => 1 + i / 8) } : {}),
      applications: Array.from({ length: applications }, (_, i) => ({ scale: 0.5 + i, zeroPoint: 128 - i })),
    },
  ]),
);

type Products = Record<string, unknown>;

/** The file with something changed in it. */
function changed(change: (products: Products) => void): Uint8Array {
  const json = JSON.parse(Buffer.from(serializeScales(scales, config)).toString("utf8")) as { products: Products };
  change(json.products);
  return Buffer.from(JSON.stringify(json));
}

describe("the file of activation scales", () => {
  it("gives back what was written, and a product without scales as one that stays in float32", () => {
    expect(parseScales(serializeScales(scales, config), config)).toEqual(scales);
    const without = new Map([...scales].filter(([name]) => name !== qkv));
    const bytes = serializeScales(without, config);
    expect(Buffer.from(bytes).toString("utf8")).toContain(`${JSON.stringify(qkv)}: "float32"`);
    expect(parseScales(bytes, config)).toEqual(without);
  });

  it.each<[string, Uint8Array, RegExp]>([
    ["is not JSON", Buffer.from("{"), /it is not JSON/],
    ["is of a later program", Buffer.from('{"formatVersion": 2}'), /formatVersion is 2; this program reads 1/],
    ["has no products", Buffer.from('{"formatVersion": 1}'), /products is not an object/],
    ["lacks a product", changed((all) => delete all[attended]), /attention_1\/output\/dense\/kernel is missing/],
    ["has a product too many", changed((all) => (all["other"] = "float32")), /other is no product of this model/],
    ["has a product of another model", changed((all) => (all["__proto__x"] = {})), /__proto__x is no product/],
    ["says something else", changed((all) => (all[qkv] = "int4")), /neither scales nor "float32"/],
    [
      "has too few scales",
      changed((all) => (all[qkv] = { scales: [1], zeroPoints: [1, 2, 3] })),
      /scales should be 3 finite numbers above 0, found 1 values/,
    ],
    [
      "has a scale of 0",
      changed((all) => (all[projection] = { scales: [0], zeroPoints: [1] })),
      /scales should be 1 finite numbers above 0/,
    ],
    [
      "has a scale that no float32 holds",
      changed((all) => (all[projection] = { scales: [1e-60], zeroPoints: [1] })),
      /scales should be 1 finite numbers above 0/,
    ],
    [
      "has a step that no byte holds",
      changed((all) => (all[projection] = { scales: [1], zeroPoints: [256] })),
      /zeroPoints should be 1 integers from 0 to 255/,
    ],
    [
      "smooths other channels",
      changed((all) => (all[projection] = { scales: [1], zeroPoints: [0], smoothing: [1, 2] })),
      /smoothing should be 16 finite numbers above 0, found 2 values/,
    ],
  ])("that %s is refused, and says what to do", (_, bytes, problem) => {
    const read = () => parseScales(bytes, config);
    expect(read).toThrow(problem);
    expect(read).toThrow(/^activation-scales\.json: .*albert quantise/);
    expect(read).toThrow(expect.objectContaining({ code: "corrupt", reason: "SCALES_CORRUPT" }));
  });
});
