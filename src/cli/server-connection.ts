import { readFileSync } from "node:fs";
import { credentials } from "@grpc/grpc-js";
import type { Command } from "commander";
import type { AlbertClientOptions } from "../client/albert-client.ts";
import { CLIENT_VARIABLES, clientEnvironment } from "../config/client-environment.ts";
import { invalidInput } from "../errors.ts";

// The flags by which commands that ask a server reach it over TLS and say who asks.

/** What the flags say; files only, because a token on a command line is there for everyone to see. */
export interface ConnectionFlags {
  readonly tls?: true;
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
  readonly tokenFile?: string;
}

/** Adds `--tls`, `--ca`, `--cert`, `--key` and `--token-file`. */
export function addConnectionOptions(command: Command): Command {
  const { tls, caFile, certificateFile, keyFile, token, tokenFile } = CLIENT_VARIABLES;
  return command
    .option("--tls", `speak TLS, and trust the authorities that Node trusts (${tls}=true)`)
    .option("--ca <file>", `speak TLS, and trust these authorities, in PEM (${caFile})`)
    .option("--cert <file>", `certificate to show the server, in PEM (${certificateFile})`)
    .option("--key <file>", `its private key (${keyFile})`)
    .option("--token-file <file>", `file that holds the token to send (${tokenFile}, or the token itself in ${token})`);
}

/**
 * Credentials and token for a connection to a server.
 *
 * @throws AlbertError invalid-input for flags that contradict each other, and for a token that would travel in plain text
 */
export function connectionOf(
  flags: ConnectionFlags,
  address: string,
): Pick<AlbertClientOptions, "credentials" | "token"> {
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
  const channel = secure ? { credentials: channelCredentials(ca, cert, key) } : {};
  return { ...channel, ...(token === undefined ? {} : { token }) };
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

function channelCredentials(ca: string | undefined, cert: string | undefined, key: string | undefined) {
  const files = [ca, key, cert].map((path) => (path === undefined ? null : readFileSync(path)));
  try {
    return credentials.createSsl(...(files as [Buffer | null, Buffer | null, Buffer | null]));
  } catch {
    throw wrong(
      cert === undefined ? "--ca" : "--cert",
      "the files cannot be used: certificates and a key in PEM are expected",
    );
  }
}

function wrong(field: string, description: string) {
  return invalidInput([{ field, description }]);
}
