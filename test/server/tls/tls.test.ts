import { mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { request as httpsRequest, type RequestOptions } from "node:https";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type ConnectionOptions, connect, type TLSSocket } from "node:tls";
import { afterAll, afterEach, beforeAll, describe, expect, it, onTestFinished, vi } from "vitest";
import { connectAlbert } from "../../../src/client/albert-client.ts";
import type { TlsConfig } from "../../../src/config/settings.ts";
import type { ServerLog } from "../../../src/server/log.ts";
import { Certificates } from "../../../src/server/tls/certificates.ts";
import { writeTinyModel } from "../../support/models/tiny-model-directory.ts";
import { type RunningServer, runServer } from "../../support/running-server.ts";
import { type Identity, TestAuthority, tlsFiles } from "../../support/test-certificates.ts";

const REQUEST = { text: "a cat", options: { head: "sentiment" } };
const SERVER_NAMES = ["dns:localhost", "ip:127.0.0.1"];

let scratch: string;
let model: string;
let authority: TestAuthority;
let strangers: TestAuthority;
let identity: Identity;
let client: Identity;
beforeAll(async () => {
  scratch = mkdtempSync(join(tmpdir(), "albert-tls-"));
  model = await writeTinyModel();
  authority = await TestAuthority.create();
  strangers = await TestAuthority.create("another authority");
  identity = await authority.issue(SERVER_NAMES);
  client = await authority.issue(["dns:client.example"]);
});
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

let server: RunningServer | undefined;
afterEach(async () => {
  await server?.close();
  server = undefined;
});

const trust = (ca: string, own?: Identity) => ({ ca, certificate: own?.cert, key: own?.key });

const start = async (tls: Partial<TlsConfig>) => {
  server = await runServer({
    models: [{ name: "tiny", directory: model }],
    config: { tls, store: { directory: mkdtempSync(join(scratch, "store-")) } },
    client: { tls: trust(authority.pem, client) },
  });
  return server;
};

/** Status of a GET over TLS, or the code with which the connection failed. */
function get(address: string, path: string, options: RequestOptions = {}): Promise<number | string> {
  const [host, port] = address.split(":");
  return new Promise((resolve) => {
    httpsRequest({ host, port, path, ca: authority.pem, agent: false, ...options }, (response) => {
      response.resume();
      resolve(response.statusCode ?? 0);
    })
      .on("error", (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message))
      .end();
  });
}

/** What a handshake agrees on, or the code with which it fails. */
function handshake(
  address: string,
  options: ConnectionOptions,
): Promise<{ protocol: string; cipher: string } | string> {
  const [host, port] = address.split(":");
  return new Promise((resolve) => {
    const socket: TLSSocket = connect(
      { host: host!, port: Number(port), ca: authority.pem, ALPNProtocols: ["h2", "http/1.1"], ...options },
      () => {
        resolve({ protocol: socket.getProtocol() ?? "", cipher: socket.getCipher().standardName });
        socket.destroy();
      },
    );
    socket.on("error", (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message));
  });
}

