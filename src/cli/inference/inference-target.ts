import { stat } from "node:fs/promises";
import { performance } from "node:perf_hooks";
import { create, type DescMethod, type MessageInitShape, type MessageShape, toJsonString } from "@bufbuild/protobuf";
import type { Command } from "commander";
import type { AlbertClient } from "../../client/albert-client.ts";
import { CLIENT_VARIABLES, clientEnvironment } from "../../config/client-environment.ts";
import { AlbertError, invalidInput } from "../../errors.ts";
import { InferenceService, type RequestOptionsSchema, TruncationPolicy } from "../../gen/albert/v1/inference_pb.js";
import type { CallContext } from "../../server/call/call.ts";
import { type DataSource, fileSource, wholeText } from "../../tasks/datasets/data-source.ts";
import {
  addConnectionOptions,
  addConnectTimeout,
  type ConnectionFlags,
  type ConnectTimeoutFlag,
  connectionOf,
  milliseconds,
  openConnection,
} from "../server-connection.ts";
import { serverAddress } from "./server-address.ts";

// Where a command that asks a model sends its question: to a server, or to a model directory opened in this process.

/** Options that every command asking a model has. */
export interface TargetFlags extends ConnectionFlags, ConnectTimeoutFlag {
  readonly server?: string;
  readonly timeoutMs?: number;
  readonly model?: string;
  readonly servedModel?: string;
  readonly head?: string;
  readonly truncate?: true;
  readonly device: string;
  readonly json?: true;
}

/** The calls of the inference service that a command may make, wherever the model is. */
export type InferenceTarget = {
  readonly [K in UnaryName]: (
    request: MessageInitShape<(typeof InferenceService.method)[K]["input"]>,
  ) => Promise<MessageShape<(typeof InferenceService.method)[K]["output"]>>;
};

type UnaryName = Exclude<keyof typeof InferenceService.method, "streamInfer">;

export const DEFAULT_SERVER = "localhost:50051";

/** Gives a command the options by which a person says which model is meant, and how to print. */
export function addTargetOptions(command: Command): Command {
  return addConnectTimeout(addConnectionOptions(command))
    .option(
      "--server <host:port>",
      `ask a running server (default: ${CLIENT_VARIABLES.server}, else ${DEFAULT_SERVER})`,
    )
    .option("--timeout-ms <ms>", "with --server: longest wait for its answer (default: 10000)", milliseconds)
    .option("--model <directory>", "load this model and ask it here, without a server")
    .option("--device <device>", "with --model: auto, cpu, webgpu or cuda", "cpu")
    .option("--served-model <name>", "with --server: which of its models")
    .option("--head <name>", "which head, where the model has several that fit")
    .option("--truncate", "cut a text that is too long instead of refusing it")
    .option("--json", "print the whole answer as JSON");
}

/** The request options that the flags stand for. */
export function requestOptions({
  servedModel,
  head,
  truncate,
}: TargetFlags): MessageInitShape<typeof RequestOptionsSchema> {
  return {
    model: servedModel ?? "",
    head: head ?? "",
    truncation: truncate ? TruncationPolicy.TRUNCATE : TruncationPolicy.UNSPECIFIED,
  };
}

/**
 * Opens what the flags mean, makes one call, prints its answer and closes again.
 *
 * @param print  the answer for a person, without the last line break
 * @throws AlbertError invalid-input for contradicting flags; what the call failed with
 */
export async function askAndPrint<M extends DescMethod>(
  flags: TargetFlags,
  method: M,
  ask: (target: InferenceTarget) => Promise<MessageShape<M["output"]>>,
  print: (reply: MessageShape<M["output"]>) => string,
): Promise<void> {
  const { target, explain, close } = await openTarget(flags);
  try {
    const reply = await ask(target);
    const text = flags.json
      ? toJsonString(method.output, reply, { alwaysEmitImplicit: true, prettySpaces: 2 })
      : print(reply);
    process.stdout.write(`${text}\n`);
  } catch (error) {
    throw explain(error);
  } finally {
    await close();
  }
}

/**
 * A text given on the command line, or on standard input for `-`.
 *
 * @param fromFile  what reads a file instead, for messages
 * @throws AlbertError invalid-input for what is plainly the path of a file, whose letters are not meant
 */
export async function readText(argument: string, fromFile = `- <${argument}`): Promise<string> {
  if (argument !== "-") {
    if (await isPathOfFile(argument)) {
      const description = `${JSON.stringify(argument)} is a file here, and its path would be taken as the text: read it with ${fromFile}`;
      throw invalidInput([{ field: "text", description }]);
    }
    return argument;
  }
  const text = await textOf({ name: "standard input", open: () => process.stdin }, "text");
  return text.replace(/\r?\n$/, "");
}

/** A text in a file. @throws AlbertError not-found (FILE_NOT_READABLE); invalid-input for bytes that are no text */
export async function readTextFile(path: string): Promise<string> {
  return textOf(fileSource(path), "--file");
}

async function textOf(source: DataSource, field: string): Promise<string> {
  const text = await wholeText(source);
  if (!text.includes("\0")) return text;
  const description = `${source.name} holds U+0000 characters, as PDF and office files do: give plain text in UTF-8`;
  throw invalidInput([{ field, description }]);
}

async function isPathOfFile(argument: string): Promise<boolean> {
  if (!/^[^\s]*[./\\][^\s]*$/.test(argument) || argument.length > 1000) return false;
  return (await stat(argument).catch(() => undefined))?.isFile() === true;
}

