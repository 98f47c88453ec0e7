import { readFileSync } from "node:fs";
import { type ChannelCredentials, credentials } from "@grpc/grpc-js";
import type { Command } from "commander";
import { CallError, toCallError } from "../../client/call-error.ts";
import { openChannel } from "../../client/channel.ts";
import { serviceClient } from "../../client/service-client.ts";
import { CLIENT_VARIABLES, clientEnvironment } from "../../config/client-environment.ts";
import { loadProcessConfig } from "../../config/sources.ts";
import { AlbertError } from "../../errors.ts";
import {
  Health,
  HealthCheckResponse_ServingStatusSchema,
  HealthCheckResponse_ServingStatus as ServingStatus,
} from "../../gen/grpc/health/v1/health_pb.js";
import { rememberSockets } from "../open-sockets.ts";
import { addConnectionOptions, type ConnectionFlags, connectionOf, milliseconds } from "../server-connection.ts";

/** Where and what to ask, and how long to wait. */
interface HealthFlags extends ConnectionFlags {
  readonly server?: string;
  readonly service: string;
  readonly timeoutMs: number;
}

const DEFAULT_TIMEOUT_MS = 3000;

/** Adds `albert health`: what a server says of itself, for health checks of containers and for people. */
export function registerHealth(program: Command): void {
  addConnectionOptions(program.command("health"))
    .description(
      "ask a running server whether it serves; exit status 0 if so, 1 if it says no, else that of the failure (docs/cli.md)",
    )
    .option(
      "--server <host:port>",
      `its gRPC address (default: ${CLIENT_VARIABLES.server}, else the one that the settings of this environment name)`,
    )
    .option("--service <name>", "a service, or model/<name>; the server as a whole unless given", "")
    .option(
      "--timeout-ms <ms>",
      "longest wait for its answer, the connection included",
      milliseconds,
      DEFAULT_TIMEOUT_MS,
    )
    .action(async (flags: HealthFlags) => {
      const named = flags.server ?? clientEnvironment().server;
      const configured = named === undefined ? configuredServer() : undefined;
      const address = named ?? configured?.address ?? "";
      const given = connectionOf(flags, address);
      const own = given.tls === undefined ? configured?.security : undefined;
      // Its name is not checked; an address in its place would be no name for TLS.
      const connection = own === undefined ? given : { tls: { serverName: "localhost" } };
      const status = await askHealth(address, flags, connection, own);
      const what = flags.service === "" ? "" : ` ${flags.service}`;
      process.stdout.write(`${address}${what}: ${statusName(status)}\n`);
      process.exitCode = status === ServingStatus.SERVING ? 0 : 1;
    });
}

/**
 * The standard health call, once and without retries: a health check asks for the present state.
 *
 * @throws AlbertError unavailable (NO_SERVER) when no server answers in time, not-found (HEALTH_UNKNOWN) for an unknown name
 */
async function askHealth(
  address: string,
  { service, timeoutMs }: HealthFlags,
  connection: ReturnType<typeof connectionOf>,
  security: ChannelCredentials | undefined,
): Promise<ServingStatus> {
  const endSockets = rememberSockets(address);
  const { channel, sent } = openChannel(address, [Health], { maxAttempts: 1, ...connection }, security);
  try {
    const { status } = await serviceClient(Health, channel, { deadlineMs: timeoutMs, ...sent }).check({ service });
    return status;
  } catch (thrown) {
    const error = toCallError(thrown);
    if (!(error instanceof CallError)) throw error;
    if (error.status === "NOT_FOUND") {
      throw new AlbertError(
        "not-found",
        `${address} knows no "${service}": ask without --service, or list its models`,
        {
          reason: "HEALTH_UNKNOWN",
          cause: error,
        },
      );
    }
    const advice = "start a server, or name its address with --server";
    throw new AlbertError(
      "unavailable",
      `${address} did not answer within ${timeoutMs} ms (${error.status}): ${advice}`,
      {
        reason: "NO_SERVER",
        cause: error,
      },
    );
  } finally {
    channel.close();
    endSockets();
  }
}

function statusName(status: ServingStatus): string {
  return HealthCheckResponse_ServingStatusSchema.value[status]?.name ?? String(status);
}

/**
 * Where a server of this environment listens, the public address or the admin one where there is no other, and how it is
 * reached there. Its certificate is not for the name under which its own machine asks: it is not checked, and no token is sent.
 * Where certificates of clients are needed, the server's own is shown.
 */
function configuredServer(): { readonly address: string; readonly security?: ChannelCredentials } {
  const { server, tls } = loadProcessConfig().config;
  const listening =
    server.role === "training" || server.publicAddress === "" ? server.adminAddress : server.publicAddress;
  // "Every address of this machine" is where to listen, not where to ask.
  const address = listening.replace(/^0\.0\.0\.0:/, "127.0.0.1:").replace(/^\[::\]:/, "[::1]:");
  if (tls.certificateFile === "") return { address };
  const [key, cert] =
    tls.clientCaFile === "" ? [null, null] : [readFileSync(tls.keyFile), readFileSync(tls.certificateFile)];
  const unchecked = { rejectUnauthorized: false, checkServerIdentity: () => undefined };
  return { address, security: credentials.createSsl(null, key, cert, unchecked) };
}