describe("TLS", { timeout: 60_000 }, () => {
  it("is spoken by every listener, and nothing else is", async () => {
    const { app, client: secure } = await start(tlsFiles(scratch, identity));
    expect((await secure.classify(REQUEST)).labels).toHaveLength(2);
    const { public: grpc, admin, metrics, console: page } = app.addresses;
    for (const address of [grpc, admin!, metrics!, page!]) {
      expect(await handshake(address, {})).toMatchObject({ protocol: "TLSv1.3" });
      expect(await handshake(address, { ca: strangers.pem })).toBe("UNABLE_TO_VERIFY_LEAF_SIGNATURE");
    }
    expect(await get(metrics!, "/readyz")).toBe(200);
    expect(await get(page!, "/metrics")).toBe(200);
    await expect(fetch(`http://${metrics}/readyz`)).rejects.toThrow();
    const plain = connectAlbert(grpc, { maxAttempts: 1, deadlineMs: 2000 });
    await expect(plain.classify(REQUEST)).rejects.toMatchObject({
      status: expect.stringMatching(/UNAVAILABLE|DEADLINE/),
    });
    plain.close();
  });

  it("is 1.2 or newer, with forward secrecy and authenticated encryption", async () => {
    const { app } = await start(tlsFiles(scratch, identity));
    for (const address of [app.addresses.public, app.addresses.metrics!]) {
      const old = { minVersion: "TLSv1", maxVersion: "TLSv1.1", ciphers: "DEFAULT@SECLEVEL=0" } as const;
      expect(await handshake(address, old)).toMatch(/^ERR_SSL|ECONNRESET/);
      const twelve = { maxVersion: "TLSv1.2" } as const;
      const agreed = await handshake(address, twelve);
      expect(agreed).toMatchObject({ cipher: expect.stringMatching(/^TLS_ECDHE_.*(GCM|POLY1305)/) });
      for (const ciphers of ["AES128-SHA256", "ECDHE-ECDSA-AES128-SHA", "DHE-RSA-AES128-GCM-SHA256"]) {
        expect(await handshake(address, { ...twelve, ciphers })).toMatch(/^ERR_SSL|ECONNRESET/);
      }
    }
  });

  it("with client authorities, refuses who shows no certificate of theirs; probes need none", async () => {
    const { app, client: known } = await start(tlsFiles(scratch, identity, authority.pem));
    expect((await known.classify(REQUEST)).labels).toHaveLength(2);
    const foreign = await strangers.issue(["dns:client.example"]);
    const late = await authority.issue(["dns:client.example"], { expired: true });
    for (const own of [undefined, foreign, late]) {
      const other = connectAlbert(app.addresses.public, {
        maxAttempts: 1,
        deadlineMs: 3000,
        tls: trust(authority.pem, own),
      });
      await expect(other.classify(REQUEST)).rejects.toMatchObject({
        status: expect.stringMatching(/UNAVAILABLE|DEADLINE/),
      });
      other.close();
      expect(await get(app.addresses.metrics!, "/readyz", { ...own })).toBe(200);
      expect(await get(app.addresses.metrics!, "/metrics", { ...own })).toBe(401);
      expect(await get(app.addresses.console!, "/metrics", { ...own })).toEqual(expect.any(String));
    }
    expect(await get(app.addresses.metrics!, "/metrics", { ...client })).toBe(200);
    expect(await get(app.addresses.console!, "/metrics", { ...client })).toBe(200);
  });

  it("refuses, at every listener, certificates that their authority has revoked, and follows its list", async () => {
    const revocationListFile = join(scratch, "revoked.pem");
    const lost = await authority.issue(["dns:client.example"]);
    writeFileSync(revocationListFile, await authority.revoked([]));
    const { app } = await start({ ...tlsFiles(scratch, identity, authority.pem), revocationListFile });
    const { public: grpc, admin, metrics, console: page } = app.addresses;
    /** What each listener does for who shows a certificate. */
    const answers = async (own: Identity) => {
      const called = async (address: string) => {
        const caller = connectAlbert(address, { maxAttempts: 1, deadlineMs: 3000, tls: trust(authority.pem, own) });
        const status = await caller.listModels({}).then(
          () => "OK",
          (error: { status: string }) => error.status,
        );
        caller.close();
        return status;
      };
      return [
        await called(grpc),
        await called(admin!), // which has no such call, and says so to those it lets in
        await get(metrics!, "/metrics", { ...own }),
        typeof (await get(page!, "/metrics", { ...own })),
      ];
    };
    const letIn = ["OK", "UNIMPLEMENTED", 200, "number"];
    const refused = [
      expect.stringMatching(/UNAVAILABLE|DEADLINE/),
      expect.stringMatching(/UNAVAILABLE|DEADLINE/),
      401,
      "string",
    ];
    expect(await answers(lost)).toEqual(letIn);
    writeFileSync(revocationListFile, await authority.revoked([lost]));
    await vi.waitFor(async () => expect(await answers(lost)).toEqual(refused), 20_000);
    expect(await answers(client)).toEqual(letIn);
    // A list that is out of date says nothing of anyone.
    writeFileSync(revocationListFile, await authority.revoked([lost], { late: true }));
    await vi.waitFor(async () => expect(await answers(client)).toEqual(refused), 20_000);
  });

  it("does not start with a list of revocation that is none", async () => {
    const revocationListFile = join(scratch, "none.pem");
    writeFileSync(revocationListFile, "none");
    await expect(start({ ...tlsFiles(scratch, identity, authority.pem), revocationListFile })).rejects.toThrow(
      "tls.revocation_list_file holds no list of revoked certificates in PEM",
    );
  });

  it("with optional certificates, lets in who shows none", async () => {
    const { app } = await start({ ...tlsFiles(scratch, identity, authority.pem), clientCertificates: "optional" });
    const bare = connectAlbert(app.addresses.public, { maxAttempts: 1, tls: trust(authority.pem) });
    expect((await bare.classify(REQUEST)).labels).toHaveLength(2);
    bare.close();
  });

  it.each([
    ["a key of another certificate", async () => ({ ...identity, key: client.key }), /key_file is not that of/],
    ["no certificate", async () => ({ ...identity, cert: "hello" }), /certificate_file holds no certificate/],
    ["no key", async () => ({ ...identity, key: identity.cert }), /key_file holds no private key/],
  ])("does not start with %s", async (_, files, message) => {
    await expect(start(tlsFiles(scratch, await files()))).rejects.toMatchObject({ reason: "TLS_UNUSABLE", message });
  });
});

