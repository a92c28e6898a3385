import { Result } from "effect"
import { insteadOf, type ParameterName, parameterNames } from "./databaseParameters.ts"

/** The parts of a database URL as libpq reads them, decoded. Hosts and ports are comma-separated lists. */
export type UrlParts = ReadonlyMap<ParameterName, string>

export const urlExample = "postgres://user:password@host:5432/database"

const escapesNeeded = "DATABASE_URL must be a URL whose user and password have %2F, %3F, %23 and %40 for /, ?, # and @"
const notAUrl = `DATABASE_URL must be a URL such as ${urlExample}`
const percentNeeded =
  "DATABASE_URL must have %25 for each % that does not begin an escape such as %2F, also in the password"

/**
 * Takes a URL `postgres://user:password@host:port,host:port/database?name=value` apart. Fails with every problem; none shows
 * a value, because a password with characters that are not escaped may end up in any part.
 */
export const readUrl = (url: string): Result.Result<UrlParts, ReadonlyArray<string>> => {
  const [, rest] = /^postgres(?:ql)?:\/\/(.*)$/is.exec(url) ?? []
  if (rest === undefined) return Result.fail([notAUrl])
  const [, authority = "", path = "", query = ""] = /^([^/?#]*)(?:\/([^?#]*))?(?:\?([^#]*))?/s.exec(rest) ?? []
  const isAllRead = !rest.includes("#") && authority.split("@").length <= 2
  if (!isAllRead || `${path}${query}`.includes("@")) return Result.fail([escapesNeeded])
  if (/%(?![0-9a-f]{2})/i.test(rest)) return Result.fail([percentNeeded])

  const reading = new Reading()
  const [servers = "", credentials] = authority.split("@").toReversed()
  if (credentials !== undefined) {
    const at = credentials.includes(":") ? credentials.indexOf(":") : credentials.length
    reading.take("user", credentials.slice(0, at))
    reading.take("password", credentials.slice(at + 1))
  }
  readServers(servers, reading)
  reading.take("dbname", path)
  for (const part of query.split("&")) if (part !== "") readParameter(part, reading)
  return reading.problems.length === 0 ? Result.succeed(reading.parts) : Result.fail(reading.problems)
}

/** What was read so far, and the problems with it. */
class Reading {
  readonly parts = new Map<ParameterName, string>()
  readonly problems: Array<string> = []
  /** Whether the password was a parameter, so that what follows may be its rest. */
  isBehindPassword = false

  /** Notes a part, decoded. An empty one counts as not given. */
  take(name: ParameterName, encoded: string): void {
    if (encoded === "") return
    if (this.parts.has(name)) {
      this.problems.push(`DATABASE_URL must not give ${name} twice, such as before the question mark and after it`)
      return
    }
    try {
      const text = decodeURIComponent(encoded)
      if (text.includes("\u0000")) this.problems.push(`DATABASE_URL must not have %00 in ${name}`)
      this.parts.set(name, text)
    } catch {
      this.problems.push(`DATABASE_URL must have ${name} in UTF-8 behind its % signs`)
    }
  }
}

/** `host:port,host:port`; an IPv6 address is in brackets, and a socket's folder has %2F for /. */
const readServers = (servers: string, reading: Reading): void => {
  if (servers === "") return
  const hosts: Array<string> = []
  const ports: Array<string> = []
  for (const server of servers.split(",")) {
    const [, address, name, port = ""] = /^(?:\[([^\]]*)\]|([^:[\]]*))(?::(\d*))?$/.exec(server) ?? []
    const host = address ?? name
    if (host === undefined) {
      reading.problems.push(
        "DATABASE_URL must have hosts such as host:5432 or [::1]:5432, and in a password %3A, %5B and %2C for :, [ and ,"
      )
      return
    }
    hosts.push(host)
    ports.push(port)
  }
  reading.take("host", hosts.join(","))
  if (ports.some((port) => port !== "")) reading.take("port", ports.join(","))
}

/** `name=value`. Without a value it is refused: what was meant to be said, such as `sslmode=$MODE`, is not known. */
const readParameter = (part: string, reading: Reading): void => {
  const at = part.includes("=") ? part.indexOf("=") : part.length
  const given = part.slice(0, at)
  const value = part.slice(at + 1)
  const name = parameterNames.find((known) => known === given)
  if (name === undefined) {
    reading.problems.push(unknownParameter(given, at === part.length || reading.isBehindPassword))
  } else if (value === "") {
    reading.problems.push(`DATABASE_URL must have a value for ${name}, or not name it`)
  } else reading.take(name, value)
  if (name === "password") reading.isBehindPassword = true
}

const maxShown = 40

/** What other clients have may be shown; anything else may be the rest of a password. */
const unknownParameter = (name: string, mayBeSecret: boolean): string => {
  const instead = insteadOf(name)
  return instead === null && mayBeSecret
    ? "DATABASE_URL must have name=value for each parameter, with a name of PostgreSQL, and %26 for & in a password"
    : `DATABASE_URL must not have the parameter ${name.slice(0, maxShown)}: ${instead ?? generalAdvice}`
}

const generalAdvice = "leave it out; doc/guides/database.md lists the parameters"
