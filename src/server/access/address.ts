import { isIPv6 } from "node:net";

const GROUPS = 8;
/** Groups of an IPv6 address that name a network: whoever has one address of it has all. */
const NETWORK_GROUPS = 4;

/**
 * Whose address a peer's is, without its port: an IPv4 address, or the network (/64) of an IPv6 address.
 *
 * @param peer  `host:port`, with an IPv6 host in brackets or not
 */
export function addressOf(peer: string): string {
  const host = peer.replace(/:\d+$/, "").replace(/^\[|\]$/g, "");
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(host)?.[1];
  const address = mapped ?? host.replace(/%.*$/, "");
  if (!isIPv6(address)) return address;
  const [head = "", tail] = address.split("::", 2);
  const before = head.split(":").filter((group) => group !== "");
  const after = tail?.split(":").filter((group) => group !== "") ?? [];
  const missing = tail === undefined ? 0 : Math.max(0, GROUPS - before.length - after.length);
  const groups = [...before, ...new Array<string>(missing).fill("0"), ...after];
  const network = groups.slice(0, NETWORK_GROUPS).map((group) => Number.parseInt(group, 16).toString(16));
  return `${network.join(":")}::/64`;
}
