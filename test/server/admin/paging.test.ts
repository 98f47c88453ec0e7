import { describe, expect, it } from "vitest";
import { pageById, pageOfLog } from "../../../src/server/admin/paging.ts";

const idOf = (id: string) => id;

describe("pages of a list that changes between two calls", () => {
  it("show nothing twice and leave nothing out that stays", () => {
    const first = pageById(["5", "4", "3", "2", "1"], idOf, { pageSize: 2, pageToken: "" });
    expect(first).toEqual({ items: ["5", "4"], nextPageToken: "4" });
    const second = pageById(["7", "6", "5", "3", "2", "1"], idOf, { pageSize: 2, pageToken: first.nextPageToken });
    expect(second).toEqual({ items: ["3", "2"], nextPageToken: "2" });
    expect(pageById(["7", "1"], idOf, { pageSize: 2, pageToken: "2" })).toEqual({ items: ["1"], nextPageToken: "" });
    expect(pageById([], idOf, { pageSize: 0, pageToken: "" })).toEqual({ items: [], nextPageToken: "" });
  });

  it("of a log follow it as it grows", () => {
    expect(pageOfLog(5, { pageSize: 2, pageToken: "" })).toEqual({ first: 1, last: 2, nextPageToken: "after-2" });
    expect(pageOfLog(9, { pageSize: 8, pageToken: "after-2" })).toEqual({ first: 3, last: 9, nextPageToken: "" });
    expect(pageOfLog(0, { pageSize: 0, pageToken: "" })).toEqual({ first: 1, last: 0, nextPageToken: "" });
  });

  it("refuse a token that is none, and a page that is too large", () => {
    const wrong = { code: "invalid-input" };
    expect(() => pageById([], idOf, { pageSize: 1, pageToken: "../x" })).toThrow(expect.objectContaining(wrong));
    expect(() => pageOfLog(1, { pageSize: 1, pageToken: "2" })).toThrow(expect.objectContaining(wrong));
    expect(() => pageOfLog(1, { pageSize: 1001, pageToken: "" })).toThrow(expect.objectContaining(wrong));
  });
});
