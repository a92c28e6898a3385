import { Duration, Redacted, Result } from "effect"
import { isIPv6 } from "node:net"
import { type ParameterName, parameterNames, parameterOf } from "./databaseParameters.ts"
import { readUrl, type UrlParts } from "./databaseUrl.ts"
import { plainNumber } from "./Setting.ts"
import { readStartupOptions, type SessionSettings } from "./startupOptions.ts"

const sslModes = ["disable", "allow", "prefer", "require", "verify-ca", "verify-full"] as const
export type SslMode = (typeof sslModes)[number]

/** Which servers of a list may be used: any that answers, one that takes writes, or one that is no standby. */
const targets = ["any", "read-write", "primary"] as const
export type ServerTarget = (typeof targets)[number]

const tlsVersions = ["TLSv1.2", "TLSv1.3"] as const
export type TlsVersion = (typeof tlsVersions)[number]

export interface DatabaseHost {
  /** A name, an address, or the folder of a unix socket, which begins with `/`. */
  readonly host: string
  readonly port: number
}

export interface TlsRules {
  readonly mode: SslMode
  /** A file of certificates, or `system` for the authorities that this host and Node.js trust. Null: none was named. */
  readonly rootCertificate: string | null
  /** Files of the client's own certificate and its key. */
  readonly clientCertificate: { readonly certificate: string; readonly key: string } | null
  readonly keyPassword: Redacted.Redacted | null
  readonly minVersion: TlsVersion | null
  readonly maxVersion: TlsVersion | null
}

/** Where the database is and how to connect to it: all that DATABASE_URL and the variables of libpq say. */
export interface DatabaseAddress {
  readonly hosts: ReadonlyArray<DatabaseHost>
  readonly database: string
  readonly user: string
  readonly password: Redacted.Redacted | null
  /** The file that has the password if there is none here; it must exist if it was named. */
  readonly passwordFile: { readonly path: string; readonly isNamed: boolean } | null
  readonly tls: TlsRules
  readonly target: ServerTarget
  readonly sessionSettings: SessionSettings
  readonly applicationName: string
  /** For each host. */
  readonly connectTimeout: Duration.Duration
  /** Null: no keep-alives are sent. */
  readonly keepAlive: Duration.Duration | null
}

/** What stands behind the URL. */
export interface AddressDefaults {
  /** The environment variables of libpq that are set. */
  readonly variables: ReadonlyMap<string, string>
  /** DATABASE_CA_FILE. */
  readonly authorityFile: string | null
  /** The account of this process, and its home. */
  readonly account: string | null
  readonly home: string | null
}

export const noDefaults: AddressDefaults = { variables: new Map(), authorityFile: null, account: null, home: null }

/** Reads DATABASE_URL. Fails with every problem, in lines that name the variable and show no value that may be secret. */
export const readDatabaseAddress = (
  url: string,
  defaults: AddressDefaults
): Result.Result<DatabaseAddress, ReadonlyArray<string>> =>
  Result.flatMap(readUrl(url), (parts) => {
    const values = new Values(parts, defaults)
    const address = assemble(values, defaults)
    return values.problems.length === 0 ? Result.succeed(address) : Result.fail(values.problems)
  })

/** The value of each parameter, from the URL or from its variable, and the problems with them. */
class Values {
  readonly problems: Array<string> = []
  readonly #parts: UrlParts
  readonly #variables: ReadonlyMap<string, string>

  constructor(parts: UrlParts, { variables }: AddressDefaults) {
    this.#parts = parts
    this.#variables = variables
    for (const name of parameterNames) {
      const { only, instead } = parameterOf(name)
      const value = this.get(name)
      if (only === undefined || value === null || only.includes(value)) continue
      const wanted = only[0] === undefined ? "must not be set" : `must be ${only.join(" or ")}`
      this.problems.push(`${this.label(name)} ${wanted}: ${instead}`)
    }
  }

  isInUrl(name: ParameterName): boolean {
    return this.#parts.has(name)
  }

  get(name: ParameterName): string | null {
    const { variable } = parameterOf(name)
    return this.#parts.get(name) ?? (variable === undefined ? null : (this.#variables.get(variable) ?? null))
  }

  /** The name of a parameter in a problem. */
  label(name: ParameterName): string {
    const { variable } = parameterOf(name)
    return this.isInUrl(name) || variable === undefined ? `DATABASE_URL: ${name}` : variable
  }

  refuse(name: ParameterName, must: string): void {
    this.problems.push(`${this.label(name)} must ${must}`)
  }

  oneOf<const A extends string>(name: ParameterName, choices: ReadonlyArray<A>, hint = ""): A | null {
    const value = this.get(name)
    const found = choices.find((choice) => choice === value)
    if (value !== null && found === undefined) this.refuse(name, `be one of ${choices.join(", ")}${hint}`)
    return found ?? null
  }

  whole(name: ParameterName, minimum: number, maximum: number): number | null {
    const text = this.get(name)
    if (text === null) return null
    const value = wholeNumber(text, minimum, maximum)
    if (value === null) this.refuse(name, `be a whole number from ${minimum} to ${maximum}`)
    return value
  }
}

const wholeNumber = (text: string, minimum: number, maximum: number): number | null => {
  const value = plainNumber(text)
  return value !== null && Number.isInteger(value) && value >= minimum && value <= maximum ? value : null
}

const defaultPort = 5432

