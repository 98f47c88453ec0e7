import { describe, expect, it } from "vitest";
import { AlbertError } from "../../../src/errors.ts";
import { decodeRecord, encodeRecord } from "../../../src/model/formats/records.ts";

const record = { name: "a \u00e9", count: 12, scale: 1.5e-8, list: [true, null], inner: { 7: "x" } };

describe("a record", () => {
  it("comes back as it was written, and from earlier releases without a checksum", () => {
    expect(decodeRecord(encodeRecord(record), "it")).toEqual(record);
    expect(decodeRecord(Buffer.from(JSON.stringify(record)), "it")).toEqual(record);
  });

  it("is never believed with other contents, whichever bit of it has changed", () => {
    const sound = encodeRecord(record);
    let found = 0;
    for (let at = 0; at < sound.length; at++) {
      for (let bit = 0; bit < 8; bit++) {
        const damaged = Buffer.from(sound);
        damaged[at]! ^= 1 << bit;
        try {
          // The name of the checksum's own field may change: the contents have not.
          expect(decodeRecord(damaged, "it"), `bit ${bit} of byte ${at}`).toMatchObject(record);
        } catch (error) {
          if (!(error instanceof AlbertError)) throw error;
          expect(error).toMatchObject({ code: "corrupt", reason: "RECORD_CORRUPT" });
          found++;
        }
      }
    }
    expect(found).toBeGreaterThan(0.8 * 8 * sound.length);
  });

  it.each(["", "1", "null", "[]", '"x"'])("is an object, and not %s", (text) => {
    expect(() => decodeRecord(Buffer.from(text), "it")).toThrow(/^it is not/);
  });
});
