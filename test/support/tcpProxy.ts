import { Effect, Redacted, type Scope } from "effect"
import { type Proxy, proxyTo } from "../../scripts/lib/tcpProxy.ts"
import type { DbTarget } from "../../src/db/connect.ts"
import { targetOf } from "./database.ts"

/** The connection between Db and the test server, under the test's control. */
export interface Network extends Proxy {
  readonly target: Extract<DbTarget, { host: string }>
}

/** A database of the test server behind such a connection. */
export const networkTo = (database: string): Effect.Effect<Network, never, Scope.Scope> => {
  const server = targetOf(database)
  return Effect.map(proxyTo({ path: `${server.host}/.s.PGSQL.${server.port}` }), (proxy) => ({
    ...proxy,
    target: { ...server, host: "127.0.0.1", port: proxy.port }
  }))
}

/** DATABASE_URL of a target with the given password. */
export const urlOfTarget = ({ username, host, port, database }: Network["target"], password: Redacted.Redacted) =>
  Redacted.make(
    `postgres://${username}:${encodeURIComponent(Redacted.value(password))}@${encodeURIComponent(host)}:${port}/${database}`
  )
