import { writeFile } from "node:fs/promises";
import {
  type ObjectBody,
  type ObjectInfo,
  type ObjectStore,
  type RegisterInfo,
  readBody,
  type VersionedRegister,
} from "../../src/store/objects/object-store.ts";
import type { World } from "./world.ts";

// S3 as a simulation sees it: what is there, how long a request takes, and how many of each kind there were.

/** Kinds of requests, as S3 charges them. */
export type RequestKind = "GET" | "PUT" | "LIST" | "HEAD" | "DELETE";

export type RequestCounts = Record<RequestKind, number>;

/**
 * Median milliseconds of a request and the spread of its logarithm: with 0.6 one in a hundred takes four times as long. Supposed: within what
 * Amazon calls usual for small objects (100 to 200 ms at most).
 */
const MEDIAN_MS: Readonly<Record<RequestKind, number>> = { GET: 40, HEAD: 40, PUT: 80, LIST: 80, DELETE: 60 };
const SIGMA = 0.6;
/** Keys in one answer to a listing. */
const PAGE = 1000;

/** What a simulated process sees of the world: whether it lives. What it waits for never comes once it is dead. */
export interface Life {
  alive: boolean;
}

/** Everything that is stored, for all processes, in folders so that a listing does not walk through all of it. */
export class ModelledS3 {
  readonly counts: RequestCounts = { GET: 0, PUT: 0, LIST: 0, HEAD: 0, DELETE: 0 };
  /** Hears of each object that is written, at that moment. */
  onWritten: (key: string, bytes: Uint8Array) => void = () => {};
  readonly #world: World;
  readonly #folders = new Map<string, Map<string, Uint8Array>>();
  readonly #cells = new Map<string, VersionedRegister>();
  #tags = 0;

  constructor(world: World) {
    this.#world = world;
  }

  /** The store as one process sees it. */
  seenBy(life: Life): ObjectStore {
    const ask = async <T>(kind: RequestKind, run: () => T): Promise<T> => {
      if (!life.alive) return new Promise(() => {});
      this.counts[kind]++;
      const tookMs = this.#world.logNormal(MEDIAN_MS[kind], SIGMA);
      await this.#world.wait(tookMs / 2); // what was sent before the death of its sender arrives
      const result = run();
      await this.#world.wait(tookMs / 2);
      return life.alive ? result : new Promise(() => {});
    };
    const list = <T>(run: () => T[]) => {
      const pages = async function* () {
        const all = await ask("LIST", run);
        for (let page = 1; page * PAGE < all.length; page++) await ask("LIST", () => {});
        yield* all;
      };
      return pages();
    };
    /** A write that is refused is looked at: an answer that was lost may have been its own. */
    const write = async (put: () => boolean) => {
      const written = await ask("PUT", put);
      if (!written) await ask("HEAD", () => {});
      return written;
    };
    return {
      get: (key) => ask("GET", () => this.#folder(key).get(key)),
      fetch: async (key, path) => {
        const bytes = await ask("GET", () => this.#folder(key).get(key));
        if (bytes !== undefined) await writeFile(path, bytes, { flag: "wx" });
        return bytes !== undefined;
      },
      head: (key) => ask("HEAD", () => infoOf(key, this.#folder(key).get(key))),
      putIfAbsent: async (key, body) => this.#put(write, key, body),
      delete: (key) => ask("DELETE", () => void this.#folder(key).delete(key)),
      list: (prefix) => list(() => this.#list(prefix)),
      readRegister: (key) => ask("GET", () => this.#cells.get(key)),
      writeRegister: (key, bytes, tag) =>
        write(() => {
          if (this.#cells.get(key)?.tag !== tag) return false;
          this.#cells.set(key, { bytes, tag: String(++this.#tags) });
          return true;
        }),
      listRegisters: (prefix) =>
        list(() =>
          [...this.#cells]
            .filter(([key]) => key.startsWith(prefix))
            .map(([key, { tag }]): RegisterInfo => ({ key, tag })),
        ),
      sweep: async () => {},
      close: async () => {},
    };
  }

  async #put(write: (put: () => boolean) => Promise<boolean>, key: string, body: ObjectBody): Promise<boolean> {
    const bytes = await readBody(body);
    return write(() => {
      const folder = this.#folder(key);
      if (folder.has(key)) return false;
      folder.set(key, bytes);
      this.onWritten(key, bytes);
      return true;
    });
  }

  #folder(key: string): Map<string, Uint8Array> {
    const name = key.slice(0, key.lastIndexOf("/") + 1);
    const folder = this.#folders.get(name) ?? new Map<string, Uint8Array>();
    this.#folders.set(name, folder);
    return folder;
  }

  #list(prefix: string): ObjectInfo[] {
    return [...this.#folders]
      .filter(([name]) => name.startsWith(prefix) || prefix.startsWith(name))
      .flatMap(([, folder]) => [...folder])
      .filter(([key]) => key.startsWith(prefix))
      .map(([key, bytes]) => ({ key, size: bytes.length }));
  }
}

function infoOf(key: string, bytes: Uint8Array | undefined): ObjectInfo | undefined {
  return bytes === undefined ? undefined : { key, size: bytes.length };
}
