import { randomInt } from "node:crypto";
import { createServer } from "node:net";

/** Below the ports from which systems choose for connections and for those that ask for any: nothing else takes one of these meanwhile. */
const LOWEST = 20_000;
const BEYOND = 32_000;
const TRIES = 100;

/** A port of 127.0.0.1 on which nothing listens, for a server that has to be told one. */
export async function freePort(): Promise<number> {
  for (let left = TRIES; left > 0; left--) {
    const port = randomInt(LOWEST, BEYOND);
    if (await isFree(port)) return port;
  }
  throw new Error(`none of ${TRIES} ports from ${LOWEST} to ${BEYOND} is free`);
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once("error", () => resolve(false));
    server.listen(port, "127.0.0.1", () => server.close(() => resolve(true)));
  });
}
