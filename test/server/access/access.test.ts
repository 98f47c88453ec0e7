import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { exportJWK, generateKeyPair, SignJWT } from "jose";
import { afterAll, afterEach, beforeAll, expect, it } from "vitest";
import { type AccessList, formatAccessList, type TokenEntry } from "../../../src/access/access-file.ts";
import type { Scope } from "../../../src/access/scopes.ts";
import { newToken, tokenHash } from "../../../src/access/tokens.ts";
import { connectAdmin } from "../../../src/client/admin-client.ts";
import { type AlbertClientOptions, connectAlbert } from "../../../src/client/albert-client.ts";
import { ALL_HEADS, writeTinyModel } from "../../support/models/tiny-model-directory.ts";
import { type Overrides, type RunningServer, runServer } from "../../support/running-server.ts";
import { TestAuthority, tlsFiles } from "../../support/test-certificates.ts";

const REQUEST = { text: "a cat", options: { model: "tiny", head: "sentiment" } };

let scratch: string;
let directory: string;
let tokensFile: string;
let server: RunningServer;
const opened: { close(): void }[] = [];
beforeAll(async () => {
  scratch = mkdtempSync(join(tmpdir(), "albert-access-"));
  tokensFile = join(scratch, "tokens.json");
  directory = await writeTinyModel();
});
afterEach(async () => {
  for (const client of opened.splice(0)) client.close();
  await server.close();
});
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

const allow = (list: Partial<AccessList>) =>
  writeFileSync(tokensFile, formatAccessList({ tokens: [], certificates: [], ...list }));
function token(scopes: readonly Scope[], models: readonly string[] = ["*"]): { token: string; entry: TokenEntry } {
  const made = newToken();
  const entry = { id: made.id, name: "t", sha256: tokenHash(made.token), scopes, models, created: 0 };
  return { token: made.token, entry };
}
const start = async (config: Overrides = {}) => {
  const store = { directory: mkdtempSync(join(scratch, "store-")) };
  server = await runServer({
    models: [
      { name: "tiny", directory },
      { name: "secret-plan", directory },
    ],
    config: { auth: { tokensFile }, store, ...config },
  });
};
const ask = (options: AlbertClientOptions) => {
  const client = connectAlbert(server.address, { maxAttempts: 1, ...options });
  opened.push(client);
  return client;
};
const administer = (options: AlbertClientOptions) => {
  const client = connectAdmin(server.app.addresses.admin!, { maxAttempts: 1, ...options });
  opened.push(client);
  return client;
};

it("a caller for some models reaches no other by naming none, and reaches its own so", async () => {
  const [reviewer, asker] = [token(["infer"], ["reviews"]), token(["infer"], ["reader"])];
  allow({ tokens: [reviewer.entry, asker.entry] });
  const heads = (kind: string) => ALL_HEADS.filter((head) => head.kind === kind).slice(0, 1);
  server = await runServer({
    models: [
      { name: "reviews", directory: await writeTinyModel(heads("classification")) },
      { name: "reader", directory: await writeTinyModel(heads("span"), 2) },
    ],
    config: { auth: { tokensFile } },
  });
  const question = { question: "who?", context: "a cat" };
  const item = { request: { case: "answerQuestion" as const, value: question } };
  const refusal = { status: "PERMISSION_DENIED", reason: "NOT_ALLOWED" };
  expect((await ask(reviewer).classify({ text: "a cat" })).meta?.model).toBe("reviews");
  await expect(ask(reviewer).answerQuestion(question)).rejects.toMatchObject(refusal);
  await expect(ask(reviewer).batchInfer({ items: [item] })).rejects.toMatchObject(refusal);
  expect((await ask(asker).answerQuestion(question)).meta?.model).toBe("reader");
  await expect(ask(asker).classify({ text: "a cat" })).rejects.toMatchObject(refusal);
});

