import type { DescService } from "@bufbuild/protobuf";
import { type ChannelCredentials, Client, credentials } from "@grpc/grpc-js";
import type { CallDefaults } from "./service-client.ts";

// Opens a channel to a server: address, TLS, token, retries. It knows no service. What callers of the package see has no type of
// the transport's: it may come inside the package.

/** TLS of a connection, as texts in PEM. */
export interface ClientTls {
  /** The authorities that vouch for the server; those of Node unless given. */
  readonly ca?: string | Uint8Array | undefined;
  /** The certificate to show to a server that asks for one; with its key. */
  readonly certificate?: string | Uint8Array | undefined;
  readonly key?: string | Uint8Array | undefined;
  /** The name that the server's certificate must have, where it is not that of the address: behind a forwarded port. */
  readonly serverName?: string | undefined;
}

/** How to reach a server and how long to wait for it. */
export interface AlbertClientOptions {
  /** Deadline of unary calls that set none, retries included. 10,000 unless given; 120,000 for an administrator. */
  readonly deadlineMs?: number;
  /** Attempts per call, the first included; 1 never retries. 4 unless given. */
  readonly maxAttempts?: number;
  /** Bearer token to send with every call. Needs `tls`, unless the server is on this machine. */
  readonly token?: string;
  /** Asked for more metadata before each call, such as the `traceparent` of the span that the caller is in. */
  readonly headersOfCall?: () => Readonly<Record<string, string>>;
  /** TLS; plain text unless given. `{}` trusts the authorities of Node. */
  readonly tls?: ClientTls;
  /** Largest answer accepted, in bytes; 64 MiB unless given. */
  readonly maxReplyBytes?: number;
}

const LOOPBACK = /^(localhost|127(\.\d+){3}|\[::1\]):\d+$/;
const DEFAULT_ATTEMPTS = 4;
const DEFAULT_REPLY_BYTES = 64 * 2 ** 20;

/**
 * Opens a connection for some services of a server.
 *
 * @internal
 * @param security  in place of what `options.tls` says
 * @throws TypeError when a token would travel over a network in plain text
 */
export function openChannel(
  address: string,
  services: readonly DescService[],
  options: AlbertClientOptions,
  security = credentialsOf(options.tls),
): { readonly channel: Client; readonly sent: Pick<CallDefaults, "headers" | "headersOfCall"> } {
  const { maxAttempts = DEFAULT_ATTEMPTS, token, headersOfCall } = options;
  if (token !== undefined && security === undefined && !LOOPBACK.test(address)) {
    throw new TypeError(`a token for ${address} would travel in plain text: give tls`);
  }
  const channel = new Client(address, security ?? credentials.createInsecure(), {
    "grpc.service_config": JSON.stringify(serviceConfig(services, maxAttempts)),
    "grpc.max_receive_message_length": options.maxReplyBytes ?? DEFAULT_REPLY_BYTES,
    "grpc.enable_channelz": 0,
    ...(options.tls?.serverName === undefined ? {} : { "grpc.ssl_target_name_override": options.tls.serverName }),
  });
  const headers: Readonly<Record<string, string>> = token === undefined ? {} : { authorization: `Bearer ${token}` };
  return { channel, sent: { headers, ...(headersOfCall === undefined ? {} : { headersOfCall }) } };
}

function credentialsOf(tls: ClientTls | undefined): ChannelCredentials | undefined {
  const buffer = (pem: string | Uint8Array | undefined) => (pem === undefined ? null : Buffer.from(pem));
  return tls === undefined
    ? undefined
    : credentials.createSsl(buffer(tls.ca), buffer(tls.key), buffer(tls.certificate));
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
