import { Option, Redacted, Result } from "effect"
import { BlockList, isIP } from "node:net"
import type { Setting } from "./Setting.ts"

/** An HTTP proxy, through which addresses with `https:` and `wss:` are reached by CONNECT. */
export interface Proxy {
  readonly host: string
  readonly port: number
  /** `user:password` of the proxy. */
  readonly credentials: Option.Option<Redacted.Redacted>
  /** Host and port, without credentials. */
  readonly name: string
}

/** Whether an address is reached without a proxy, by its host (an IPv6 address without brackets) and its port. */
type Rule = (host: string, port: number) => boolean

/** The settings of the way out. */
export interface ProxySettings {
  readonly httpsProxy: Option.Option<Proxy>
  readonly httpProxy: Option.Option<Proxy>
  readonly noProxy: ReadonlyArray<Rule>
}

/** The URL of a proxy, or its host and port alone. Never shown, because it may contain a password. */
export const proxyUrl = (name: "HTTPS_PROXY" | "HTTP_PROXY"): Setting<Option.Option<Proxy>> => ({
  name,
  alias: name.toLowerCase(),
  defaultText: "",
  defaultValue: Option.none(),
  isSecret: true,
  decode: (given) =>
    Result.map(
      Result.fromNullishOr(
        readProxy(given.includes("://") ? given : `http://${given}`),
        () =>
          "the URL of an HTTP proxy, such as http://proxy.example.com:3128; others, as https: and socks5:, are not supported"
      ),
      Option.some
    )
})

const readProxy = (text: string): Proxy | null => {
  if (!URL.canParse(text)) return null
  const { protocol, hostname, port, username, password, pathname, search, hash } = new URL(text)
  const isPlain = protocol === "http:" && hostname !== "" && pathname.length <= 1 && `${search}${hash}` === ""
  const user = decoded(username)
  const secret = decoded(password)
  if (!isPlain || port === "0" || user === null || secret === null) return null
  return {
    host: withoutBrackets(hostname),
    port: portOf(port, protocol),
    credentials: `${username}${password}` === "" ? Option.none() : Option.some(Redacted.make(`${user}:${secret}`)),
    name: `${hostname}:${portOf(port, protocol)}`
  }
}

const decoded = (text: string): string | null => {
  try {
    return decodeURIComponent(text)
  } catch {
    return null
  }
}

/** Hosts that are reached directly, as curl and Go read them: names with all below them, addresses, networks, `*`, each with a port or without. */
export const noProxy: Setting<ReadonlyArray<Rule>> = {
  name: "NO_PROXY",
  alias: "no_proxy",
  defaultText: "",
  defaultValue: [],
  maxLength: 65_536,
  decode: (given) => {
    const rules = given
      .split(/[\s,]+/)
      .filter((word) => word !== "")
      .map(ruleOf)
    const known = rules.filter((rule) => rule !== null)
    return known.length === rules.length
      ? Result.succeed(known)
      : Result.fail("a list such as example.com,.internal,10.0.0.0/8,192.168.1.7:8080,[::1], or *")
  }
}

const ruleOf = (word: string): Rule | null => {
  if (word === "*") return () => true
  const network = /^([0-9a-f.:]+)\/(\d{1,3})$/i.exec(word)
  if (network !== null) return networkRule(network[1] ?? "", Number(network[2]))
  const literal = isIP(word) === 0 ? /^(?:\[([0-9a-f.:]+)\]|([^:[\]]+))(?::(\d{1,5}))?$/i.exec(word) : [word, word]
  if (literal === null) return null
  const name = (literal[1] ?? literal[2] ?? "").toLowerCase()
  const port = literal[3] === undefined ? null : Number(literal[3])
  const isOfPort = (other: number) => port === null || port === other
  if (isIP(name) > 0) {
    const isOf = networkRule(name, isIP(name) === 4 ? 32 : 128)
    return isOf === null ? null : (host, other) => isOfPort(other) && isOf(host, other)
  }
  const domain = name.replace(/^\*?\./, "")
  if (!/^[\w-]+(\.[\w-]+)*$/.test(domain)) return null
  return (host, other) => isOfPort(other) && (host.endsWith(`.${domain}`) || (host === domain && domain === name))
}

const networkRule = (address: string, bits: number): Rule | null => {
  const version = isIP(address)
  if (version === 0 || bits > (version === 4 ? 32 : 128)) return null
  const list = new BlockList()
  list.addSubnet(address, bits, version === 4 ? "ipv4" : "ipv6")
  return (host) => isIP(host) > 0 && list.check(host, isIP(host) === 4 ? "ipv4" : "ipv6")
}

const defaultPorts: Readonly<Record<string, number>> = { "https:": 443, "wss:": 443, "http:": 80, "ws:": 80 }

const portOf = (port: string, protocol: string): number => (port === "" ? (defaultPorts[protocol] ?? 0) : Number(port))

const withoutBrackets = (hostname: string): string => hostname.replace(/^\[(.*)\]$/, "$1")

/** Whether this is the host itself, by name or address; such an address is never reached through a proxy. */
export const isLoopback = (hostname: string): boolean => /^localhost\.?$|^127(\.\d+){3}$|^\[?::1\]?$/.test(hostname)

/** The proxy through which a host and port is reached with TLS; none: directly. */
export const proxyFor = ({ httpsProxy, noProxy }: ProxySettings, host: string, port: number): Option.Option<Proxy> =>
  isDirect(noProxy, host, port) ? Option.none() : httpsProxy

const isDirect = (rules: ReadonlyArray<Rule>, host: string, port: number): boolean =>
  isLoopback(host) || rules.some((rule) => rule(host.toLowerCase().replace(/\.$/, ""), port))

/** The same for the address of a URL. */
export const proxyOf = (settings: ProxySettings, address: string): Option.Option<Proxy> => {
  const { protocol, hostname, port } = new URL(address)
  return protocol === "https:" || protocol === "wss:"
    ? proxyFor(settings, withoutBrackets(hostname), portOf(port, protocol))
    : Option.none()
}

/**
 * Whether HTTP_PROXY asks for the way to an address without TLS. This service has none: it would have to show the proxy what it
 * sends.
 */
export const isThroughHttpProxy = ({ httpProxy, noProxy }: ProxySettings, address: string): boolean => {
  const { protocol, hostname, port } = new URL(address)
  return (
    Option.isSome(httpProxy) &&
    (protocol === "http:" || protocol === "ws:") &&
    !isDirect(noProxy, withoutBrackets(hostname), portOf(port, protocol))
  )
}
