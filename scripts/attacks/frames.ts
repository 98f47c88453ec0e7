// Frames of HTTP/2 (RFC 9113), made by hand: a library would keep to the protocol.

export const FRAME = { DATA: 0, HEADERS: 1, RST_STREAM: 3, SETTINGS: 4, PING: 6, CONTINUATION: 9 } as const;
export const FLAG = { ACK: 1, END_STREAM: 1, END_HEADERS: 4 } as const;
const CANCEL = 8;
const INITIAL_WINDOW_SIZE = 4;

export const PREFACE = Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");

export function frame(type: number, flags: number, stream: number, payload: Buffer = Buffer.alloc(0)): Buffer {
  const head = Buffer.alloc(9);
  head.writeUIntBE(payload.length, 0, 3);
  head.writeUInt8(type, 3);
  head.writeUInt8(flags, 4);
  head.writeUInt32BE(stream, 5);
  return Buffer.concat([head, payload]);
}

/** Our settings. @param window  bytes that the peer may send of each stream; absent: the default */
export function settings(window?: number): Buffer {
  if (window === undefined) return frame(FRAME.SETTINGS, 0, 0);
  const payload = Buffer.alloc(6);
  payload.writeUInt16BE(INITIAL_WINDOW_SIZE, 0);
  payload.writeUInt32BE(window, 2);
  return frame(FRAME.SETTINGS, 0, 0, payload);
}

/** Says that the peer's settings are in force. */
export function acknowledge(): Buffer {
  return frame(FRAME.SETTINGS, FLAG.ACK, 0);
}

export function reset(stream: number): Buffer {
  const payload = Buffer.alloc(4);
  payload.writeUInt32BE(CANCEL);
  return frame(FRAME.RST_STREAM, 0, stream, payload);
}

/** A header block of literals without indexing (RFC 7541, 6.2.2). */
export function headerBlock(headers: Readonly<Record<string, string>>): Buffer {
  const parts = Object.entries(headers).flatMap(([name, value]) => [Buffer.from([0]), literal(name), literal(value)]);
  return Buffer.concat(parts);
}

function literal(text: string): Buffer {
  const bytes = Buffer.from(text);
  const length: number[] = [];
  if (bytes.length < 127) length.push(bytes.length);
  else {
    length.push(127);
    let rest = bytes.length - 127;
    for (; rest >= 128; rest >>= 7) length.push((rest & 127) | 128);
    length.push(rest);
  }
  return Buffer.concat([Buffer.from(length), bytes]);
}

/** The headers of a call of gRPC, and more. */
export function callHeaders(path: string, more: Readonly<Record<string, string>> = {}): Buffer {
  return headerBlock({
    ":method": "POST",
    ":scheme": "http",
    ":path": path,
    ":authority": "attacked",
    "content-type": "application/grpc",
    te: "trailers",
    ...more,
  });
}
