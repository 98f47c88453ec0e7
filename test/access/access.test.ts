import { performance } from "node:perf_hooks";
import { describe, expect, it } from "vitest";
import { formatAccessList, parseAccessList, type TokenEntry } from "../../src/access/access-file.ts";
import { Authenticator } from "../../src/access/authenticator.ts";
import { mayModel } from "../../src/access/caller.ts";
import { fitsPattern } from "../../src/access/scopes.ts";
import { newToken, tokenHash } from "../../src/access/tokens.ts";
import { AlbertError } from "../../src/errors.ts";

const NONE = () => [];

function entry(more: Partial<TokenEntry> = {}): { readonly token: string; readonly entry: TokenEntry } {
  const { id, token } = newToken();
  return {
    token,
    entry: { id, name: "ci", sha256: tokenHash(token), scopes: ["infer"], models: ["*"], created: 0, ...more },
  };
}

describe("the pattern of a model's name", () => {
  it.each([
    ["*", "anything", true],
    ["*", undefined, true],
    ["tiny", "tiny", true],
    ["tiny", "tiny2", false],
    ["tiny", undefined, false],
    ["tiny", "", false],
    ["team-a-*", "team-a-x", true],
    ["team-a-*", "team-b-x", false],
    ["team-a-*", undefined, false],
    ["*-live", "x-live", true],
    ["a*b*c", "a-b-c", true],
    ["a*b*c", "a-c-b", false],
    ["ab*ba", "aba", false],
    ["t.ny", "tiny", false],
  ])("%s of %s: %s", (pattern, name, fits) => expect(fitsPattern(pattern, name)).toBe(fits));

  it("takes no time over a name of a megabyte", () => {
    const before = performance.now();
    expect(fitsPattern("a*a*a*a*a*b", "a".repeat(1_000_000))).toBe(false);
    expect(performance.now() - before).toBeLessThan(50);
  });
});

describe("who shows a credential", () => {
  it("is known by token, until it expires or is revoked", () => {
    const { token, entry: known } = entry({ expires: 1000 });
    let now = 999;
    const authenticator = new Authenticator({ tokens: [known], certificates: [] }, [], () => now);
    const ask = () =>
      authenticator.authenticate({ authorization: `Bearer ${token}`, certificateNames: NONE, sessionId: undefined });
    const caller = ask();
    expect(caller).toMatchObject({ name: `token ci (${known.id})`, scopes: ["infer"] });
    now = 1000;
    expect(ask()).toBeUndefined();
    now = 0;
    authenticator.use({ tokens: [], certificates: [] });
    expect(ask()).toBeUndefined();
    expect(caller).toMatchObject({ valid: expect.any(Function) });
    if (caller !== undefined && !(caller instanceof Promise)) expect(caller.valid()).toBe(false);
  });

  it("is nobody with another secret, another scheme, or the hash itself", () => {
    const { token, entry: known } = entry();
    const authenticator = new Authenticator({ tokens: [known], certificates: [] });
    const other = newToken().token.slice(-43);
    for (const authorization of [
      undefined,
      token,
      `Basic ${token}`,
      `Bearer ${token}x`,
      `Bearer albert_${known.id}_${other}`,
      `Bearer ${known.sha256}`,
      "Bearer ",
      `Bearer ${"x".repeat(100_000)}`,
    ]) {
      expect(
        authenticator.authenticate({ authorization, certificateNames: NONE, sessionId: undefined }),
      ).toBeUndefined();
    }
    expect(
      authenticator.authenticate({ authorization: `bearer ${token}`, certificateNames: NONE, sessionId: undefined }),
    ).toBeDefined();
  });

  it("is known by the name of a certificate; a wrong token beside it is still wrong", () => {
    const certificates = [{ name: "URI:spiffe://a/b", scopes: ["read"], models: ["*"] } as const];
    const authenticator = new Authenticator({ tokens: [], certificates });
    const certificateNames = () => ["DNS:x", "URI:spiffe://a/b"];
    expect(
      authenticator.authenticate({ authorization: undefined, certificateNames, sessionId: undefined }),
    ).toMatchObject({
      name: "certificate URI:spiffe://a/b",
    });
    expect(
      authenticator.authenticate({ authorization: "Bearer x", certificateNames, sessionId: undefined }),
    ).toBeUndefined();
    expect(
      authenticator.authenticate({
        authorization: undefined,
        certificateNames: () => ["DNS:URI:spiffe://a/b"],
        sessionId: undefined,
      }),
    ).toBeUndefined();
  });

  it("is refused in the same time, whatever is wrong", () => {
    const { token, entry: known } = entry();
    const late = entry({ expires: 1 });
    const authenticator = new Authenticator({ tokens: [known, late.entry], certificates: [] });
    const wrongs = [newToken().token, `${token.slice(0, -1)}${token.endsWith("A") ? "B" : "A"}`, late.token];
    const times = wrongs.map((): number[] => []);
    for (let round = 0; round < 3000; round++) {
      for (const [index, wrong] of wrongs.entries()) {
        const before = performance.now();
        authenticator.authenticate({ authorization: `Bearer ${wrong}`, certificateNames: NONE, sessionId: undefined });
        times[index]?.push(performance.now() - before);
      }
    }
    const medians = times.map((list) => list.sort((a, b) => a - b)[list.length >> 1] ?? 0);
    expect(Math.max(...medians) / Math.min(...medians)).toBeLessThan(1.5);
  });
});

