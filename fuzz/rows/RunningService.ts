import { Console, Effect, Layer, type Scope } from "effect"
import { createServer } from "node:http"
import { daemonWith } from "../../src/Daemon.ts"
import { Db } from "../../src/db/Db.ts"
import { migrate } from "../../src/db/Migrations.ts"
import { LoggingLayer } from "../../src/runtime/Logging.ts"
import { configurationOf } from "../harness/configurationOf.ts"
import type { FuzzTarget } from "../harness/FuzzRun.ts"
import { PlacedOrders } from "./PlacedOrders.ts"

/** Words that nobody but the service may ever see. */
export const plantedSecrets = [
  "PLANTED-api-key",
  "PLANTED-api-secret",
  "PLANTED-access-token",
  "PLANTED-webhook"
] as const
const [apiKey, apiSecret, accessToken, webhook] = plantedSecrets

/** What the service does and says while it runs. */
export interface RunningService {
  readonly placedOrders: PlacedOrders
  /** Takes the lines that were logged, and the bodies that were sent to the webhook, since the last time. */
  readonly take: () => { readonly lines: ReadonlyArray<string>; readonly bodies: ReadonlyArray<string> }
}

/** The whole daemon in this process, with the mock broker, on a database, until the scope closes. */
export const runningService = Effect.fnUntraced(function* (
  target: FuzzTarget,
  environment: Readonly<Record<string, string>>
): Effect.fn.Return<RunningService, unknown, Scope.Scope> {
  const placedOrders = new PlacedOrders()
  let lines: Array<string> = []
  let bodies: Array<string> = []
  const url = yield* webhookServer((body) => bodies.push(body))
  const settings = configurationOf({
    ...quick,
    ZERODHA_API_KEY: apiKey,
    ZERODHA_API_SECRET: apiSecret,
    ZERODHA_ACCESS_TOKEN: accessToken,
    NOTIFY_WEBHOOK_URL: `${url}/${webhook}`,
    ...environment
  })
  const database = Layer.fresh(Db.layer(target))
  yield* Effect.provide(migrate, Layer.provide(database, settings), { local: true })
  const services = database.pipe(Layer.provideMerge(Layer.fresh(LoggingLayer)), Layer.provideMerge(settings))
  const log = (line: unknown) => void lines.push(String(line))
  yield* Effect.addFinalizer(() =>
    Effect.sync(() => {
      // The daemon sets it when it is told to stop: it is the exit code of this program.
      process.exitCode = undefined
    })
  )
  yield* daemonWith(placedOrders.broker).pipe(
    Effect.provide(services, { local: true }),
    Effect.provideService(Console.Console, { ...console, log }),
    Effect.tapCause((cause) => Effect.sync(() => log(`the daemon ended: ${String(cause)}`))),
    Effect.forkScoped
  )
  return {
    placedOrders,
    take: () => {
      const said = { lines, bodies }
      lines = []
      bodies = []
      return said
    }
  }
})

/** Short intervals, so that a row that needs the monitor does not hold up its batch for long. */
const quick = {
  ORDER_SPLITTER_POLL_INTERVAL_SECONDS: "1",
  ORDER_SPLIT_TIMEOUT_MINUTES: "0.05",
  ORDER_SPLIT_MAX_ATTEMPTS: "100",
  TIMEOUT_MONITOR_POLL_INTERVAL_SECONDS: "1",
  BROKER_POLL_INTERVAL_SECONDS: "1",
  MOCK_BROKER_LATENCY_MILLIS: "0",
  MOCK_BROKER_LATENCY_JITTER_MILLIS: "0",
  MOCK_BROKER_FILL_DELAY_MILLIS: "0",
  SHUTDOWN_GRACE_SECONDS: "1"
}

/** A receiver of notifications on a free port of this host, until the scope closes; returns its address. */
const webhookServer = (onBody: (body: string) => void): Effect.Effect<string, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.callback<{ readonly url: string; readonly close: () => void }>((resume) => {
      const server = createServer((request, response) => {
        let body = ""
        request.setEncoding("utf8")
        request.on("data", (chunk: string) => (body += chunk))
        request.on("end", () => {
          onBody(body)
          response.end()
        })
      })
      server.listen(0, "127.0.0.1", () => {
        const address = server.address()
        const port = typeof address === "object" ? address?.port : 0
        resume(
          Effect.succeed({
            url: `http://127.0.0.1:${port}`,
            close: () => {
              server.close()
              server.closeAllConnections()
            }
          })
        )
      })
    }),
    ({ close }) => Effect.sync(close)
  ).pipe(Effect.map(({ url }) => url))
