import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { request as httpRequest, type IncomingHttpHeaders } from "node:http";
import { request as httpsRequest } from "node:https";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { formatAccessList } from "../../../src/access/access-file.ts";
import type { Caller } from "../../../src/access/caller.ts";
import { Sessions } from "../../../src/access/sessions.ts";
import { newToken, tokenHash } from "../../../src/access/tokens.ts";
import { writeTinyModel } from "../../support/models/tiny-model-directory.ts";
import { type RunningServer, runServer } from "../../support/running-server.ts";
import { TestAuthority, tlsFiles } from "../../support/test-certificates.ts";

const CLASSIFY = "/albert.v1.InferenceService/Classify";
const BODY = JSON.stringify({ text: "a cat", options: { head: "sentiment" } });

describe("sessions", () => {
  it("end with their time, their token, and by signing out", () => {
    let now = 0;
    let holds = true;
    const caller: Caller = { name: "token a", scopes: ["infer"], models: ["*"], valid: () => holds };
    const sessions = new Sessions(1000, () => now);
    const [one, two, three] = [sessions.begin(caller), sessions.begin(caller), sessions.begin(caller)];
    expect(new Set([one, two, three]).size).toBe(3);
    const found = sessions.find(one);
    expect(found?.valid()).toBe(true);
    sessions.end(one);
    expect([sessions.find(one), found?.valid()]).toEqual([undefined, false]);
    holds = false;
    expect(sessions.find(two)).toBeUndefined();
    holds = true;
    now = 999;
    expect(sessions.find(three)).toBeDefined();
    now = 1000;
    expect(sessions.find(three)).toBeUndefined();
    expect(sessions.find("x")).toBeUndefined();
  });

  it("end with their time though the clock is set back meanwhile", () => {
    vi.useFakeTimers();
    try {
      const sessions = new Sessions(1000);
      const id = sessions.begin({ name: "a", scopes: [], models: [], valid: () => true });
      vi.setSystemTime(Date.now() - 5 * 3_600_000);
      vi.advanceTimersByTime(999);
      expect(sessions.find(id)).toBeDefined();
      vi.advanceTimersByTime(1);
      expect(sessions.find(id)).toBeUndefined();
    } finally {
      vi.useRealTimers();
    }
  });

  it("stay few: a further one ends the oldest", () => {
    const caller: Caller = { name: "a", scopes: [], models: [], valid: () => true };
    const sessions = new Sessions(1000, () => 0);
    const ids = Array.from({ length: 1001 }, () => sessions.begin(caller));
    expect(sessions.find(ids[0] ?? "")).toBeUndefined();
    expect(sessions.find(ids[1] ?? "")).toBeDefined();
    expect(sessions.find(ids[1000] ?? "")).toBeDefined();
  });
});

