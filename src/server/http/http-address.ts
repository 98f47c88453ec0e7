import type { Server } from "node:http";
import type { AddressInfo } from "node:net";
import { AlbertError } from "../../errors.ts";

// Addresses of HTTP listeners: host, port, and the port that was bound.

/** Host of a `host:port`, without brackets. */
export function hostOf(address: string): string {
  return address.slice(0, address.lastIndexOf(":")).replace(/^\[|\]$/g, "");
}

/** @throws AlbertError precondition ADDRESS_UNAVAILABLE when the address cannot be bound */
export async function listen(server: Server, address: string): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    server.once("error", (cause) => {
      const message = `cannot listen on ${address}: choose another address, or stop what uses it`;
      reject(new AlbertError("precondition", message, { reason: "ADDRESS_UNAVAILABLE", cause }));
    });
    server.listen(Number(address.slice(address.lastIndexOf(":") + 1)), hostOf(address), resolve);
  });
}

/** The address with the port that was bound, where it asked for any. */
export function boundPort(server: Server, address: string): string {
  const { port } = server.address() as AddressInfo; // a listening TCP server has one
  return `${address.slice(0, address.lastIndexOf(":"))}:${port}`;
}