describe("certificates that change", { timeout: 60_000 }, () => {
  const lines: string[] = [];
  const write = (_: object, message: string) => lines.push(message);
  const log = { debug: write, info: write, warn: write, error: write } as ServerLog;
  let certificates: Certificates | undefined;
  afterEach(() => certificates?.close());

  const settings = (files: ReturnType<typeof tlsFiles>): TlsConfig => ({
    clientCaFile: "",
    clientCertificates: "required",
    revocationListFile: "",
    ...files,
  });

  it("are followed through the symbolic links of a Kubernetes secret, and a broken pair changes nothing", async () => {
    const mount = mkdtempSync(join(scratch, "mount-"));
    const put = (name: string, { cert, key }: Identity) => {
      mkdirSync(join(mount, name));
      writeFileSync(join(mount, name, "tls.crt"), cert);
      writeFileSync(join(mount, name, "tls.key"), key);
      symlinkSync(name, join(mount, "..data_tmp"));
      renameSync(join(mount, "..data_tmp"), join(mount, "..data"));
    };
    put("one", identity);
    symlinkSync("..data/tls.crt", join(mount, "tls.crt"));
    symlinkSync("..data/tls.key", join(mount, "tls.key"));
    const files = { certificateFile: join(mount, "tls.crt"), keyFile: join(mount, "tls.key") };
    certificates = await Certificates.open(settings(files), log, 3_600_000);
    const second = await authority.issue(SERVER_NAMES);
    put("two", second);
    await certificates.check();
    expect(String(certificates.context.cert)).toBe(second.cert);
    lines.length = 0;
    put("three", { cert: identity.cert, key: second.key });
    await certificates.check();
    await certificates.check();
    expect(String(certificates.context.cert)).toBe(second.cert);
    expect(lines).toEqual(["the TLS files changed and cannot be used: the certificates from before stay"]);
    put("four", identity);
    await certificates.check();
    expect(String(certificates.context.cert)).toBe(identity.cert);
  });

  it("cost no call: under load, open connections go on and new ones get the new certificate", async () => {
    const directory = mkdtempSync(join(scratch, "load-"));
    const { app, client: loaded } = await start(tlsFiles(directory, identity, authority.pem));
    let going = true;
    onTestFinished(() => {
      going = false;
    });
    let answered = 0;
    const failures: unknown[] = [];
    const load = Array.from({ length: 8 }, async () => {
      while (going && failures.length === 0) {
        await loaded.classify(REQUEST).then(
          () => answered++,
          (error) => failures.push(error),
        );
      }
    });
    const serial = (address: string) =>
      new Promise<string>((resolve, reject) => {
        const [host, port] = address.split(":");
        const socket = connect(
          { host: host!, port: Number(port), rejectUnauthorized: false, ...client, ALPNProtocols: ["h2", "http/1.1"] },
          () => {
            resolve(socket.getPeerCertificate().serialNumber);
            socket.destroy();
          },
        ).on("error", reject);
      });
    const before = await serial(app.addresses.public);
    const renewed = await authority.issue(SERVER_NAMES);
    tlsFiles(directory, renewed, `${authority.pem}\n${strangers.pem}`);
    const until = Date.now() + 20_000;
    while ((await serial(app.addresses.public)) === before && Date.now() < until)
      await new Promise((r) => setTimeout(r, 100));
    expect(await serial(app.addresses.public)).not.toBe(before);
    expect(await serial(app.addresses.admin!)).not.toBe(before);
    expect(await serial(app.addresses.metrics!)).not.toBe(before);
    expect(await serial(app.addresses.console!)).not.toBe(before);
    const soFar = answered;
    // Trust is read again too: the other authority's clients are known now.
    const foreign = await strangers.issue(["dns:other.example"]);
    expect(await get(app.addresses.console!, "/metrics", { ...foreign })).toBe(200);
    await new Promise((r) => setTimeout(r, 200));
    going = false;
    await Promise.all(load);
    expect(failures).toEqual([]);
    expect(answered).toBeGreaterThan(soFar);
  });
});
