import { toBinary } from "@bufbuild/protobuf";
import { ClassifyResponseSchema } from "../src/gen/albert/v1/inference_pb.js";
import { keepCalling, type MeasuredServer, startServer } from "./measured-server.ts";
import { rounded } from "./timing.ts";

// What a call costs beside the least that it could: a server of grpc-js and protobuf-es that decodes the same request and encodes the same reply.

const TEXT = "the cat sat on the mat";
const CALLERS = 64;
/** Calls until compilers have seen the path. */
const WARM_UP = 10_000;
const ROUNDS = 9;
const CALLS_A_ROUND = 4000;

/**
 * Processor time of one call of `Classify` where no model computes, against the bare echo's: both servers run all the while, and are
 * asked in turn. Ratios are of each round.
 */
export async function benchRequestPath(): Promise<unknown> {
  const served = await startServer("grpc-server.ts", ["null", "{}"]);
  const call = ({ client }: MeasuredServer) => client.classify({ text: TEXT });
  const reply = await call(served);
  const echo = await startServer("echo-server.ts", [
    Buffer.from(toBinary(ClassifyResponseSchema, reply)).toString("base64"),
  ]);
  try {
    const microseconds = async (server: MeasuredServer, calls: number) => {
      await server.usage();
      await keepCalling(CALLERS, calls, () => call(server));
      return ((await server.usage()).cpuSeconds / calls) * 1e6;
    };
    for (const server of [echo, served]) await microseconds(server, WARM_UP);
    const rounds: { readonly echo: number; readonly served: number }[] = [];
    while (rounds.length < ROUNDS) {
      rounds.push({ echo: await microseconds(echo, CALLS_A_ROUND), served: await microseconds(served, CALLS_A_ROUND) });
    }
    return {
      echo: summary(rounds.map((round) => 1e6 / round.echo)),
      served: summary(rounds.map((round) => 1e6 / round.served)),
      timesTheEcho: summary(rounds.map((round) => round.served / round.echo)),
    };
  } finally {
    served.stop();
    echo.stop();
  }
}

/** Calls in one second of processor time, or their ratio: the least, the middle and the most of all rounds. */
function summary(values: readonly number[]) {
  const sorted = values.toSorted((a, b) => a - b).map(rounded);
  return { least: sorted[0], median: sorted[sorted.length >> 1], most: sorted.at(-1) };
}