it("a caller for some models sees and hears of no other", async () => {
  const limited = token(["infer", "read", "train"], ["tiny"]);
  allow({ tokens: [limited.entry] });
  await start();
  const client = ask(limited);
  const admin = administer(limited);
  expect((await client.classify(REQUEST)).labels).toHaveLength(2);
  expect((await client.listModels({})).models.map(({ name }) => name)).toEqual(["tiny"]);
  const { versions, aliases } = await admin.models.listVersions({});
  expect([...new Set([...versions, ...aliases].map(({ model }) => model))]).toEqual(["tiny"]);
  const refusal = { status: "PERMISSION_DENIED", reason: "NOT_ALLOWED" };
  for (const model of ["secret-plan", "no-such-model", "tin", "tiny\0"]) {
    await expect(client.classify({ ...REQUEST, options: { model } })).rejects.toMatchObject(refusal);
    await expect(admin.models.listVersions({ model })).rejects.toMatchObject(refusal);
  }
  await expect(admin.training.getJob({ jobId: "unknown" })).rejects.toMatchObject(refusal);
  const foreign = { spec: { model: "tiny", init: "secret-plan/champion", task: "classification" } };
  await expect(admin.training.planJob(foreign)).rejects.toMatchObject(refusal);
  const byDigest = { spec: { model: "tiny", init: "0".repeat(64), task: "classification" } };
  await expect(admin.training.planJob(byDigest)).rejects.toMatchObject(refusal);
  const mixed = [REQUEST, { ...REQUEST, options: { model: "secret-plan" } }].map((value) => ({
    request: { case: "classify" as const, value },
  }));
  await expect(client.batchInfer({ items: mixed })).rejects.toMatchObject(refusal);
});

it("an unknown name is not answered with the names that there are, where the caller may not know them", async () => {
  const limited = token(["infer"], ["tiny*"]);
  const all = token(["infer"]);
  allow({ tokens: [limited.entry, all.entry] });
  await start();
  const wrong = { ...REQUEST, options: { model: "tiny-2" } };
  const told = await ask(limited)
    .classify(wrong)
    .catch((error) => error);
  expect(told).toMatchObject({ status: "NOT_FOUND", reason: "MODEL_NOT_FOUND" });
  expect(JSON.stringify([told.message, told.metadata])).not.toContain("secret-plan");
  const known = await ask(all)
    .classify(wrong)
    .catch((error) => error);
  expect(JSON.stringify(known.metadata)).toContain("secret-plan");
});

it("a revoked token holds for no further call, and ends the streams that it opened", async () => {
  const reader = token(["read", "infer"]);
  allow({ tokens: [reader.entry] });
  await start();
  const client = ask(reader);
  const watch = administer(reader).models.watchServing({ heartbeatSeconds: 1 })[Symbol.asyncIterator]();
  expect((await watch.next()).done).toBe(false);
  allow({});
  const refused = { status: "UNAUTHENTICATED", reason: "CREDENTIALS_REFUSED" };
  await expect
    .poll(
      () =>
        client.classify(REQUEST).then(
          () => "",
          (error) => error.status,
        ),
      { timeout: 10_000 },
    )
    .toBe(refused.status);
  const end = async () => {
    for (;;) if ((await watch.next()).done) return;
  };
  await expect(end()).rejects.toMatchObject(refused);
}, 30_000);

it("who did what stands in the audit log, the job's log and the alias's history, without texts", async () => {
  const trainer = token(["train", "promote", "read"]);
  const asker = token(["infer"]);
  allow({ tokens: [trainer.entry, asker.entry] });
  const auditFile = join(scratch, "audit.log");
  await start({ auth: { tokensFile, auditFile } });
  const admin = administer(trainer);
  const by = `token t (${trainer.entry.id})`;
  const spec = { model: "tiny", task: "classification", seed: 1n };
  await admin.training.createJob({ requestId: "1", spec: { ...spec, labels: { note: "a canary" } } }).catch(() => {});
  const { versions } = await admin.models.listVersions({ model: "tiny" });
  const { alias } = await admin.models.promote({
    model: "tiny",
    version: versions[0]?.version ?? 0,
    alias: "staging",
    expectedGeneration: 0,
    overrideGate: true,
    reason: "a canary",
  });
  expect(alias?.actor).toBe(by);
  await ask(asker).classify({ ...REQUEST, text: "a canary" });
  await administer(asker)
    .models.promote({ model: "tiny", version: 1 })
    .catch(() => {});
  await ask({})
    .classify({ ...REQUEST, text: "a canary" })
    .catch(() => {});
  await server.app.close(0);
  const text = readFileSync(auditFile, "utf8");
  const lines = text
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as Record<string, unknown>);
  const method = (name: string) => `albert.v1.${name}`;
  expect(lines).toMatchObject([
    { caller: by, method: method("TrainingService/CreateJob"), target: { model: "tiny" } },
    {
      caller: by,
      method: method("ModelService/Promote"),
      target: { model: "tiny", version: 1, alias: "staging" },
      outcome: "ok",
      peer: expect.stringContaining("127.0.0.1:"),
    },
    { caller: `token t (${asker.entry.id})`, method: method("ModelService/Promote"), outcome: "NOT_ALLOWED" },
    { method: method("InferenceService/Classify"), outcome: "CREDENTIALS_REFUSED" },
  ]);
  expect(lines[3]).not.toHaveProperty("caller");
  for (const secret of ["canary", trainer.token, asker.token.slice(-43)]) expect(text).not.toContain(secret);
});

