import { expect, it } from "vitest";
import { addressOf } from "../../../src/server/access/address.ts";

it.each([
  ["10.1.2.3:4711", "10.1.2.3"],
  ["::ffff:10.1.2.3:4711", "10.1.2.3"],
  ["[2001:db8:1:2:3:4:5:6]:80", "2001:db8:1:2::/64"],
  ["[2001:db8:1:2:ffff::1]:80", "2001:db8:1:2::/64"],
  ["[2001:db8::1]:80", "2001:db8:0:0::/64"],
  ["[::1]:80", "0:0:0:0::/64"],
  ["[fe80::1%eth0]:80", "fe80:0:0:0::/64"],
  ["unknown:0", "unknown"],
])("the limits of a peer at %s are those of %s", (peer, address) => expect(addressOf(peer)).toBe(address));
