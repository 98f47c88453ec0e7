import { createHash } from "node:crypto";
import { readdir, readFile } from "node:fs/promises";
import type { IncomingMessage, ServerResponse } from "node:http";
import { extname, join } from "node:path";

const TYPES: Readonly<Record<string, string>> = {
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".css": "text/css; charset=utf-8",
};

/** Nothing from elsewhere runs in the page, and no other page may frame it. */
const PAGE_HEADERS: Readonly<Record<string, string>> = {
  "content-security-policy":
    "default-src 'self'; img-src 'self' data:; style-src 'self' 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
  "x-content-type-options": "nosniff",
  "referrer-policy": "no-referrer",
};

interface StaticFile {
  readonly body: Buffer;
  readonly type: string;
  readonly etag: string;
}

/** The files of a built page, held in memory; there are few. Only these can be asked for, whatever a path says. */
export class StaticFiles {
  readonly #files: ReadonlyMap<string, StaticFile>;

  private constructor(files: ReadonlyMap<string, StaticFile>) {
    this.#files = files;
  }

  /** @returns undefined when there is no such directory */
  static async open(directory: string): Promise<StaticFiles | undefined> {
    const names = await readdir(directory, { recursive: true, withFileTypes: true }).catch(() => undefined);
    if (names === undefined) return undefined;
    const files = new Map<string, StaticFile>();
    for (const entry of names.filter((name) => name.isFile())) {
      const path = join(entry.parentPath, entry.name);
      const body = await readFile(path);
      const type = TYPES[extname(entry.name)] ?? "application/octet-stream";
      const etag = `"${createHash("sha256").update(body).digest("hex").slice(0, 24)}"`;
      files.set(path.slice(directory.length).replaceAll("\\", "/"), { body, type, etag });
    }
    return new StaticFiles(files);
  }

  /** Answers a request for one of the files. @returns false when there is none of that path */
  answer(request: IncomingMessage, response: ServerResponse): boolean {
    const path = request.url?.split(/[?#]/)[0] ?? "/";
    const file = this.#files.get(path === "/" ? "/index.html" : path);
    if (file === undefined) return false;
    if (request.headers["if-none-match"] === file.etag) {
      response.writeHead(304, { etag: file.etag }).end();
      return true;
    }
    response.writeHead(200, {
      ...PAGE_HEADERS,
      "content-type": file.type,
      "content-length": file.body.length,
      "cache-control": "no-cache",
      etag: file.etag,
    });
    response.end(request.method === "HEAD" ? undefined : file.body);
    return true;
  }
}
