import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { Console, Effect, Logger } from "effect"
import { type EmbeddedServer, ownServer, useServer } from "../../src/db/EmbeddedPostgres.ts"

/*
 * A process that holds the embedded PostgreSQL until a signal ends it:
 *   node embeddedPostgresHolder.ts own|use <folder> <system folder>
 * It writes one line, a Holding as JSON, when it has the server or failed to get it.
 */
export type Holding =
  | { readonly has: "server"; readonly pid: number; readonly host: string; readonly startedByUs: boolean }
  | { readonly has: "error"; readonly message: string }

const report = (holding: Holding) => Console.log(JSON.stringify(holding))

const reportServer = ({ pid, host, startedByUs }: EmbeddedServer) => report({ has: "server", pid, host, startedByUs })

const [kind, folder = "", systemFolder = ""] = process.argv.slice(2)
const options = { folder, systemFolder }

if (kind === "own" || kind === "use") {
  ;(kind === "own" ? ownServer(options) : useServer(options)).pipe(
    Effect.flatMap(reportServer),
    Effect.andThen(Effect.never),
    Effect.catch(({ message }) => report({ has: "error", message })),
    Effect.scoped,
    Effect.provide(Logger.layer([])),
    NodeRuntime.runMain
  )
}
