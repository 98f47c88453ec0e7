import { connect, type IncomingHttpHeaders } from "node:http2";
import { create, type DescMethod, fromBinary, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import { anyUnpack } from "@bufbuild/protobuf/wkt";
import { Client, credentials, Metadata, type ServiceError, status as statusCodes } from "@grpc/grpc-js";
import * as details from "../../src/gen/google/rpc/error_details_pb.js";
import { StatusSchema } from "../../src/gen/google/rpc/status_pb.js";

/** Everything a client can see of a failed call. */
export interface Failure {
  readonly status: string;
  readonly message: string;
  readonly reason: string;
  readonly metadata: Readonly<Record<string, string>>;
  /** Short names of the details, such as "BadRequest". */
  readonly details: readonly string[];
  readonly violations: readonly string[];
  readonly pushback: string | undefined;
  /** The whole of it as text, to look for what must not be there. */
  readonly text: string;
}

export interface RawCallOptions {
  readonly deadlineMs?: number;
  readonly headers?: Readonly<Record<string, string>>;
}

/** Makes a unary call with these exact bytes, without retries. @returns the failure; undefined when it succeeded */
export async function rawFailure(
  address: string,
  method: DescMethod,
  bytes: Buffer,
  options: RawCallOptions = {},
): Promise<Failure | undefined> {
  const client = new Client(address, credentials.createInsecure(), { "grpc.enable_retries": 0 });
  const metadata = new Metadata();
  for (const [name, value] of Object.entries(options.headers ?? {})) metadata.set(name, value);
  const deadline = options.deadlineMs === undefined ? {} : { deadline: Date.now() + options.deadlineMs };
  try {
    return await new Promise((resolve) => {
      const path = `/${method.parent.typeName}/${method.name}`;
      const identity = (message: Buffer) => message;
      client.makeUnaryRequest(path, identity, identity, bytes, metadata, deadline, (error) =>
        resolve(error === null ? undefined : failureOf(error)),
      );
    });
  } finally {
    client.close();
  }
}

/** Makes a unary call whose one message is marked as compressed, whatever its bytes are. */
export function compressedFailure(
  address: string,
  method: DescMethod,
  encoding: string,
  bytes: Buffer,
): Promise<Failure | undefined> {
  const session = connect(`http://${address}`);
  const stream = session.request({
    ":method": "POST",
    ":path": `/${method.parent.typeName}/${method.name}`,
    "content-type": "application/grpc",
    "grpc-encoding": encoding,
    te: "trailers",
  });
  const prefix = Buffer.alloc(5);
  prefix.writeUInt8(1, 0);
  prefix.writeUInt32BE(bytes.length, 1);
  stream.end(Buffer.concat([prefix, bytes]));
  stream.resume();
  return new Promise((resolve, reject) => {
    const read = (headers: IncomingHttpHeaders) => {
      if (headers["grpc-status"] === undefined) return;
      session.close();
      const metadata = Metadata.fromHttp2Headers(headers);
      const code = Number(headers["grpc-status"]);
      const details = decodeURIComponent(String(headers["grpc-message"] ?? ""));
      resolve(code === 0 ? undefined : failureOf(Object.assign(new Error(details), { code, details, metadata })));
    };
    stream.on("response", read);
    stream.on("trailers", read);
    stream.on("error", reject);
  });
}

/** The bytes of a request. */
export function encoded<M extends DescMethod>(method: M, request: MessageInitShape<M["input"]>): Buffer {
  return Buffer.from(toBinary(method.input, create(method.input, request)));
}

/** Reads status, details and trailers of a failed call. */
export function failureOf(error: ServiceError): Failure {
  const bytes = error.metadata?.get("grpc-status-details-bin")[0];
  const status = bytes instanceof Buffer ? fromBinary(StatusSchema, bytes) : undefined;
  const unpack = <S extends Parameters<typeof anyUnpack>[1]>(schema: S) =>
    status?.details.map((any) => anyUnpack(any, schema)).find((found) => found !== undefined);
  const info = unpack(details.ErrorInfoSchema) as details.ErrorInfo | undefined;
  const badRequest = unpack(details.BadRequestSchema) as details.BadRequest | undefined;
  const pushback = error.metadata?.get("grpc-retry-pushback-ms")[0];
  return {
    status: statusCodes[error.code]!,
    message: error.details,
    reason: info?.reason ?? "",
    metadata: info?.metadata ?? {},
    details: status?.details.map(({ typeUrl }) => typeUrl.split(".").at(-1)!) ?? [],
    violations: badRequest?.fieldViolations.map(({ field, description }) => `${field}: ${description}`) ?? [],
    pushback: pushback === undefined ? undefined : String(pushback),
    text: `${error.details} ${bytes instanceof Buffer ? bytes.toString("latin1") : ""} ${JSON.stringify(error.metadata?.getMap())}`,
  };
}