interface OpenTarget {
  readonly target: InferenceTarget;
  /** Turns a failed call into an error that the command line can report. */
  explain(error: unknown): unknown;
  close(): Promise<void>;
}

async function openTarget(flags: TargetFlags): Promise<OpenTarget> {
  const { server, model, servedModel, timeoutMs, device } = flags;
  const violations = [
    ...(server !== undefined && model !== undefined
      ? [{ field: "--model", description: "asks a model here, --server asks one there: give one of them" }]
      : []),
    ...(servedModel !== undefined && model !== undefined
      ? [{ field: "--served-model", description: "chooses among a server's models and means nothing with --model" }]
      : []),
    ...(timeoutMs !== undefined && model !== undefined
      ? [{ field: "--timeout-ms", description: "bounds the wait for a server and means nothing with --model" }]
      : []),
  ];
  if (violations.length > 0) throw invalidInput(violations);
  if (model !== undefined) return loadHere(model, device);
  const advice = "start one with albert serve, name its public address with --server, or ask a model here with --model";
  const { client: target, explain, close } = await connectServer(flags, advice);
  return { target, explain, close: async () => close() };
}

/** A client of a server's public services. */
export interface ConnectedServer {
  readonly client: AlbertClient;
  /** Turns a failed call into an error that the command line can report. */
  explain(error: unknown): unknown;
  close(): void;
}

/**
 * Connects to the server that the flags name, else the environment, else the usual one.
 *
 * @param advice  what to do where no server answers
 * @throws AlbertError invalid-input for a wrong address; unavailable (NO_SERVER)
 */
export async function connectServer(
  flags: ConnectionFlags & ConnectTimeoutFlag & Pick<TargetFlags, "server" | "timeoutMs">,
  advice: string,
): Promise<ConnectedServer> {
  const { server: usual } = clientEnvironment();
  const source = flags.server === undefined && usual !== undefined ? CLIENT_VARIABLES.server : "--server";
  const address = serverAddress(flags.server ?? usual ?? DEFAULT_SERVER, source, 50051);
  const { CallError, connectAlbert } = await import("../../client/albert-client.ts");
  const { timeoutMs: deadlineMs } = flags;
  const options = { ...connectionOf(flags, address), ...(deadlineMs === undefined ? {} : { deadlineMs }) };
  const { client, close } = await openConnection(flags, address, () => connectAlbert(address, options), advice);
  const explain = (error: unknown) => {
    if (!(error instanceof CallError)) return error;
    const { status, reason, message, violations } = error;
    const options = { reason: reason || status, violations, cause: error };
    if (reason === "" && status === "UNAVAILABLE") {
      return new AlbertError("unavailable", `no server answers at ${address}: ${advice}`, {
        ...options,
        reason: "NO_SERVER",
      });
    }
    if (reason === "" && status === "UNIMPLEMENTED") {
      const what = `${address} does not answer such questions: is it the admin or another address? the public one is usually port 50051`;
      return new AlbertError("unimplemented", what, { ...options, reason: "WRONG_ADDRESS" });
    }
    return new AlbertError("unavailable", `${address} answered ${status}: ${message}`, options);
  };
  return { client, explain, close };
}

/** There are no other callers whom a long document would delay. */
const OWN_LIMITS = { "inputs-max-chars": "10000000", "inputs-max-windows": "1048576" };

/** The same handlers that a server runs, called without a connection. */
async function loadHere(directory: string, device: string): Promise<OpenTarget> {
  const [{ createInference }, { loadConfig }] = await Promise.all([
    import("../../app.ts"),
    import("../../config/load.ts"),
  ]);
  await requireModel(directory);
  const { config } = loadConfig({ flags: { device, ...OWN_LIMITS } });
  const silent = () => {};
  const inference = createInference({ config, log: { debug: silent, info: silent, warn: silent, error: silent } });
  await inference.serve({ name: directory, directory });
  const methods = InferenceService.methods
    .filter(({ methodKind }) => methodKind === "unary")
    .map((method) => {
      const name = method.localName as UnaryName;
      // Each handler takes and returns the messages of the method with its name; the loop cannot state that.
      const handler = inference.handlers[name] as (
        request: unknown,
        context: CallContext,
      ) => Promise<MessageInitShape<DescMethod["output"]>>;
      const call = async (request: MessageInitShape<DescMethod["input"]>) =>
        create(method.output, await handler(create(method.input, request), localContext(method)));
      return [name, call];
    });
  const target = Object.fromEntries(methods) as InferenceTarget;
  return { target, explain: (error) => error, close: () => inference.close() };
}

/** @throws AlbertError not-found (MODEL_NOT_FOUND) where there is nothing at that path */
async function requireModel(path: string): Promise<void> {
  const exists = await stat(path).then(
    () => true,
    () => false,
  );
  if (exists) return;
  throw new AlbertError(
    "not-found",
    `${path} does not exist: --model expects a model's directory, such as models/sentiment`,
    {
      reason: "FILE_NOT_READABLE",
    },
  );
}

/** A call without a deadline: the person at the terminal can end the process. */
function localContext(method: DescMethod): CallContext {
  const never = new AbortController().signal;
  return {
    method: `${method.parent.typeName}/${method.name}`,
    requestId: "local",
    receivedAt: performance.now(),
    deadlineAt: Number.POSITIVE_INFINITY,
    signal: never,
    draining: never,
    peer: "local",
    header: () => undefined,
    annotate: () => {},
  };
}
