import type { DescService } from "@bufbuild/protobuf";
import { type ChannelCredentials, Client, credentials } from "@grpc/grpc-js";
import type { CallDefaults } from "./service-client.ts";

// Opens a channel to a server: address, credentials, token, retries. It knows no service.

/** How to reach a server and how long to wait for it. */
export interface AlbertClientOptions {
  /** Deadline of unary calls that set none, retries included. 10,000 unless given; 120,000 for an administrator. */
  readonly deadlineMs?: number;
  /** Attempts per call, the first included; 1 never retries. 4 unless given. */
  readonly maxAttempts?: number;
  /** Bearer token to send with every call. Needs `credentials`, unless the server is on this machine. */
  readonly token?: string;
  /** Asked for more metadata before each call, such as the `traceparent` of the span that the caller is in. */
  readonly headersOfCall?: () => Readonly<Record<string, string>>;
  /** TLS; plain text unless given. */
  readonly credentials?: ChannelCredentials;
  /** Largest answer accepted, in bytes; 64 MiB unless given. */
  readonly maxReplyBytes?: number;
}

const LOOPBACK = /^(localhost|127(\.\d+){3}|\[::1\]):\d+$/;
const DEFAULT_ATTEMPTS = 4;
const DEFAULT_REPLY_BYTES = 64 * 2 ** 20;

/**
 * Opens a connection for some services of a server.
 *
 * @throws TypeError when a token would travel over a network in plain text
 */
export function openChannel(
  address: string,
  services: readonly DescService[],
  options: AlbertClientOptions,
): { readonly channel: Client; readonly sent: Pick<CallDefaults, "headers" | "headersOfCall"> } {
  const { maxAttempts = DEFAULT_ATTEMPTS, token, headersOfCall } = options;
  if (token !== undefined && options.credentials === undefined && !LOOPBACK.test(address)) {
    throw new TypeError(`a token for ${address} would travel in plain text: give credentials for TLS`);
  }
  const channel = new Client(address, options.credentials ?? credentials.createInsecure(), {
    "grpc.service_config": JSON.stringify(serviceConfig(services, maxAttempts)),
    "grpc.max_receive_message_length": options.maxReplyBytes ?? DEFAULT_REPLY_BYTES,
    "grpc.enable_channelz": 0,
  });
  const headers: Readonly<Record<string, string>> = token === undefined ? {} : { authorization: `Bearer ${token}` };
  return { channel, sent: { headers, ...(headersOfCall === undefined ? {} : { headersOfCall }) } };
}

/** gRPC's own retry mechanism: it honours the server's pushback and keeps a budget over all calls of the channel. */
function serviceConfig(services: readonly DescService[], maxAttempts: number): object {
  const retryPolicy = {
    maxAttempts,
    initialBackoff: "0.05s",
    maxBackoff: "2s",
    backoffMultiplier: 2,
    retryableStatusCodes: ["RESOURCE_EXHAUSTED", "UNAVAILABLE"],
  };
  const name = services.map(({ typeName }) => ({ service: typeName }));
  return {
    methodConfig: [{ name, ...(maxAttempts > 1 ? { retryPolicy } : {}) }],
    retryThrottling: { maxTokens: 100, tokenRatio: 0.1 },
  };
}
