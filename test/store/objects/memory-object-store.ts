import { writeFile } from "node:fs/promises";
import {
  type ObjectBody,
  type ObjectInfo,
  type ObjectStore,
  type RegisterInfo,
  readBody,
  type VersionedRegister,
} from "../../../src/store/objects/object-store.ts";

/** The contract in memory, for loops that would spend their time in the disk. */
export class MemoryObjectStore implements ObjectStore {
  readonly objects = new Map<string, Uint8Array>();
  readonly cells = new Map<string, VersionedRegister>();

  async get(key: string): Promise<Uint8Array | undefined> {
    return this.objects.get(key);
  }

  async fetch(key: string, path: string): Promise<boolean> {
    const bytes = this.objects.get(key);
    if (bytes !== undefined) await writeFile(path, bytes, { flag: "wx" });
    return bytes !== undefined;
  }

  async head(key: string): Promise<ObjectInfo | undefined> {
    const bytes = this.objects.get(key);
    return bytes === undefined ? undefined : { key, size: bytes.length };
  }

  async putIfAbsent(key: string, body: ObjectBody): Promise<boolean> {
    const bytes = await readBody(body);
    const there = this.objects.get(key);
    if (there === undefined) this.objects.set(key, bytes);
    return there === undefined || Buffer.from(there).equals(bytes);
  }

  async delete(key: string): Promise<void> {
    this.objects.delete(key);
  }

  async *list(prefix: string): AsyncIterable<ObjectInfo> {
    for (const [key, bytes] of [...this.objects]) if (key.startsWith(prefix)) yield { key, size: bytes.length };
  }

  async readRegister(key: string): Promise<VersionedRegister | undefined> {
    return this.cells.get(key);
  }

  async writeRegister(key: string, bytes: Uint8Array, tag: string | undefined): Promise<boolean> {
    const there = this.cells.get(key);
    if (there?.tag !== tag) return there !== undefined && Buffer.from(there.bytes).equals(bytes);
    this.cells.set(key, { bytes, tag: String(Number(tag ?? 0) + 1) });
    return true;
  }

  async *listRegisters(prefix: string): AsyncIterable<RegisterInfo> {
    for (const [key, { tag }] of [...this.cells]) if (key.startsWith(prefix)) yield { key, tag };
  }

  async sweep(): Promise<void> {}

  async close(): Promise<void> {}
}