const assemble = (values: Values, defaults: AddressDefaults): DatabaseAddress => {
  const user = values.get("user") ?? defaults.account
  if (user === null) values.problems.push("DATABASE_URL must have a user: this process's account has no name")
  const password = values.get("password")
  const hosts = hostsOf(values)
  return {
    hosts,
    database: values.get("dbname") ?? user ?? "",
    user: user ?? "",
    password: password === null ? null : Redacted.make(password),
    passwordFile: passwordFileOf(values, defaults),
    tls: tlsOf(values, defaults),
    // The service writes, so a server that takes no writes is of no use to it.
    target:
      values.oneOf("target_session_attrs", targets, ": the service writes") ??
      (hosts.length > 1 ? "read-write" : "any"),
    sessionSettings: sessionSettingsOf(values),
    applicationName: values.get("application_name") ?? "pulse-background",
    connectTimeout: Duration.seconds(values.whole("connect_timeout", 1, 300) ?? 5),
    keepAlive: keepAliveOf(values)
  }
}

const hostsOf = (values: Values): ReadonlyArray<DatabaseHost> => {
  const hosts = (values.get("host") ?? "localhost").split(",").map((host) => (host === "" ? "localhost" : host))
  const ports = (values.get("port") ?? "").split(",")
  if (ports.length !== 1 && ports.length !== hosts.length) {
    values.refuse("port", `be one port, or one for each of the ${hosts.length} hosts`)
  }
  const numbers = ports.map((port) => (port === "" ? defaultPort : wholeNumber(port, 1, 65_535)))
  if (numbers.includes(null)) values.refuse("port", "be a whole number from 1 to 65535")
  if (hosts.some((host) => /[\s@?#]/.test(host))) {
    values.refuse(
      "host",
      "be names, addresses or folders of sockets, and a password must have %20, %40, %3F and %23 for a space, @, ? and #"
    )
  } else if (hosts.some((host) => host.includes(":") && !host.startsWith("/") && !isIPv6(host))) {
    values.refuse("host", "be names or addresses alone: write the ports as port=5432,5433")
  }
  return hosts.map((host, index) => ({ host, port: numbers[ports.length === 1 ? 0 : index] ?? defaultPort }))
}

const passwordFileOf = (values: Values, { home }: AddressDefaults): DatabaseAddress["passwordFile"] => {
  const named = values.get("passfile")
  if (named !== null) return { path: named, isNamed: true }
  return home === null ? null : { path: `${home}/.pgpass`, isNamed: false }
}

const tlsOf = (values: Values, { authorityFile }: AddressDefaults): TlsRules => {
  const given = values.oneOf("sslmode", sslModes)
  if (authorityFile !== null && values.isInUrl("sslrootcert")) {
    values.problems.push("DATABASE_CA_FILE must not be set together with sslrootcert in DATABASE_URL")
  }
  const isInUrl = values.isInUrl("sslrootcert")
  const rootCertificate = (isInUrl ? null : authorityFile) ?? values.get("sslrootcert")
  // An authority is named in order to be asked.
  const mode = given ?? (rootCertificate === null ? "prefer" : "verify-full")
  const rootLabel = !isInUrl && authorityFile !== null ? "DATABASE_CA_FILE" : values.label("sslrootcert")
  if (rootCertificate !== null && ["disable", "allow", "prefer"].includes(mode)) {
    values.problems.push(`${rootLabel} must not be set with sslmode=${mode}, which verifies nothing: write verify-full`)
  }
  if (rootCertificate === "system" && (mode === "require" || mode === "verify-ca")) {
    values.problems.push(`${rootLabel} must not be system with sslmode=${mode}: write sslmode=verify-full`)
  }
  const certificate = values.get("sslcert")
  const key = values.get("sslkey")
  if ((certificate === null) !== (key === null)) {
    const [given, missing] = certificate === null ? (["sslkey", "sslcert"] as const) : (["sslcert", "sslkey"] as const)
    values.refuse(given, `be set together with ${missing}`)
  }
  const keyPassword = values.get("sslpassword")
  if (keyPassword !== null && key === null) values.refuse("sslpassword", "be set together with sslcert and sslkey")
  const minVersion = values.oneOf("ssl_min_protocol_version", tlsVersions)
  const maxVersion = values.oneOf("ssl_max_protocol_version", tlsVersions)
  if (minVersion === "TLSv1.3" && maxVersion === "TLSv1.2") {
    values.refuse("ssl_max_protocol_version", "not be less than ssl_min_protocol_version")
  }
  return {
    mode,
    rootCertificate,
    clientCertificate: certificate === null || key === null ? null : { certificate, key },
    keyPassword: keyPassword === null ? null : Redacted.make(keyPassword),
    minVersion,
    maxVersion
  }
}

const sessionSettingsOf = (values: Values): SessionSettings => {
  const settings = readStartupOptions(values.get("options") ?? "")
  if (Result.isSuccess(settings)) return settings.success
  values.refuse("options", settings.failure)
  return {}
}

const keepAliveOf = (values: Values): Duration.Duration | null => {
  const isOn = values.oneOf("keepalives", ["0", "1"]) !== "0"
  const seconds = values.whole("keepalives_idle", 1, 86_400) ?? 10
  return isOn ? Duration.seconds(seconds) : null
}

/** Whether a host is this one. */
export const isLocalHost = (host: string): boolean =>
  host.startsWith("/") || host === "localhost" || host === "::1" || /^127(\.\d+){3}$/.test(host)

/** The servers without credentials, for messages: `a:5432,b:5432/database`. */
export const addressText = ({ hosts, database }: DatabaseAddress): string =>
  `${hosts.map(hostText).join(",")}/${database}`

export const hostText = ({ host, port }: DatabaseHost): string => `${isIPv6(host) ? `[${host}]` : host}:${port}`

/** Whether what the mode asks for proves which server it is. */
export const isVerified = ({ mode, rootCertificate }: TlsRules): boolean =>
  mode === "verify-full" || mode === "verify-ca" || (mode === "require" && rootCertificate !== null)