describe("the file of those who may call", () => {
  it("holds no secret, and is read as it was written", () => {
    const { token, entry: known } = entry({ models: ["team-*"], expires: 5 });
    const list = { tokens: [known], certificates: [{ name: "DNS:a.b", scopes: ["infer"], models: ["*"] } as const] };
    const text = formatAccessList(list);
    expect(text).not.toContain(token.slice(-43));
    expect(parseAccessList(text)).toEqual(list);
    expect(mayModel(parseAccessList(text).tokens[0] ?? known, "team-x")).toBe(true);
  });

  it.each([
    ["x", "auth.tokens_file"],
    ["[]", "file"],
    ['{"token": []}', "token"],
    ['{"tokens": {}}', "tokens"],
    ['{"tokens": [{"id": "1"}]}', "tokens[0].id"],
    ['{"certificates": [{"name": "DNS:a", "scopes": ["all"], "models": ["*"]}]}', "certificates[0].scopes"],
    ['{"certificates": [{"name": "DNS:a", "scopes": ["infer"], "models": ["(a+)+"]}]}', "certificates[0].models"],
    ['{"certificates": [{"name": "a", "scopes": ["infer"], "models": ["*"]}]}', "certificates[0].name"],
  ])("says where it is wrong: %s", (text, field) => {
    let violations: readonly { readonly field: string }[] = [];
    try {
      parseAccessList(text);
    } catch (error) {
      ({ violations } = error as { violations: typeof violations });
    }
    expect(violations.map((violation) => violation.field)).toContain(field);
  });

  it("with a damaged byte, wherever that is, lets nobody in, prolongs nothing, and says which entry it is in", () => {
    const { entry: ends } = entry({ models: ["team-a"], expires: 1_234_567_890_123, limits: { streams: 5 } });
    const { entry: stays } = entry();
    const certificates = [{ name: "DNS:a.b", scopes: ["infer"], models: ["*"] } as const];
    const list = { tokens: [ends, stays], certificates };
    const bytes = Buffer.from(formatAccessList(list));
    const refused = new Set<string>();
    for (let at = 0; at < bytes.length; at++) {
      for (const bit of [1, 2, 4, 8, 16, 32, 64, 128]) {
        bytes[at]! ^= bit;
        try {
          expect(parseAccessList(bytes.toString()), `byte ${at} ^ ${bit}`).toEqual(list);
        } catch (error) {
          if (!(error instanceof AlbertError)) throw error;
          refused.add(error.violations[0]!.field);
          expect(error.violations[0]!.description).not.toBe("");
        }
        bytes[at]! ^= bit;
      }
    }
    for (const checksum of ["tokens[0].checksum", "tokens[1].checksum", "certificates[0].checksum"]) {
      expect(refused).toContain(checksum);
    }
    const edited = { ...ends, expires: 1_334_567_890_123 };
    const { checksum: _, ...byHand } = JSON.parse(formatAccessList({ tokens: [edited], certificates: [] })).tokens[0];
    expect(parseAccessList(JSON.stringify({ tokens: [byHand] })).tokens).toEqual([edited]);
    expect(() => parseAccessList('{"tokens": [{\n"id" "x"}]}')).toThrow(/is not JSON at line 2, column 6/);
  });

  it("names nobody twice", () => {
    const { entry: known } = entry();
    expect(() => parseAccessList(JSON.stringify({ tokens: [known, known] }))).toThrow(/twice/);
  });
});
