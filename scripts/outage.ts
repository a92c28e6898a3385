import { Clock, Console, Effect, Layer, Redacted, References, Schema } from "effect"
import { rm } from "node:fs/promises"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { parseArgs } from "node:util"
import { Configuration } from "../src/config/Configuration.ts"
import { Db } from "../src/db/Db.ts"
import { migrate } from "../src/db/Migrations.ts"
import { judgeOutage, outageOrders, outageText, watchExposure } from "./lib/outageVerdict.ts"
import { runToExit } from "./lib/runScript.ts"
import {
  command,
  exitOf,
  postgresServer,
  running,
  simulatorApi,
  spawnMain,
  StagingFailed,
  urlOf
} from "./lib/stagingProcesses.ts"

/*
 * Outage test with real processes. Orders of every lateness policy run at the Kite simulator; the only daemon is killed for half
 * of their window. At the end each order must be what its policy promises, and at no look may more than an order's quantity be
 * filled or open at the simulator, while cancels race with fills (lib/outageVerdict.ts). Needs dist/; takes as long as --minutes.
 *   npm run outage -- --minutes 60 --outage 30
 */
const { values: given } = parseArgs({
  options: {
    minutes: { type: "string", default: "60" },
    outage: { type: "string", default: "30" },
    port: { type: "string", default: "8767" }
  }
})
const [minutes, outageMinutes] = [Number(given.minutes), Number(given.outage)]
/** A thirtieth of the outage: one minute for half an hour. */
const maxLatenessSeconds = Math.max(1, Math.round(outageMinutes * 2))
const folder = fileURLToPath(new URL("../.pulse-background/outage", import.meta.url))
const url = `http://127.0.0.1:${given.port}`
const simulator = simulatorApi(url)
const logOf = (name: string) => join(folder, `${name}.log`)
const accessToken = "outage-token"

const settings = (databaseUrl: string) => ({
  DATABASE_URL: databaseUrl,
  BROKER_TYPE: "zerodha",
  INSTRUMENT_SYNC_TIME: "off",
  TRADING_CALENDAR: "off",
  ZERODHA_URL: url,
  ZERODHA_API_KEY: "simulator-key",
  ZERODHA_ACCESS_TOKEN: accessToken,
  RECONCILE_QUARANTINE_SECONDS: "5",
  SLICE_EXECUTION_TIMEOUT_MINUTES: "0.5",
  BROKER_POLL_INTERVAL_SECONDS: "1"
})

const submitted = Effect.gen(function* () {
  const { sql, execute } = yield* Db
  for (const order of outageOrders) {
    yield* execute(
      "outage.submit",
      sql`INSERT INTO orders ${sql.insert({
        instrument: "NSE:INFY",
        side: "BUY",
        total_quantity: 3000,
        num_splits: 30,
        duration_minutes: minutes,
        randomize: false,
        max_lateness_seconds: maxLatenessSeconds,
        order_unique_key: order.id,
        ...order
      })}`
    )
  }
})

const Running = Schema.Struct({ running: Schema.Int })
const stillRunning = Effect.gen(function* () {
  const { sql, query } = yield* Db
  const [row] = yield* query(
    "outage.running",
    Running,
    sql`SELECT count(*)::int AS running FROM order_progress WHERE state IN ('pending', 'splitting', 'working', 'held')`
  )
  return row?.running ?? 0
})

const until = (moment: number) =>
  Effect.flatMap(Clock.currentTimeMillis, (now) => Effect.sleep(Math.max(0, moment - now)))

const outage = Effect.gen(function* () {
  yield* Effect.promise(() => rm(folder, { recursive: true, force: true }))
  const databaseUrl = urlOf(yield* postgresServer(folder))
  const environment = settings(databaseUrl)
  yield* Effect.gen(function* () {
    yield* migrate
    yield* running(
      // Fills are slow so that cancels hit partially filled orders.
      ["kite-simulator", `--port=${given.port}`, `--access-token=${accessToken}`, "--fill-delay-millis=7000"],
      {},
      logOf("simulator")
    )
    yield* simulator.untilReady
    // Half of the orders stay partially filled, so that there is something to cancel and carry on.
    yield* simulator.post("faults", { partial_fill: 0.5 })
    yield* submitted
    const began = yield* Clock.currentTimeMillis
    const daemon = spawnMain([], environment, logOf("before"))
    yield* Effect.addFinalizer(() => Effect.sync(() => daemon.kill("SIGKILL")))
    const exposure = yield* watchExposure(simulator)

    const goesDownAt = began + ((minutes - outageMinutes) / 2) * 60_000
    const comesBackAt = goesDownAt + outageMinutes * 60_000
    yield* until(goesDownAt)
    daemon.kill("SIGKILL")
    yield* exitOf(daemon)
    yield* Console.log(`The daemon was killed; it comes back in ${outageMinutes} minutes`)
    yield* until(comesBackAt)
    yield* running([], environment, logOf("after"))
    yield* Console.log("It is back")
    yield* until(began + minutes * 60_000)
    yield* Effect.repeat(Effect.delay(stillRunning, "2 seconds"), { while: (left) => left > 0 })
    yield* command(["settle"], environment, logOf("commands"))

    const verdict = yield* judgeOutage({
      minutes,
      maxLatenessSeconds,
      goesDownAt,
      comesBackAt,
      exposure: exposure.worst()
    })
    yield* Console.log(outageText(verdict))
    if (verdict.problems.length > 0) {
      return yield* new StagingFailed({ message: `${verdict.problems.length} things are wrong; logs are in ${folder}` })
    }
    yield* Console.log(
      "Every order ended as its policy promises; at no look, twice a second, was an order's quantity exceeded"
    )
  }).pipe(Effect.provide(Db.layer({ url: Redacted.make(databaseUrl) }).pipe(Layer.provide(Configuration.layer))))
}).pipe(Effect.scoped, Effect.provide(Layer.succeed(References.MinimumLogLevel, "Warn")))

await runToExit(outage)
