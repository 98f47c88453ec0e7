import { subscribe, unsubscribe } from "node:diagnostics_channel";
import type { Socket } from "node:net";

/**
 * Remembers the sockets that this process opens to servers, so that a command can end: gRPC's channel does not give up a
 * connection that is still on its way when it is closed, and the system tries for minutes where packets are dropped.
 *
 * @returns ends those sockets, and the remembering
 */
export function rememberSockets(): () => void {
  const opened = new Set<Socket>();
  const remember = (message: unknown) => {
    const { socket } = message as { socket: Socket }; // what Node documents of this channel
    opened.add(socket);
    socket.once("close", () => opened.delete(socket));
  };
  subscribe("net.client.socket", remember);
  return () => {
    unsubscribe("net.client.socket", remember);
    for (const socket of opened) socket.destroy();
  };
}
