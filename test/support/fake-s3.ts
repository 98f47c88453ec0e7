import { createHash } from "node:crypto";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import type { S3Location } from "../../src/store/objects/s3-object-store.ts";

/** A request as S3 understands it. */
export interface S3Request {
  readonly method: string;
  /** Empty for a listing. */
  readonly key: string;
}

/** What stands between a caller and the service. @returns whether it has answered in its place */
export type S3Fault = (request: S3Request, response: ServerResponse, service: FakeS3) => boolean;

/** As much of S3 as the store uses, in memory, on a port of this machine, and with faults on demand. */
export class FakeS3 {
  readonly objects = new Map<string, Buffer>();
  /** Requests so far. */
  requests: S3Request[] = [];
  fault: S3Fault = () => false;
  /** What a listing shows; by default what there is. */
  listed: () => readonly string[] = () => [...this.objects.keys()];
  readonly #server = createServer((request, response) => void this.#handle(request, response));

  async start(): Promise<S3Location> {
    await new Promise<void>((resolve) => this.#server.listen(0, "127.0.0.1", resolve));
    const { port } = this.#server.address() as AddressInfo;
    const credentials = { accessKeyId: "a", secretAccessKey: "s" };
    return { endpoint: `http://127.0.0.1:${port}`, bucket: "models", credentials, stallMs: 100 };
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  async #handle(message: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(message.url!, "http://s3");
    const key = decodeURIComponent(url.pathname.slice("/models/".length));
    const request = { method: message.method!, key };
    this.requests.push(request);
    const body: Buffer[] = [];
    for await (const chunk of message) body.push(chunk as Buffer);
    if (this.fault(request, response, this)) return;
    if (key === "") this.#list(url.searchParams, response);
    else if (message.method === "PUT") this.#put(key, Buffer.concat(body), message, response);
    else if (message.method === "DELETE") {
      this.objects.delete(key);
      response.writeHead(204).end();
    } else this.#get(key, message.method === "HEAD", response);
  }

  #get(key: string, head: boolean, response: ServerResponse): unknown {
    const bytes = this.objects.get(key);
    if (bytes === undefined) return refuse(response, 404, "NoSuchKey");
    response.writeHead(200, { etag: etagOf(bytes), "content-length": bytes.length });
    return response.end(head ? undefined : bytes);
  }

  #put(key: string, bytes: Buffer, { headers }: IncomingMessage, response: ServerResponse): unknown {
    const there = this.objects.get(key);
    const tag = headers["if-match"];
    if (headers["if-none-match"] === "*" && there !== undefined) return refuse(response, 412, "PreconditionFailed");
    if (tag !== undefined && there === undefined) return refuse(response, 404, "NoSuchKey");
    if (tag !== undefined && tag !== etagOf(there!)) return refuse(response, 412, "PreconditionFailed");
    this.objects.set(key, bytes);
    return response.writeHead(200, { etag: etagOf(bytes) }).end();
  }

  #list(parameters: URLSearchParams, response: ServerResponse): void {
    const prefix = parameters.get("prefix") ?? "";
    const after = parameters.get("continuation-token") ?? "";
    const most = Number(parameters.get("max-keys") ?? 1000);
    const keys = this.listed().filter((key) => key.startsWith(prefix) && key > after);
    const page = keys.sort().slice(0, most);
    const contents = page.map(
      (key) =>
        `<Contents><Key>${key}</Key><ETag>${etagOf(this.objects.get(key) ?? Buffer.alloc(0))}</ETag><Size>${this.objects.get(key)?.length ?? 0}</Size></Contents>`,
    );
    const more = page.length < keys.length;
    const token = more ? `<NextContinuationToken>${page.at(-1)}</NextContinuationToken>` : "";
    answerXml(
      response,
      200,
      `<ListBucketResult><Name>models</Name><KeyCount>${page.length}</KeyCount><IsTruncated>${more}</IsTruncated>${token}${contents.join("")}</ListBucketResult>`,
    );
  }
}

export function etagOf(bytes: Buffer): string {
  return `"${createHash("md5").update(bytes).digest("hex")}"`;
}

/** An answer of S3's kind for what it does not do. */
export function refuse(response: ServerResponse, status: number, code: string): true {
  answerXml(response, status, `<Error><Code>${code}</Code><Message>refused</Message></Error>`);
  return true;
}

export function answerXml(response: ServerResponse, status: number, xml: string): void {
  response.writeHead(status, { "content-type": "application/xml" }).end(`<?xml version="1.0" encoding="UTF-8"?>${xml}`);
}
