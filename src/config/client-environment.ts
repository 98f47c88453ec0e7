// How commands that ask a server reach it where their flags say nothing: variables of the environment, which are no settings.

/** What the environment says of the connection to a server; absent where it says nothing. */
export interface ClientEnvironment {
  /** Authorities in PEM that vouch for the server. */
  readonly caFile?: string;
  readonly certificateFile?: string;
  readonly keyFile?: string;
  /** The name in the server's certificate, where it is not that of the address. */
  readonly serverName?: string;
  /** TLS with the authorities that Node knows. */
  readonly tls: boolean;
  readonly token?: string;
  readonly tokenFile?: string;
  /** host:port of inference, and of administration. */
  readonly server?: string;
  readonly admin?: string;
  /** Longest wait for a connection, in milliseconds, as it was written. */
  readonly connectTimeoutMs?: string;
}

/** The variables, for `--help`, the documentation, and the check for unknown ones. */
export const CLIENT_VARIABLES = {
  caFile: "ALBERT_CLIENT_CA",
  certificateFile: "ALBERT_CLIENT_CERTIFICATE",
  keyFile: "ALBERT_CLIENT_KEY",
  serverName: "ALBERT_CLIENT_SERVER_NAME",
  tls: "ALBERT_CLIENT_TLS",
  token: "ALBERT_TOKEN",
  tokenFile: "ALBERT_TOKEN_FILE",
  server: "ALBERT_CLIENT_SERVER",
  admin: "ALBERT_CLIENT_ADMIN",
  connectTimeoutMs: "ALBERT_CLIENT_CONNECT_TIMEOUT_MS",
} as const;

/** @param environment  of this process unless given */
export function clientEnvironment(
  environment: Readonly<Record<string, string | undefined>> = process.env,
): ClientEnvironment {
  const { tls, ...texts } = CLIENT_VARIABLES;
  const given = Object.entries(texts).flatMap(([name, variable]) => {
    const value = environment[variable];
    return value === undefined || value === "" ? [] : [[name, value] as const];
  });
  return { ...Object.fromEntries(given), tls: /^(1|true|yes)$/i.test(environment[tls] ?? "") };
}
