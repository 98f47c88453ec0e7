import { describe, expect, it } from "vitest";
import { hasExactSignedProducts } from "../../src/platform/processor.ts";

describe("a processor's products of unsigned with signed 8-bit numbers", () => {
  it.each([
    ["x64", "flags : sse4_2 avx2 avx512f avx512_vnni", true],
    ["x64", "flags : avx2 avx_vnni", true],
    ["x64", "flags : sse4_2 avx2 avx512f avx512bw", false],
    ["x64", "", false],
    ["arm64", "", true],
  ])("on %s with %j are exact: %s", (architecture, cpuinfo, exact) => {
    expect(hasExactSignedProducts(architecture, cpuinfo)).toBe(exact);
  });
});
