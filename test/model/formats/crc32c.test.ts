import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { crc32c, maskedCrc32c } from "../../../src/model/formats/crc32c.ts";

/** One bit at a time, straight from the definition. */
function slowCrc32c(bytes: Uint8Array): number {
  let crc = 0xffffffff;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0x82f63b78 : crc >>> 1;
  }
  return ~crc >>> 0;
}

describe("CRC-32C", () => {
  it("has the published values of RFC 3720", () => {
    expect(crc32c(Buffer.from("123456789"))).toBe(0xe3069283);
    expect(crc32c(new Uint8Array(32))).toBe(0x8a9136aa);
    expect(crc32c(new Uint8Array(32).fill(0xff))).toBe(0x62a8ab43);
    expect(crc32c(Uint8Array.from({ length: 32 }, (_, i) => i))).toBe(0x46dd794e);
  });

  it("equals the bitwise definition for every length", () => {
    fc.assert(fc.property(fc.uint8Array({ maxLength: 70 }), (bytes) => crc32c(bytes) === slowCrc32c(bytes)));
  });

  it("goes on from the CRC of the bytes before", () => {
    fc.assert(
      fc.property(fc.uint8Array(), fc.uint8Array(), (a, b) => crc32c(b, crc32c(a)) === crc32c(Buffer.concat([a, b]))),
    );
  });

  it("masks as LevelDB does", () => {
    const crc = crc32c(Buffer.from("foo"));
    const rotated = ((crc >>> 15) | (crc << 17)) >>> 0;
    expect(maskedCrc32c(Buffer.from("foo"))).toBe((rotated + 0xa282ead8) % 2 ** 32);
    expect(maskedCrc32c(Buffer.from("foo"))).not.toBe(crc);
  });
});
