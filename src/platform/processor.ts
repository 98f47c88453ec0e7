import { readFileSync } from "node:fs";

// What kind of processor this is, where arithmetic depends on it.

/** Flags under which Linux lists instructions that add products of 8-bit numbers in 32 bits at once. */
const DOT_PRODUCT_FLAGS = /\b(avx512_vnni|avx_vnni|amx_int8)\b/;

/**
 * Whether products of unsigned with signed 8-bit numbers are exact. Processors of x86-64 without dot-product instructions
 * add pairs of them in 16 bits, where two large products saturate; products of unsigned with unsigned numbers are exact there.
 *
 * @param architecture  as `process.arch`
 * @param cpuinfo       Linux's list of processors; where there is none, an x86-64 counts as one without the instructions
 */
export function hasExactSignedProducts(architecture: string = process.arch, cpuinfo: string = readCpuinfo()): boolean {
  return architecture !== "x64" || DOT_PRODUCT_FLAGS.test(cpuinfo);
}

function readCpuinfo(): string {
  try {
    return readFileSync("/proc/cpuinfo", "utf8");
  } catch {
    return "";
  }
}
