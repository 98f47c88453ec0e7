import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { exportJWK, generateKeyPair, type JWTPayload, SignJWT, UnsecuredJWT } from "jose";
import { beforeAll, describe, expect, it, vi } from "vitest";
import { Authenticator, type Credentials } from "../../src/access/authenticator.ts";
import { keysOf, publishedKeys, SignedTokens } from "../../src/access/signed-tokens.ts";

const OPTIONS = { issuer: "https://issuer.example", audience: "albert" };
const CLAIMS = { iss: OPTIONS.issuer, aud: OPTIONS.audience, sub: "someone", scope: "openid albert:infer albert:read" };

type Pair = Awaited<ReturnType<typeof generateKeyPair>>;
let known: Pair;
let unknown: Pair;
let keySet: string;
let now = Date.now();

beforeAll(async () => {
  [known, unknown] = await Promise.all([generateKeyPair("ES256"), generateKeyPair("ES256")]);
  keySet = JSON.stringify({ keys: [{ ...(await exportJWK(known.publicKey)), kid: "a", alg: "ES256" }] });
});

const sign = (claims: JWTPayload, pair: Pair = known) =>
  new SignJWT({ exp: Math.floor(now / 1000) + 600, ...claims })
    .setProtectedHeader({ alg: "ES256", kid: "a" })
    .sign(pair.privateKey);
const verifier = () => new SignedTokens(keysOf(keySet), { ...OPTIONS, now: () => now });

describe("a signed token", () => {
  it("says who calls, what that allows and for which models", async () => {
    const { verify } = verifier();
    const claims = { ...CLAIMS, scope: "openid albert:infer albert:nonsense infer", scp: ["albert:train"] };
    expect(await verify(await sign({ ...claims, albert_models: ["team-*", 7, "(x"] }))).toMatchObject({
      name: "subject someone",
      scopes: ["infer", "train"],
      models: ["team-*"],
    });
    expect((await verify(await sign(CLAIMS)))?.models).toEqual(["*"]);
    expect((await verify(await sign({ ...CLAIMS, albert_models: "team" })))?.models).toEqual([]);
    expect((await verify(await sign({ ...CLAIMS, sub: "a\nb" })))?.name).toBe("subject a?b");
  });

  it("is nobody's with another key, issuer, audience or algorithm, or without an end or a subject", async () => {
    const { verify } = verifier();
    const secret = new TextEncoder().encode(keySet);
    const { exp: _, ...endless } = { ...CLAIMS, exp: 0 };
    const { sub: __, ...nameless } = CLAIMS;
    const wrongs = [
      await sign(CLAIMS, unknown),
      await sign({ ...CLAIMS, iss: "https://other.example" }),
      await sign({ ...CLAIMS, aud: "another" }),
      await sign({ ...CLAIMS, nbf: Math.floor(now / 1000) + 3600 }),
      await sign({ ...CLAIMS, exp: Math.floor(now / 1000) - 3600 }),
      await sign(nameless),
      await new SignJWT(endless).setProtectedHeader({ alg: "ES256", kid: "a" }).sign(known.privateKey),
      await new SignJWT({ ...CLAIMS, exp: Math.floor(now / 1000) + 600 })
        .setProtectedHeader({ alg: "HS256", kid: "a" })
        .sign(secret),
      new UnsecuredJWT({ ...CLAIMS, exp: Math.floor(now / 1000) + 600 }).encode(),
      `${(await sign(CLAIMS)).slice(0, -4)}AAAA`,
      "a.b.c",
      "",
    ];
    for (const wrong of wrongs) expect(await verify(wrong)).toBeUndefined();
  });

  it("ends with its time, and with its key, also where it was checked a moment ago", async () => {
    const signed = verifier();
    const token = await sign(CLAIMS);
    const caller = await signed.verify(token);
    expect(await signed.verify(token)).toBe(caller);
    now += 700_000;
    expect([caller?.valid(), await signed.verify(token)]).toEqual([false, undefined]);
    const fresh = await sign(CLAIMS);
    const before = await signed.verify(fresh);
    expect(before?.valid()).toBe(true);
    signed.use(keysOf(JSON.stringify({ keys: [] })));
    expect([before?.valid(), await signed.verify(fresh)]).toEqual([false, undefined]);
  });

  it("is taken beside tokens of the file and certificates", async () => {
    const authenticator = new Authenticator({ tokens: [], certificates: [] }, [verifier().verify]);
    const shown = (authorization: string): Credentials => ({
      authorization,
      sessionId: undefined,
      certificateNames: () => [],
    });
    expect(await authenticator.authenticate(shown(`Bearer ${await sign(CLAIMS)}`))).toMatchObject({
      scopes: ["infer", "read"],
    });
    expect(await authenticator.authenticate(shown(`Bearer ${await sign(CLAIMS, unknown)}`))).toBeUndefined();
    expect(
      await authenticator.authenticate(shown(`Bearer albert_${"0".repeat(12)}_${"x".repeat(43)}`)),
    ).toBeUndefined();
  });
});

it("published keys are fetched once; a provider that fails lets nobody in and breaks nothing", async () => {
  let asked = 0;
  let status = 500;
  const provider = createServer((_, response) => {
    asked++;
    response.writeHead(status, { "content-type": "application/json" }).end(keySet);
  });
  await new Promise<void>((resolve) => provider.listen(0, "127.0.0.1", resolve));
  const address = provider.address();
  const port = typeof address === "object" && address !== null ? address.port : 0;
  const signed = new SignedTokens(publishedKeys(`http://127.0.0.1:${port}/jwks`), { ...OPTIONS, now: () => now });
  expect(await signed.verify(await sign(CLAIMS))).toBeUndefined();
  status = 200;
  expect(await signed.verify(await sign(CLAIMS))).toMatchObject({ name: "subject someone" });
  expect(await signed.verify(await sign({ ...CLAIMS, sub: "another" }))).toMatchObject({ name: "subject another" });
  expect(asked).toBe(2);
  provider.close();
});

it("a key that its provider took away counts for minutes only, though the clock is set back by hours", async () => {
  let published = keySet;
  let steady = 0;
  const provider = createServer((_, response) => {
    response.writeHead(200, { "content-type": "application/json" }).end(published);
  });
  await new Promise<void>((resolve) => provider.listen(0, "127.0.0.1", resolve));
  const { port } = provider.address() as AddressInfo;
  const keys = publishedKeys(`http://127.0.0.1:${port}/jwks`, () => steady);
  const signed = new SignedTokens(keys, { ...OPTIONS, now: () => now, steadyClock: () => steady });
  const token = await sign({ ...CLAIMS, exp: Math.floor(now / 1000) + 86_400 });
  expect(await signed.verify(token)).toMatchObject({ name: "subject someone" });
  published = JSON.stringify({ keys: [] });
  const before = now;
  vi.useFakeTimers({ toFake: ["Date"], now: before - 5 * 3_600_000 });
  now = Date.now();
  try {
    steady += 59_000;
    expect(await signed.verify(token)).toMatchObject({ name: "subject someone" }); // remembered
    steady += 9 * 60_000 - 59_000;
    expect(await signed.verify(token)).toMatchObject({ name: "subject someone" }); // by the keys that are known
    steady += 2 * 60_000;
    expect(await signed.verify(token)).toBeUndefined();
  } finally {
    vi.useRealTimers();
    now = before;
    provider.close();
  }
});
