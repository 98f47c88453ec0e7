import { type ChannelCredentials, Client, credentials } from "@grpc/grpc-js";
import { InferenceService } from "../gen/albert/v1/inference_pb.js";
import { type ServiceClient, serviceClient } from "./service-client.ts";

export { CallError, itemError } from "./call-error.ts";
export type { CallOptions, ServiceClient } from "./service-client.ts";

/** How to reach a server and how patient to be. */
export interface AlbertClientOptions {
  /** Deadline of unary calls that set none, retries included. 10,000 unless given. */
  readonly deadlineMs?: number;
  /** Attempts per call, the first included; 1 never retries. 4 unless given. */
  readonly maxAttempts?: number;
  /** Bearer token to send with every call. Needs `credentials`, unless the server is on this machine. */
  readonly token?: string;
  /** TLS; plain text unless given. */
  readonly credentials?: ChannelCredentials;
  /** Largest answer accepted, in bytes; 64 MiB unless given. */
  readonly maxReplyBytes?: number;
}

/** The calls of `albert.v1.InferenceService`. */
export interface AlbertClient extends ServiceClient<typeof InferenceService> {
  /** Ends the connection; calls in progress fail. */
  close(): void;
}

const LOOPBACK = /^(localhost|127(\.\d+){3}|\[::1\]):\d+$/;
const DEFAULT_DEADLINE_MS = 10_000;
const DEFAULT_ATTEMPTS = 4;
const DEFAULT_REPLY_BYTES = 64 * 2 ** 20;

/**
 * A client for an albert server. Every unary call has a deadline. Calls that the server refused before it began them
 * (RESOURCE_EXHAUSTED, UNAVAILABLE) are tried again, when the server says so or with growing delays; never when it
 * says that this is pointless, and not at all while more than about one call in ten fails.
 *
 *     const albert = connectAlbert("localhost:50051");
 *     const { labels } = await albert.classify({ text: "a gripping, honest film" });
 *
 * @param address  `host:port`
 * @throws TypeError when a token would travel over a network in plain text
 */
export function connectAlbert(address: string, options: AlbertClientOptions = {}): AlbertClient {
  const { deadlineMs = DEFAULT_DEADLINE_MS, maxAttempts = DEFAULT_ATTEMPTS, token } = options;
  if (token !== undefined && options.credentials === undefined && !LOOPBACK.test(address)) {
    throw new TypeError(`a token for ${address} would travel in plain text: give credentials for TLS`);
  }
  const channel = new Client(address, options.credentials ?? credentials.createInsecure(), {
    "grpc.service_config": JSON.stringify(serviceConfig(maxAttempts)),
    "grpc.max_receive_message_length": options.maxReplyBytes ?? DEFAULT_REPLY_BYTES,
    "grpc.enable_channelz": 0,
  });
  const headers = token === undefined ? {} : { authorization: `Bearer ${token}` };
  return {
    ...serviceClient(InferenceService, channel, { deadlineMs, headers }),
    close: () => channel.close(),
  };
}

/** gRPC's own retry mechanism: it honours the server's pushback and keeps a budget over all calls of the channel. */
function serviceConfig(maxAttempts: number): object {
  const retryPolicy = {
    maxAttempts,
    initialBackoff: "0.05s",
    maxBackoff: "2s",
    backoffMultiplier: 2,
    retryableStatusCodes: ["RESOURCE_EXHAUSTED", "UNAVAILABLE"],
  };
  return {
    methodConfig: [{ name: [{ service: InferenceService.typeName }], ...(maxAttempts > 1 ? { retryPolicy } : {}) }],
    retryThrottling: { maxTokens: 100, tokenRatio: 0.1 },
  };
}