describe.each(["plain", "TLS"] as const)("the console over %s", (transport) => {
  let scratch: string;
  let server: RunningServer;
  let ca: string;
  let origin: string;
  const { id, token } = newToken();
  const entry = {
    id,
    name: "t",
    sha256: tokenHash(token),
    scopes: ["infer", "read"] as const,
    models: ["*"],
    created: 0,
  };

  beforeAll(async () => {
    scratch = mkdtempSync(join(tmpdir(), "albert-session-"));
    const tokensFile = join(scratch, "tokens.json");
    writeFileSync(tokensFile, formatAccessList({ tokens: [entry], certificates: [] }));
    const authority = await TestAuthority.create();
    ca = authority.pem;
    const tls = transport === "plain" ? {} : tlsFiles(scratch, await authority.issue(["ip:127.0.0.1"]));
    server = await runServer({
      models: [{ name: "tiny", directory: await writeTinyModel() }],
      config: { auth: { tokensFile }, tls },
    });
    origin = `${transport === "plain" ? "http" : "https"}://${server.app.addresses.console}`;
  });
  afterAll(async () => {
    await server.close();
    rmSync(scratch, { recursive: true, force: true });
  });

  interface Answer {
    readonly status: number;
    readonly headers: IncomingHttpHeaders;
    readonly body: string;
  }
  const send = (method: string, path: string, headers: Record<string, string>, body?: string) =>
    new Promise<Answer>((resolve, reject) => {
      const [host, port] = server.app.addresses.console!.split(":");
      const options = { host, port, path, method, headers, agent: false };
      const request = transport === "plain" ? httpRequest(options) : httpsRequest({ ...options, ca });
      request.on("error", reject).on("response", (response) => {
        let text = "";
        response.setEncoding("utf8").on("data", (part: string) => {
          text += part;
        });
        response.on("end", () => resolve({ status: response.statusCode ?? 0, headers: response.headers, body: text }));
      });
      request.end(body);
    });
  const signIn = async () => {
    const answer = await send("POST", "/session", { authorization: `Bearer ${token}` });
    const [cookie = ""] = answer.headers["set-cookie"] ?? [];
    return { answer, cookie, pair: cookie.split(";")[0] ?? "" };
  };
  const call = (headers: Record<string, string>) =>
    send("POST", CLASSIFY, { "content-type": "application/json", ...headers }, BODY);

  it("signs in with a token, for a cookie that no script reads and no other site sends", async () => {
    const { answer, cookie } = await signIn();
    expect(answer.status).toBe(204);
    expect(cookie).toMatch(/; HttpOnly; SameSite=Strict; Max-Age=1800/);
    expect(cookie).not.toContain(token.slice(-43));
    expect([cookie.startsWith("__Host-"), cookie.includes("; Secure")]).toEqual(
      transport === "TLS" ? [true, true] : [false, false],
    );
    expect(answer.headers["cache-control"]).toBe("no-store");
    for (const authorization of ["Bearer x", `Bearer ${newToken().token}`]) {
      const refused = await send("POST", "/session", { authorization });
      expect([refused.status, refused.headers["set-cookie"]]).toEqual([401, undefined]);
    }
    expect((await send("POST", "/session", {})).status).toBe(401);
  });

  it("calls with the cookie from its own page, until it signs out", async () => {
    const { pair } = await signIn();
    expect((await send("GET", "/session", {})).status).toBe(401);
    const who = await send("GET", "/session", { cookie: pair });
    expect(JSON.parse(who.body)).toMatchObject({ name: `token t (${id}) in the console`, scopes: ["infer", "read"] });
    expect((await call({ cookie: pair, origin })).status).toBe(200);
    expect((await call({ cookie: `other=1; ${pair}`, origin, "sec-fetch-site": "same-origin" })).status).toBe(200);
    expect((await send("GET", "/metrics", { cookie: pair })).status).toBe(200);
    const out = await send("DELETE", "/session", { cookie: pair, origin });
    expect([out.status, out.headers["set-cookie"]?.[0]]).toEqual([204, expect.stringContaining("Max-Age=0")]);
    expect((await call({ cookie: pair, origin })).status).toBe(401);
  });

  it("does not count a cookie that another page sends, of another site, port or scheme", async () => {
    const { pair } = await signIn();
    const port = Number(origin.split(":").at(-1));
    for (const headers of [
      {},
      { origin: "null" },
      { origin: "https://evil.example" },
      { origin: `${origin}.evil.example` },
      { origin: origin.replace(String(port), String(port + 1)) },
      { origin: origin.replace(/^https?/, transport === "TLS" ? "http" : "https") },
      { origin, "sec-fetch-site": "same-site" },
      { origin, "sec-fetch-site": "cross-site" },
    ] as Record<string, string>[]) {
      expect([headers, (await call({ cookie: pair, ...headers })).status]).toEqual([headers, 401]);
    }
    const foreign = await send("DELETE", "/session", { cookie: pair, origin: "https://evil.example" });
    expect(foreign.status).toBe(204);
    expect((await call({ cookie: pair, origin })).status).toBe(200);
  });

  it("does not take the session's id for a token, nor a token in the cookie", async () => {
    const { pair } = await signIn();
    const [name = "", session = ""] = pair.split("=");
    expect((await call({ authorization: `Bearer ${session}` })).status).toBe(401);
    expect((await call({ cookie: `${name}=${token}`, origin })).status).toBe(401);
  });
});

it("without tokens, the page is told that nobody is asked", async () => {
  const server = await runServer({ models: [{ name: "tiny", directory: await writeTinyModel() }] });
  expect((await fetch(`http://${server.app.addresses.console}/session`)).status).toBe(204);
  await server.close();
});
