import type { Command } from "commander";
import { type FieldViolation, invalidInput } from "../../errors.ts";
import type { Citation as CitationMessage, Passage } from "../../gen/albert/v1/search_pb.js";
import type { Citation, CitedPassage, IndexAnswer } from "../../search/answers/ask.ts";
import { type ConnectedServer, connectServer } from "../inference/inference-target.ts";
import {
  addConnectionOptions,
  addConnectTimeout,
  type ConnectionFlags,
  type ConnectTimeoutFlag,
} from "../server-connection.ts";

// Indexes of a running server, for the commands that can ask one there as well as a file here.

/** Flags by which an index of a server is meant. */
export interface IndexServerFlags extends ConnectionFlags, ConnectTimeoutFlag {
  readonly server?: string;
}

const ADVICE = "start one with albert serve --index NAME=FILE, or name its public address with --server";

/** Flags that say how models are run here, and flags that say how a server is reached. */
const HERE = ["model", "reader", "device", "threads"] as const;
const THERE = ["servedModel", "tls", "ca", "cert", "key", "serverName", "tokenFile", "connectTimeoutMs"] as const;

/** Adds `--server`, and how it is reached. */
export function addIndexServerOptions(command: Command): Command {
  const withServer = command.option(
    "--server <host:port>",
    "ask an index of a running server: <index> is then its name there",
  );
  return addConnectTimeout(addConnectionOptions(withServer));
}

/** Refuses flags that mean nothing where the index is. @throws AlbertError invalid-input (FIELD_INVALID) */
export function refuseOtherPlace(command: Command): void {
  const given = (names: readonly string[]) => names.filter((name) => command.getOptionValueSource(name) === "cli");
  const flag = (name: string) => `--${name.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
  const there = command.getOptionValueSource("server") === "cli";
  const violations: FieldViolation[] = there
    ? given(HERE).map((name) => ({
        field: flag(name),
        description: "is for models that run here, and --server asks those of a server: leave it out",
      }))
    : given(THERE).map((name) => ({
        field: flag(name),
        description: "is for an index of a server, and <index> is a file here: name the server with --server",
      }));
  if (violations.length > 0) throw invalidInput(violations);
}

/** Connects, asks and closes again. @throws AlbertError as `connectServer`; what the call failed with */
export async function atServer<T>(
  flags: IndexServerFlags,
  ask: (client: ConnectedServer["client"]) => Promise<T>,
): Promise<T> {
  const { client, explain, close } = await connectServer(flags, ADVICE);
  try {
    return await ask(client);
  } catch (error) {
    throw explain(error);
  } finally {
    close();
  }
}

/** Passages that an index of a server has for a query. */
export function findThere(
  flags: IndexServerFlags,
  index: string,
  query: string,
  topK: number,
): Promise<CitedPassage[]> {
  return atServer(flags, async (client) => {
    const { passages } = await client.findPassages({ index, query, topK });
    return passages.map(citedPassage);
  });
}

/** What a question to an index of a server is. */
interface Question {
  readonly index: string;
  readonly question: string;
  readonly topK: number;
  readonly best: number;
  /** Name of the model that reads; the server's choice when left out. */
  readonly servedModel?: string;
}

/** The answer that an index of a server has for a question. */
export function askThere(flags: IndexServerFlags, asked: Question): Promise<IndexAnswer> {
  const { index, question, topK, best, servedModel = "" } = asked;
  return atServer(flags, async (client) => {
    const request = { index, question, topK, nBest: best, options: { model: servedModel } };
    const { answers, answerable, passages } = await client.askIndex(request);
    return {
      passages: passages.map(citedPassage),
      answers: answers.map(({ place, text, score, passage }) => ({
        ...{ ...citation(place), text, probability: score, passage },
      })),
      answerable,
    };
  });
}

function citedPassage({ place, text, similarity }: Passage): CitedPassage {
  return { ...citation(place), text, similarity };
}

function citation(place: CitationMessage | undefined): Citation {
  const { file = "", fileSha256 = "", start = 0, end = 0, sourceStart = 0, sourceEnd = 0 } = place ?? {};
  return { file, fileSha256, start, end, sourceStart, sourceEnd };
}
