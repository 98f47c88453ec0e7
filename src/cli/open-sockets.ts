import { subscribe, unsubscribe } from "node:diagnostics_channel";
import type { Socket } from "node:net";

/**
 * Remembers the sockets that this process opens to a server, so that a command can end: gRPC's channel does not give up a
 * connection that is still on its way when it is closed, and the system tries for minutes where packets are dropped.
 *
 * @param address  host:port of the server; sockets to other ports stay, for they belong to others
 * @returns ends those sockets, and the remembering
 */
export function rememberSockets(address: string): () => void {
  const port = Number(/:(\d+)$/.exec(address)?.[1]);
  const opened = new Set<Socket>();
  const remember = (message: unknown) => {
    const { socket } = message as { socket: Socket }; // what Node documents of this channel
    opened.add(socket);
    socket.once("close", () => opened.delete(socket));
  };
  subscribe("net.client.socket", remember);
  return () => {
    unsubscribe("net.client.socket", remember);
    for (const socket of opened) if (socket.connecting || socket.remotePort === port) socket.destroy();
  };
}
