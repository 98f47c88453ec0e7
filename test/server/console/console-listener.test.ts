import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { request } from "node:http";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { ByteBudget } from "../../../src/server/call/byte-budget.ts";
import { ConsoleListener } from "../../../src/server/console/console-listener.ts";
import { SCRATCH } from "../../support/scratch.ts";

describe("the files of the console's page", () => {
  let listener: ConsoleListener;
  let parent: string;
  let directory: string;

  beforeAll(async () => {
    parent = await mkdtemp(join(SCRATCH, "albert-console-"));
    directory = join(parent, "console");
    await mkdir(join(directory, "assets"), { recursive: true });
    await writeFile(join(directory, "index.html"), "<!doctype html>");
    await writeFile(join(directory, "assets", "page.js"), "let a = 1;");
    await writeFile(join(directory, ".hidden"), "secret");
    await writeFile(join(parent, "secret"), "secret");
    listener = await ConsoleListener.open({
      address: "127.0.0.1:0",
      directory,
      maxMessageBytes: 1024,
      maxValues: 1024,
      budget: new ByteBudget(1024),
      routes: () => {},
      metricsPage: async () => ({ contentType: "text/plain", body: Buffer.from("metrics") }),
    });
  });
  afterAll(async () => {
    await listener.close();
    await rm(parent, { recursive: true });
  });

  const get = (path: string, headers: Record<string, string> = {}, method = "GET") => {
    const [host, port] = listener.address.split(":");
    return new Promise<{ status: number | undefined; headers: Record<string, unknown>; body: string }>(
      (resolve, reject) => {
        request({ host, port, path, method, headers }, (response) => {
          let body = "";
          response.setEncoding("utf8").on("data", (part: string) => {
            body += part;
          });
          response.on("end", () => resolve({ status: response.statusCode, headers: response.headers, body }));
        })
          .on("error", reject)
          .end();
      },
    );
  };

  it("run nothing from elsewhere and are framed by nobody", async () => {
    const { status, headers, body } = await get("/");
    expect([status, body]).toEqual([200, "<!doctype html>"]);
    expect(headers["content-security-policy"]).toContain("default-src 'self'");
    expect(headers["content-security-policy"]).toContain("frame-ancestors 'none'");
    expect(headers["x-content-type-options"]).toBe("nosniff");
    expect(headers["referrer-policy"]).toBe("no-referrer");
    expect(headers["content-type"]).toBe("text/html; charset=utf-8");
  });

  it("are asked for again each time, and sent again only when they changed", async () => {
    const first = await get("/assets/page.js");
    expect(first.headers["cache-control"]).toBe("no-cache");
    expect(first.headers["content-type"]).toContain("javascript");
    const again = await get("/assets/page.js", { "if-none-match": String(first.headers["etag"]) });
    expect([again.status, again.body]).toEqual([304, ""]);
  });

  it("answer HEAD without a body, and no other method", async () => {
    expect(await get("/", {}, "HEAD")).toMatchObject({ status: 200, body: "" });
    expect((await get("/", {}, "DELETE")).status).toBe(404);
  });

  it("are all that can be had", async () => {
    for (const path of [
      "/../secret",
      "/%2e%2e/secret",
      "/assets/%2e%2e/%2e%2e/secret",
      "//etc/passwd",
      "/%00",
      "/.hidden",
    ])
      expect([path, (await get(path)).status]).toEqual([path, 404]);
  });

  it("survive ranges that make no sense, and files that are gone", async () => {
    expect((await get("/assets/page.js", { range: "bytes=9-5" })).status).toBe(404);
    expect((await get("/assets/page.js", { range: "bytes=999-" })).status).toBe(404);
    await rm(join(directory, "assets"), { recursive: true });
    expect((await get("/assets/page.js")).status).toBe(404);
    expect((await get("/")).status).toBe(200);
  });
});