it("a file that is damaged meanwhile changes nothing, and is told", async () => {
  const caller = token(["infer"]);
  allow({ tokens: [caller.entry] });
  await start();
  const told = () => server.log.filter((line) => line.includes("auth.tokens_file changed and cannot be used"));
  writeFileSync(tokensFile, "{");
  await expect.poll(told, { timeout: 10_000 }).toHaveLength(1);
  expect((await ask(caller).classify(REQUEST)).labels).toHaveLength(2);
  // Another scope with one bit: what the caller could do before is what it may do still, and no one else may do anything.
  const text = formatAccessList({ tokens: [caller.entry], certificates: [] });
  const intruder = token(["infer"]);
  const disguised = { token: intruder.token.replace(intruder.entry.id, caller.entry.id) };
  writeFileSync(tokensFile, text.replace(caller.entry.sha256, tokenHash(disguised.token)));
  await expect.poll(told, { timeout: 10_000 }).toHaveLength(2);
  expect(told()[1]).toMatch(/tokens\[0\]\.checksum.*is damaged/);
  expect(told()[1]).toContain(tokensFile);
  expect((await ask(caller).classify(REQUEST)).labels).toHaveLength(2);
  for (const options of [{ token: intruder.token }, disguised]) {
    await expect(ask(options).classify(REQUEST)).rejects.toMatchObject({ status: "UNAUTHENTICATED" });
  }
  expect(server.log.join("\n")).not.toContain(caller.token);
});

it("does not start with a file that is not there or wrong", async () => {
  allow({});
  await start();
  for (const [file, words] of [
    [join(scratch, "absent.json"), /absent\.json cannot be used/],
    [directory, /cannot be used/],
  ] as const) {
    await expect(runServer({ models: [], config: { auth: { tokensFile: file } } })).rejects.toMatchObject({
      reason: "AUTH_UNUSABLE",
      message: words,
    });
  }
});

it("a token that an identity provider signed is a credential, as long as its key is in the file", async () => {
  const pair = await generateKeyPair("EdDSA");
  const jwks = join(scratch, "jwks.json");
  const published = { ...(await exportJWK(pair.publicKey)), kid: "a", alg: "EdDSA" };
  writeFileSync(jwks, JSON.stringify({ keys: [published] }));
  await start({ auth: { tokensFile: "", jwks, issuer: "i", audience: "a" } });
  const signed = await new SignJWT({ iss: "i", aud: "a", sub: "ann", scope: "albert:infer", albert_models: ["tiny"] })
    .setProtectedHeader({ alg: "EdDSA", kid: "a" })
    .setExpirationTime("5m")
    .sign(pair.privateKey);
  const client = ask({ token: signed });
  expect((await client.classify(REQUEST)).labels).toHaveLength(2);
  await expect(client.classify({ ...REQUEST, options: { model: "secret-plan" } })).rejects.toMatchObject({
    status: "PERMISSION_DENIED",
  });
  await expect(administer({ token: signed }).models.listVersions({})).rejects.toMatchObject({
    status: "PERMISSION_DENIED",
  });
  writeFileSync(jwks, JSON.stringify({ keys: [] }));
  await expect
    .poll(
      () =>
        client.classify(REQUEST).then(
          () => "",
          (error) => error.status,
        ),
      { timeout: 10_000 },
    )
    .toBe("UNAUTHENTICATED");
}, 30_000);

it("a certificate is a credential by its alternative name, on every listener", async () => {
  const authority = await TestAuthority.create();
  const files = tlsFiles(scratch, await authority.issue(["dns:localhost", "ip:127.0.0.1"]), authority.pem);
  allow({ certificates: [{ name: "URI:spiffe://example/trainer", scopes: ["infer"], models: ["*"] }] });
  await start({ tls: files });
  const options = async (name: string) => {
    const { cert, key } = await authority.issue([name]);
    return { tls: { ca: authority.pem, certificate: cert, key } };
  };
  const known = await options("url:spiffe://example/trainer");
  expect((await ask(known).classify(REQUEST)).labels).toHaveLength(2);
  await expect(administer(known).models.listVersions({})).rejects.toMatchObject({ status: "PERMISSION_DENIED" });
  const stranger = await options("dns:spiffe://example/trainer");
  await expect(ask(stranger).classify(REQUEST)).rejects.toMatchObject({ status: "UNAUTHENTICATED" });
}, 30_000);
