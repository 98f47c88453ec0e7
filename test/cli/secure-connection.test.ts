import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { type AddressInfo, connect, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { spawnAlbert } from "../support/command-line.ts";
import { writeTinyModel } from "../support/models/tiny-model-directory.ts";
import { type RunningServer, runServer } from "../support/running-server.ts";
import { TestAuthority, tlsFiles } from "../support/test-certificates.ts";

/** Exit status and everything said by a command. */
async function albert(args: readonly string[], env: NodeJS.ProcessEnv = {}) {
  const { status, out, err } = await spawnAlbert(args, env);
  return { status, said: out + err };
}

describe("commands over mutual TLS", { timeout: 120_000 }, () => {
  let directory: string;
  let server: RunningServer;
  let files: ReturnType<typeof tlsFiles>;
  let flags: string[];
  let environment: NodeJS.ProcessEnv;
  beforeAll(async () => {
    directory = mkdtempSync(join(tmpdir(), "albert-secure-"));
    const authority = await TestAuthority.create();
    files = tlsFiles(directory, await authority.issue(["dns:localhost", "ip:127.0.0.1"]), authority.pem);
    const client = await authority.issue(["dns:client.example"]);
    const [ca, cert, key] = ["ca.pem", "client.pem", "client.key"].map((name) => join(directory, name));
    writeFileSync(ca!, authority.pem);
    writeFileSync(cert!, client.cert);
    writeFileSync(key!, client.key);
    flags = ["--ca", ca!, "--cert", cert!, "--key", key!];
    environment = { ALBERT_CLIENT_CA: ca!, ALBERT_CLIENT_CERTIFICATE: cert!, ALBERT_CLIENT_KEY: key! };
    server = await runServer({
      models: [{ name: "tiny", directory: await writeTinyModel() }],
      config: { tls: files, store: { directory: join(directory, "store") } },
    });
  });
  afterAll(async () => {
    await server.close();
    rmSync(directory, { recursive: true, force: true });
  });

  it("ask, administer and look after health with certificates by flags", async () => {
    const { public: address, admin } = server.app.addresses;
    const answer = await albert(["classify", "a cat", "--head", "sentiment", "--server", address, ...flags]);
    expect(answer).toMatchObject({ status: 0, said: expect.stringContaining(" %  ") });
    const versions = await albert(["models", "list", "--admin", admin!, ...flags]);
    expect(versions).toMatchObject({ status: 0, said: expect.stringContaining("tiny") });
    expect(await albert(["health", "--server", address, ...flags])).toMatchObject({ status: 0 });
  });

  it("or by the environment, which may also hold a server's settings", async () => {
    const { public: address, admin } = server.app.addresses;
    const addresses = { ...environment, ALBERT_CLIENT_SERVER: address, ALBERT_CLIENT_ADMIN: admin! };
    for (const command of [["classify", "a cat", "--head", "sentiment"], ["models", "list"], ["health"]]) {
      expect(await albert(command, addresses), command[0]).toMatchObject({ status: 0 });
    }
    const wrong = { ...environment, ALBERT_CLIENT_SERVER: "nowhere" };
    expect(await albert(["classify", "a cat"], wrong)).toMatchObject({
      status: 2,
      said: expect.stringContaining("ALBERT_CLIENT_SERVER: expected host:port"),
    });
    expect(await albert(["models", "list", "--admin", admin!], environment)).toMatchObject({ status: 0 });
    const settings = { ...environment, ALBERT_SERVER_PUBLIC_ADDRESS: address };
    expect(await albert(["health"], settings)).toMatchObject({ status: 0 });
  });

  it("find the server under another name than the address has", async () => {
    // A forwarded port: the certificate is not for its address.
    const forwarded = createServer((socket) => {
      const onward = connect(Number(server.app.addresses.public.split(":")[1]), "127.0.0.1");
      socket.pipe(onward).pipe(socket);
      for (const end of [socket, onward]) end.on("error", () => end.destroy());
    }).listen(0, "127.0.0.2");
    await once(forwarded, "listening");
    const address = `127.0.0.2:${(forwarded.address() as AddressInfo).port}`;
    const ask = (...more: string[]) => albert(["health", "--server", address, ...more]);
    try {
      expect(await ask(...flags)).toMatchObject({ status: 5, said: expect.stringContaining("UNAVAILABLE") });
      expect(await ask(...flags, "--server-name", "localhost")).toMatchObject({ status: 0 });
      expect(await ask("--server-name", "localhost")).toMatchObject({
        status: 2,
        said: expect.stringContaining("--server-name: is that of a certificate"),
      });
    } finally {
      forwarded.close();
    }
  });

  it("look after health by the settings of the server alone", async () => {
    const settings = {
      ALBERT_SERVER_PUBLIC_ADDRESS: server.app.addresses.public,
      ALBERT_TLS_CERTIFICATE_FILE: files.certificateFile,
      ALBERT_TLS_KEY_FILE: files.keyFile,
      ALBERT_TLS_CLIENT_CA_FILE: join(directory, "ca.crt"),
    };
    const answer = await albert(["health"], settings);
    expect(answer).toMatchObject({ status: 0, said: expect.stringContaining("SERVING") });
    expect(answer.said).not.toContain("Warning");
  });

  it("say what is wrong with what they were given", async () => {
    const admin = ["models", "list", "--admin"];
    const plain = await albert([...admin, server.app.addresses.admin!]);
    expect(plain.status).toBe(5);
    const half = await albert([...admin, "localhost:1", "--cert", "c.pem"]);
    expect(half).toMatchObject({ status: 2, said: expect.stringContaining("needs --key") });
    const token = join(directory, "token");
    writeFileSync(token, "secret\n");
    const open = await albert([...admin, "server.example:1", "--token-file", token]);
    expect(open).toMatchObject({ status: 2, said: expect.stringContaining("plain text") });
    const absent = await albert([...admin, "localhost:1", "--ca", join(directory, "absent.pem")]);
    expect(absent).toMatchObject({ status: 6, said: expect.stringContaining("absent.pem") });
  });
});
