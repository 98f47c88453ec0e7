import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { cpus, tmpdir } from "node:os";
import { join } from "node:path";
import { performance } from "node:perf_hooks";
import { setTimeout as delay } from "node:timers/promises";
import { create, toBinary } from "@bufbuild/protobuf";
import { ClassifyRequestSchema } from "../../src/gen/albert/v1/inference_pb.js";
import { startServerProcess } from "../../test/support/server-process.ts";
import { acknowledge, callHeaders, FLAG, FRAME, frame, PREFACE, settings } from "./frames.ts";

// `node --import tsx scripts/attacks/overload.ts [--seconds 8]`: how much a server still answers when far more is asked than it
// can. Calls are written by hand, so that the client takes little of the processor that it shares with the server: a reply
// with a DATA frame is an answer, one without a refusal.

const CONNECTIONS = 8;
const PATH = "/albert.v1.InferenceService/Classify";
const SECONDS = Number(process.argv[process.argv.indexOf("--seconds") + 1] || 8);
/** Within what an answer counts. */
const DEADLINE = "1S";

/** One call, whose stream is filled in. */
const MESSAGE = (() => {
  const message = toBinary(
    ClassifyRequestSchema,
    create(ClassifyRequestSchema, { text: "a good film, well played and never dull" }),
  );
  const head = Buffer.alloc(5);
  head.writeUInt32BE(message.length, 1);
  return Buffer.concat([head, message]);
})();
const HEADERS = callHeaders(PATH, { "grpc-timeout": DEADLINE });

function call(stream: number): Buffer {
  return Buffer.concat([
    frame(FRAME.HEADERS, FLAG.END_HEADERS, stream, HEADERS),
    frame(FRAME.DATA, FLAG.END_STREAM, stream, MESSAGE),
  ]);
}

/** A connection that counts answers and ends of calls. */
class Caller {
  answers = 0;
  ends = 0;
  open = 0;
  #stream = 1;
  #rest: Buffer = Buffer.alloc(0);
  readonly #socket: Socket;
  onEnd: () => void = () => {};

  constructor(host: string, port: number) {
    this.#socket = connect(port, host).on("error", (error) => {
      throw error;
    });
    this.#socket.write(Buffer.concat([PREFACE, settings(1 << 24), acknowledge(), windowUpdate()]));
    this.#socket.on("data", (bytes) => this.#read(bytes));
  }

  send(): void {
    this.open += 1;
    this.#socket.write(call(this.#stream));
    this.#stream += 2;
  }

  close(): void {
    this.#socket.destroy();
  }

  #read(bytes: Buffer): void {
    this.#rest = this.#rest.length === 0 ? bytes : Buffer.concat([this.#rest, bytes]);
    let at = 0;
    while (this.#rest.length - at >= 9) {
      const length = this.#rest.readUIntBE(at, 3);
      if (this.#rest.length - at < 9 + length) break;
      const [type, flags] = [this.#rest.readUInt8(at + 3), this.#rest.readUInt8(at + 4)];
      const payload = this.#rest.subarray(at + 9, at + 9 + length);
      at += 9 + length;
      if (type === FRAME.PING && (flags & FLAG.ACK) === 0)
        this.#socket.write(frame(FRAME.PING, FLAG.ACK, 0, Buffer.from(payload)));
      if (type === FRAME.DATA) this.answers += 1;
      const ended = (type === FRAME.HEADERS || type === FRAME.DATA) && (flags & FLAG.END_STREAM) !== 0;
      if (ended || type === FRAME.RST_STREAM) {
        this.ends += 1;
        this.open -= 1;
        this.onEnd();
      }
    }
    this.#rest = this.#rest.subarray(at);
  }
}

/** As much as the server likes to send, over the whole connection. */
function windowUpdate(): Buffer {
  const payload = Buffer.alloc(4);
  payload.writeUInt32BE(0x7fff0000);
  return frame(8, 0, 0, payload);
}

const sum = (values: readonly number[]) => values.reduce((total, value) => total + value, 0);

/** Calls by `offer`, for some seconds. @returns answers and ends a second */
async function run(address: string, seconds: number, offer: (callers: readonly Caller[]) => () => void) {
  const [host = "", port = ""] = address.split(":");
  const callers = Array.from({ length: CONNECTIONS }, () => new Caller(host, Number(port)));
  const stop = offer(callers);
  await delay(1500);
  const before = [sum(callers.map(({ answers }) => answers)), sum(callers.map(({ ends }) => ends))] as const;
  const startedAt = performance.now();
  await delay(seconds * 1000);
  const tookS = (performance.now() - startedAt) / 1000;
  const answers = (sum(callers.map((caller) => caller.answers)) - before[0]) / tookS;
  const ends = (sum(callers.map((caller) => caller.ends)) - before[1]) / tookS;
  stop();
  for (const caller of callers) caller.close();
  await delay(1500);
  return { answers: Math.round(answers), refused: Math.round(ends - answers) };
}

/** So many calls open at a time, a new one for each that ends. */
const closedLoop = (open: number) => (callers: readonly Caller[]) => {
  for (const caller of callers) {
    caller.onEnd = () => caller.send();
    for (let count = 0; count < open / callers.length; count++) caller.send();
  }
  return () => {
    for (const caller of callers) caller.onEnd = () => {};
  };
};

/** So many calls a second, whatever becomes of them; as many open as a connection may have. */
const openLoop = (perSecond: number) => (callers: readonly Caller[]) => {
  const startedAt = performance.now();
  let sent = 0;
  const timer = setInterval(() => {
    const due = ((performance.now() - startedAt) / 1000) * perSecond;
    for (; sent < due; sent++) {
      const caller = callers[sent % callers.length];
      if (caller !== undefined && caller.open < 120) caller.send();
    }
  }, 2);
  return () => clearInterval(timer);
};

function megabytes(pid: number): number {
  return Math.round(Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1]) / 1024);
}

const directory = mkdtempSync(join(tmpdir(), "albert-overload-"));
const server = startServerProcess({
  store: { directory },
  runtime: { device: "cpu", intra_threads: 1 },
});
try {
  const { public: address } = await server.ready;
  const say = (name: string, found: object) =>
    console.log(JSON.stringify({ load: name, ...found, memory_mb: megabytes(server.pid) }));
  console.log(JSON.stringify({ node: process.versions.node, processor: cpus()[0]?.model, processors: cpus().length }));
  await run(address, 2, closedLoop(64));
  const saturated = await run(address, SECONDS, closedLoop(64));
  say("saturation: 64 calls open", saturated);
  const over = await run(address, SECONDS, openLoop(5 * saturated.answers));
  say("five times as many a second", { ...over, share: Number((over.answers / saturated.answers).toFixed(2)) });
  const again = await run(address, SECONDS, closedLoop(64));
  say("saturation again", again);
  await delay(20_000);
  say("20 s later", {});
} finally {
  await server.kill();
  rmSync(directory, { recursive: true });
}
