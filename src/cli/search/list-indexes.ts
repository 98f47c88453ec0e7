import { toJsonString } from "@bufbuild/protobuf";
import type { Command } from "commander";
import { CLIENT_VARIABLES } from "../../config/client-environment.ts";
import {
  type IndexInfo,
  IndexState,
  type ListIndexesResponse,
  ListIndexesResponseSchema,
} from "../../gen/albert/v1/search_pb.js";
import { DEFAULT_SERVER } from "../inference/inference-target.ts";
import { addConnectionOptions, addConnectTimeout } from "../server-connection.ts";
import { atServer, type IndexServerFlags } from "./index-server.ts";

/** Adds `albert search list`: the indexes of a running server. */
export function registerListIndexes(search: Command): void {
  const command = search
    .command("list")
    .description("list the indexes of a running server, and say which cannot be asked")
    .option("--server <host:port>", `the server (default: ${CLIENT_VARIABLES.server}, else ${DEFAULT_SERVER})`)
    .option("--json", "print JSON");
  addConnectTimeout(addConnectionOptions(command)).action(async (flags: IndexServerFlags & { json?: true }) => {
    const reply = await atServer(flags, (client) => client.listIndexes({}));
    const text = flags.json
      ? toJsonString(ListIndexesResponseSchema, reply, { alwaysEmitImplicit: true, prettySpaces: 2 })
      : printed(reply);
    process.stdout.write(`${text}\n`);
  });
}

function printed({ indexes }: ListIndexesResponse): string {
  if (indexes.length === 0) return "the server has no index: start it with albert serve --index NAME=FILE";
  return indexes.map((index) => `${index.name}  ${stateOf(index)}`).join("\n");
}

function stateOf({ state, failure, files, passages, encoder }: IndexInfo): string {
  if (state === IndexState.LOADING) return "is being read";
  if (state === IndexState.FAILED) return `cannot be read: ${failure}, see the server's log; it is tried again`;
  const count = (value: number) => value.toLocaleString("en");
  const stale = failure === "" ? "" : `; its file cannot be read now: ${failure}`;
  const made =
    encoder === undefined || encoder.model === ""
      ? `cannot be asked: no served model is the encoder ${encoder?.name} of digest ${encoder?.digest.slice(0, 12)} that made it`
      : `encoder ${encoder.model}`;
  return `${count(passages)} passages of ${count(files)} files, ${made}${stale}`;
}
