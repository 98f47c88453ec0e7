import { expect, it } from "vitest";
import { measuredObjectStore } from "../../../src/store/objects/measured-object-store.ts";
import { bytesBody } from "../../../src/store/objects/object-store.ts";
import { MemoryObjectStore } from "./memory-object-store.ts";

const bytes = (text: string): Uint8Array => Buffer.from(text);

it("tells each operation with how it ended: done, beaten by another writer, or failed", async () => {
  const told: string[] = [];
  const place = new MemoryObjectStore();
  const objects = measuredObjectStore(place, (operation, outcome, seconds) => {
    expect(seconds).toBeGreaterThanOrEqual(0);
    told.push(`${operation} ${outcome}`);
  });
  expect(await objects.putIfAbsent("a/b", bytesBody(bytes("one")))).toBe(true);
  expect(await objects.putIfAbsent("a/b", bytesBody(bytes("two")))).toBe(false);
  expect(await objects.get("a/b")).toEqual(bytes("one"));
  expect(await objects.writeRegister("register", bytes("1"), undefined)).toBe(true);
  expect(await objects.writeRegister("register", bytes("2"), undefined)).toBe(false);
  expect((await objects.readRegister("register"))?.bytes).toEqual(bytes("1"));
  const keys: string[] = [];
  for await (const { key } of objects.list("a/")) keys.push(key);
  expect(keys).toEqual(["a/b"]);
  for await (const { key } of objects.listRegisters("regis")) expect(key).toBe("register");
  place.get = () => Promise.reject(new Error("the disk is gone"));
  await expect(objects.get("a/b")).rejects.toThrow("the disk is gone");
  expect(told).toEqual([
    "put ok",
    "put conflict",
    "get ok",
    "write_register ok",
    "write_register conflict",
    "read_register ok",
    "list ok",
    "list_registers ok",
    "get error",
  ]);
});
