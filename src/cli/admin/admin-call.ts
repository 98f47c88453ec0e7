import type { DescEnum, DescMessage, MessageShape } from "@bufbuild/protobuf";
import { toJson } from "@bufbuild/protobuf";
import { type Command, InvalidArgumentError } from "commander";
import { type AdminClient, connectAdmin } from "../../client/admin-client.ts";
import { CallError } from "../../client/call-error.ts";
import { CLIENT_VARIABLES, clientEnvironment } from "../../config/client-environment.ts";
import { AlbertError } from "../../errors.ts";
import { serverAddress } from "../inference/server-address.ts";
import {
  addConnectionOptions,
  addConnectTimeout,
  type ConnectionFlags,
  type ConnectTimeoutFlag,
  connectionOf,
  openConnection,
} from "../server-connection.ts";

// What every command that speaks to a server's admin listener shares: its flags, the connection, and how replies are
// printed.

/** Flags of every command that speaks to a server's admin listener. */
export interface AdminFlags extends ConnectionFlags, ConnectTimeoutFlag {
  readonly admin?: string;
  readonly json?: true;
}

/** Adds `--admin`, `--json` and what says how to connect. */
export function addAdminOptions(command: Command): Command {
  return addConnectTimeout(addConnectionOptions(command))
    .option(
      "--admin <host:port>",
      `admin address of the server (default: ${CLIENT_VARIABLES.admin}, else ${DEFAULT_ADMIN})`,
    )
    .option("--json", "print JSON");
}

const DEFAULT_ADMIN = "127.0.0.1:50052";

/** A person who no longer wants to wait interrupts the command. */
const PATIENCE_MS = 3_600_000;

/** Runs something with a connection to the admin listener, and closes it. @throws CallError */
export async function withAdmin<T>(flags: AdminFlags, run: (client: AdminClient) => Promise<T>): Promise<T> {
  const { admin: usual } = clientEnvironment();
  const admin = flags.admin ?? usual ?? DEFAULT_ADMIN;
  const source = flags.admin === undefined && usual !== undefined ? CLIENT_VARIABLES.admin : "--admin";
  const address = serverAddress(admin, source, 50052);
  const advice = "start a server with --store, or name its admin address with --admin";
  const options = { deadlineMs: PATIENCE_MS, ...connectionOf(flags, address) };
  const { client, close } = await openConnection(flags, address, () => connectAdmin(address, options), advice);
  try {
    return await run(client);
  } catch (error) {
    // An error without a reason does not come from an albert server.
    if (!(error instanceof CallError) || error.reason !== "") throw error;
    if (error.status === "UNIMPLEMENTED") {
      const message = `${admin} does not answer administrators: is it the public address (--server)? the admin one is usually port 50052`;
      throw new AlbertError("unimplemented", message, { reason: "WRONG_ADDRESS", cause: error });
    }
    if (error.status !== "UNAVAILABLE") throw error;
    throw new AlbertError("unavailable", `no server answers administrators at ${admin}: ${advice}`, {
      reason: "NO_SERVER",
      cause: error,
    });
  } finally {
    close();
  }
}

/** Prints a reply: as JSON (the protocol's own, with every field), or as lines for a person. */
export function print<D extends DescMessage>(
  { json }: AdminFlags,
  schema: D,
  message: MessageShape<D>,
  lines: () => readonly string[],
): void {
  const text = json
    ? JSON.stringify(toJson(schema, message, { alwaysEmitImplicit: true }), null, 2)
    : lines().join("\n");
  if (text !== "") process.stdout.write(`${text}\n`);
}

/** Rows in columns, the first one as their heading. */
export function columns(rows: readonly (readonly string[])[]): string[] {
  const widths = rows[0]?.map((_, column) => Math.max(...rows.map((row) => (row[column] ?? "").length))) ?? [];
  return rows.map((row) =>
    row
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join("  ")
      .trimEnd(),
  );
}

/** Gathers repeated `name=value` options. */
export function pairs(text: string, before: Readonly<Record<string, string>> = {}): Record<string, string> {
  const at = text.indexOf("=");
  if (at < 1) throw new InvalidArgumentError("expected name=value");
  return { ...before, [text.slice(0, at)]: text.slice(at + 1) };
}

/** A whole number of an option. */
export function wholeNumber(text: string): number {
  if (!/^\d{1,9}$/.test(text)) throw new InvalidArgumentError("expected a whole number");
  return Number(text);
}

/** A whole number of an option that may be negative. */
export function integer(text: string): number {
  if (!/^-?\d{1,9}$/.test(text)) throw new InvalidArgumentError("expected a whole number");
  return Number(text);
}

/** The member of an enum as a person writes it, `fine-tune` for `JOB_KIND_FINE_TUNE`; the number of an unknown one. */
export function enumWord(description: DescEnum, value: number): string {
  return (description.value[value]?.localName ?? String(value)).toLowerCase().replaceAll("_", "-");
}

/** Every item of a list that a server gives page by page. */
export async function allPages<Reply extends { readonly nextPageToken: string }, Item>(
  next: (pageToken: string) => Promise<Reply>,
  itemsOf: (reply: Reply) => readonly Item[],
): Promise<Item[]> {
  const items: Item[] = [];
  let pageToken = "";
  do {
    const reply = await next(pageToken);
    items.push(...itemsOf(reply));
    pageToken = reply.nextPageToken;
  } while (pageToken !== "");
  return items;
}

/** A table with its heading, or a sentence where there is nothing to show. */
export function table(heading: readonly string[], rows: readonly (readonly string[])[], nothing: string): string[] {
  return rows.length === 0 ? [nothing] : columns([heading, ...rows]);
}

/** A source of rows: a digest or its first digits, eight or more; else a path below a root. */
export function dataSource(text: string): { dataset: string } | { path: string } {
  return /^[0-9a-f]{8,64}$/.test(text) ? { dataset: text } : { path: text };
}
