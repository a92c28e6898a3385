import { Result } from "effect"

/** Settings of a session by name. */
export type SessionSettings = Readonly<Record<string, string>>

/** What the service sets itself on each connection, and what to set instead. */
const reserved: Readonly<Record<string, string>> = {
  statement_timeout: "DATABASE_STATEMENT_TIMEOUT_SECONDS sets it",
  lock_timeout: "it follows DATABASE_STATEMENT_TIMEOUT_SECONDS",
  idle_in_transaction_session_timeout: "it follows DATABASE_STATEMENT_TIMEOUT_SECONDS",
  default_transaction_isolation: "the service needs READ COMMITTED",
  default_transaction_read_only: "the service writes",
  timezone: "it is always UTC",
  client_encoding: "it is always UTF8",
  jit: "it is always off",
  application_name: "application_name is a parameter of its own",
  datestyle: "the service needs ISO",
  intervalstyle: "the service needs postgres",
  standard_conforming_strings: "the service needs on",
  bytea_output: "the service needs hex",
  role: "connect as the role itself",
  session_authorization: "connect as the role itself",
  session_replication_role: "the triggers must run",
  transaction_timeout:
    "a transaction is as long as DATABASE_STATEMENT_TIMEOUT_SECONDS, and a migration as long as it needs"
}

/**
 * The settings in the text of libpq's `options`, such as `-c search_path=trading`. Words are separated by spaces, and a
 * backslash escapes a space or a backslash. Fails with words that complete "options must …".
 */
export const readStartupOptions = (text: string): Result.Result<SessionSettings, string> => {
  const words = [...text.matchAll(/(?:\\[\s\S]|[^\s\\])+/g)].map(([word]) => word.replaceAll(/\\([\s\S])/g, "$1"))
  const found: Record<string, string> = {}
  while (words.length > 0) {
    const word = words.shift() ?? ""
    if (/^(endpoint|project|reference)=/.test(word)) {
      return Result.fail("not name an endpoint or a project: the name of the host, which TLS tells the server, does")
    }
    const pair = word === "-c" ? (words.shift() ?? "") : (/^(?:-c|--)(.+)$/s.exec(word)?.[1] ?? "")
    const [, given = "", value = ""] = /^([A-Za-z_][\w.-]*)=(.*)$/s.exec(pair) ?? []
    if (given === "") return Result.fail("have the form -c name=value, with \\ before a space in the value")
    const name = given.toLowerCase().replaceAll("-", "_")
    const reason = reserved[name]
    if (reason !== undefined) return Result.fail(`not set ${name}: ${reason}`)
    found[name] = value
  }
  return Result.succeed(found)
}
