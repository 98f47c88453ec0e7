import { readFileSync } from "node:fs";
import { createSecureContext } from "node:tls";
import { type Command, InvalidArgumentError } from "commander";
import type { AlbertClientOptions, ClientTls } from "../client/albert-client.ts";
import { CallError } from "../client/call-error.ts";
import { CLIENT_VARIABLES, clientEnvironment } from "../config/client-environment.ts";
import { AlbertError, invalidInput } from "../errors.ts";
import { rememberSockets } from "./open-sockets.ts";

// The flags by which commands that ask a server reach it over TLS, say who asks, and how long they wait for a connection.

/** What the flags say; files only, because a token on a command line is there for everyone to see. */
export interface ConnectionFlags {
  readonly tls?: true;
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
  readonly serverName?: string;
  readonly tokenFile?: string;
}

/** How long a command waits until it has a connection. */
export interface ConnectTimeoutFlag {
  readonly connectTimeoutMs?: number;
}

const DEFAULT_CONNECT_TIMEOUT_MS = 5000;
const LONGEST_TIMEOUT_MS = 600_000;

/** Adds `--tls`, `--ca`, `--cert`, `--key`, `--server-name` and `--token-file`. */
export function addConnectionOptions(command: Command): Command {
  const { tls, caFile, certificateFile, keyFile, serverName, token, tokenFile } = CLIENT_VARIABLES;
  return command
    .option("--tls", `speak TLS, and trust the authorities that Node trusts (${tls}=true)`)
    .option("--ca <file>", `speak TLS, and trust these authorities, in PEM (${caFile})`)
    .option("--cert <file>", `certificate to show the server, in PEM (${certificateFile})`)
    .option("--key <file>", `its private key (${keyFile})`)
    .option("--server-name <name>", `name in its certificate, where it is not that of the address (${serverName})`)
    .option("--token-file <file>", `file that holds the token to send (${tokenFile}, or the token itself in ${token})`);
}

/** Adds `--connect-timeout-ms`. */
export function addConnectTimeout(command: Command): Command {
  const usual = `${CLIENT_VARIABLES.connectTimeoutMs}; default: ${DEFAULT_CONNECT_TIMEOUT_MS}`;
  return command.option("--connect-timeout-ms <ms>", `longest wait for a connection (${usual})`, milliseconds);
}

/**
 * TLS and token for a connection to a server.
 *
 * @throws AlbertError invalid-input for flags that contradict each other, and for a token that would travel in plain text
 */
export function connectionOf(flags: ConnectionFlags, address: string): Pick<AlbertClientOptions, "tls" | "token"> {
  const environment = clientEnvironment();
  const ca = flags.ca ?? environment.caFile;
  const cert = flags.cert ?? environment.certificateFile;
  const key = flags.key ?? environment.keyFile;
  const secure = flags.tls === true || environment.tls || ca !== undefined;
  if ((cert === undefined) !== (key === undefined)) throw wrong("--cert", "needs --key, and the other way round");
  if (cert !== undefined && !secure) throw wrong("--cert", "is shown over TLS only: give --tls or --ca");
  const token = tokenOf(flags, environment);
  if (token !== undefined && !secure && !LOOPBACK.test(address)) {
    throw wrong("--token-file", `a token for ${address} would travel in plain text: give --tls or --ca`);
  }
  const serverName = flags.serverName ?? environment.serverName;
  if (flags.serverName !== undefined && !secure)
    throw wrong("--server-name", "is that of a certificate: give --tls or --ca");
  const channel = secure ? { tls: { ...readTls(ca, cert, key), serverName } } : {};
  return { ...channel, ...(token === undefined ? {} : { token }) };
}

/** What can be connected to a server. */
interface Connecting {
  connected(timeoutMs: number): Promise<void>;
  close(): void;
}

/**
 * Waits for a client's connection as long as the flags say.
 *
 * @param address  host:port
 * @param open  makes the client
 * @param advice  what to do where no server answers
 * @returns the client, and what closes it with all of its sockets
 * @throws AlbertError unavailable (NO_SERVER) when no connection stood in time
 */
export async function openConnection<C extends Connecting>(
  flags: ConnectTimeoutFlag,
  address: string,
  open: () => C,
  advice: string,
): Promise<{ readonly client: C; readonly close: () => void }> {
  const timeoutMs = flags.connectTimeoutMs ?? environmentTimeout() ?? DEFAULT_CONNECT_TIMEOUT_MS;
  const endSockets = rememberSockets(address);
  let client: C | undefined;
  const close = () => {
    client?.close();
    endSockets();
  };
  try {
    client = open();
    await client.connected(timeoutMs);
    return { client, close };
  } catch (error) {
    close();
    if (!(error instanceof CallError)) throw error;
    const message = `${error.message}: ${advice}, or wait longer with --connect-timeout-ms`;
    throw new AlbertError("unavailable", message, { reason: "NO_SERVER", cause: error });
  }
}

function environmentTimeout(): number | undefined {
  const text = clientEnvironment().connectTimeoutMs;
  if (text === undefined) return undefined;
  try {
    return milliseconds(text);
  } catch {
    throw wrong(CLIENT_VARIABLES.connectTimeoutMs, `expected 1 to ${LONGEST_TIMEOUT_MS} milliseconds, got ${text}`);
  }
}

/** A time limit of a flag. */
export function milliseconds(text: string): number {
  const value = Number(text);
  if (Number.isInteger(value) && value >= 1 && value <= LONGEST_TIMEOUT_MS) return value;
  throw new InvalidArgumentError(`expected 1 to ${LONGEST_TIMEOUT_MS} milliseconds`);
}

const LOOPBACK = /^(localhost|127(\.\d+){3}|\[::1\]):\d+$/;

function tokenOf(
  flags: ConnectionFlags,
  environment: { readonly token?: string; readonly tokenFile?: string },
): string | undefined {
  const file = flags.tokenFile ?? (environment.token === undefined ? environment.tokenFile : undefined);
  const token = file === undefined ? environment.token : readFileSync(file, "utf8").trim();
  if (token !== undefined && !/^[\x21-\x7e]+$/.test(token)) {
    throw wrong(
      "--token-file",
      `${file === undefined ? CLIENT_VARIABLES.token : file} holds no token: one word is expected`,
    );
  }
  return token;
}

function readTls(ca: string | undefined, cert: string | undefined, key: string | undefined): ClientTls {
  const read = (path: string | undefined) => (path === undefined ? undefined : readFileSync(path));
  const pem = { ca: read(ca), cert: read(cert), key: read(key) };
  try {
    createSecureContext(pem);
  } catch {
    throw wrong(
      cert === undefined ? "--ca" : "--cert",
      "the files cannot be used: certificates and a key in PEM are expected",
    );
  }
  return { ca: pem.ca, certificate: pem.cert, key: pem.key };
}

function wrong(field: string, description: string) {
  return invalidInput([{ field, description }]);
}
