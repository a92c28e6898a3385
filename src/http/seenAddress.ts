import { Option } from "effect"
import { BlockList, isIP } from "node:net"
import type { Taken } from "./wayOut.ts"

/** Addresses that no server elsewhere sees: something on the way puts its own in their place. */
const inner = new BlockList()
for (const [network, bits] of [
  ["10.0.0.0", 8],
  ["100.64.0.0", 10],
  ["169.254.0.0", 16],
  ["172.16.0.0", 12],
  ["192.168.0.0", 16]
] as const) {
  inner.addSubnet(network, bits, "ipv4")
}
for (const [network, bits] of [
  ["fc00::", 7],
  ["fe80::", 10]
] as const) {
  inner.addSubnet(network, bits, "ipv6")
}
const loopback = new BlockList()
loopback.addSubnet("127.0.0.0", 8, "ipv4")
loopback.addAddress("::1", "ipv6")

/** Which address the server at the other end sees, as far as this host can know; a part of a sentence. */
export const seenAddress = ({ local, proxy }: Taken): string => {
  if (Option.isSome(proxy)) return `the server sees the one of the proxy ${proxy.value}, or of what is behind that`
  const address = local.replace(/^::ffff:(?=\d+\.)/, "")
  const family = isIP(address) === 6 ? "ipv6" : "ipv4"
  if (isIP(address) === 0) return "this host's is not known"
  if (loopback.check(address, family)) return `${address}, which is this very host`
  return inner.check(address, family)
    ? `this host's is ${address}, which is private: the server sees the one of the router or gateway on the way`
    : `${address}, if nothing on the way puts another one in its place`
}
