import { type ChildProcess, spawn } from "node:child_process";
import { accessSync, constants, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { CreateBucketCommand, S3Client } from "@aws-sdk/client-s3";
import type { S3Location } from "../../src/store/objects/s3-object-store.ts";
import { freePort } from "./free-port.ts";

const credentials = { accessKeyId: "albert", secretAccessKey: "albert-secret" };

/** How to start the real S3 servers that may be installed, on `port`, keeping their data in `directory`. */
const SERVERS = {
  versitygw: (port: number, directory: string) => [
    [
      "--port",
      `127.0.0.1:${port}`,
      "--access",
      credentials.accessKeyId,
      "--secret",
      credentials.secretAccessKey,
      "--quiet",
    ],
    ["posix", directory],
  ],
  minio: (port: number, directory: string) => [["server", directory, "--address", `127.0.0.1:${port}`, "--quiet"]],
} as const;

/** Path of an installed S3 server, or undefined. */
export const installedS3Server: { readonly name: keyof typeof SERVERS; readonly path: string } | undefined = find();

function find() {
  for (const name of Object.keys(SERVERS) as (keyof typeof SERVERS)[]) {
    for (const directory of (process.env["PATH"] ?? "").split(delimiter)) {
      try {
        accessSync(join(directory, name), constants.X_OK);
        return { name, path: join(directory, name) };
      } catch {}
    }
  }
  return undefined;
}

export interface S3Server {
  readonly location: S3Location;
  close(): Promise<void>;
}

/** Starts the installed server with one empty bucket. */
export async function startS3Server(): Promise<S3Server> {
  if (installedS3Server === undefined) throw new Error("no S3 server is installed");
  const directory = mkdtempSync(join(tmpdir(), "albert-s3-"));
  mkdirSync(join(directory, "data"));
  const port = await freePort();
  const args = SERVERS[installedS3Server.name](port, join(directory, "data")).flat();
  const child = spawn(installedS3Server.path, args, {
    stdio: "ignore",
    env: { ...process.env, MINIO_ROOT_USER: credentials.accessKeyId, MINIO_ROOT_PASSWORD: credentials.secretAccessKey },
  });
  const endpoint = `http://127.0.0.1:${port}`;
  const client = new S3Client({ endpoint, credentials, region: "us-east-1", forcePathStyle: true, maxAttempts: 1 });
  await createBucket(client, child);
  client.destroy();
  return {
    location: { endpoint, credentials, bucket: "models", prefix: "albert" },
    async close() {
      const ended = new Promise((resolve) => child.once("exit", resolve));
      child.kill();
      await ended;
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

/** Makes the bucket as soon as the server answers. */
async function createBucket(client: S3Client, child: ChildProcess): Promise<void> {
  for (let attempt = 0; ; attempt++) {
    try {
      await client.send(new CreateBucketCommand({ Bucket: "models" }));
      return;
    } catch (error) {
      if (child.exitCode !== null || attempt === 200) throw error;
      await setTimeout(50);
    }
  }
}
