import { Clock, Console, Effect, Exit, Layer, Option, Redacted, References, Schema } from "effect"
import type { ChildProcess } from "node:child_process"
import { rm } from "node:fs/promises"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { parseArgs } from "node:util"
import { Configuration } from "../src/Configuration.ts"
import { Db } from "../src/db/Db.ts"
import { migrate } from "../src/db/Migrations.ts"
import { seededRandom } from "../src/domain/SeededRandom.ts"
import { command, exitOf, postgres, running, simulatorApi, spawnMain, StagingFailed } from "./lib/staging.ts"
import { judge, type Verdict } from "./lib/verdict.ts"

/*
 * Several daemons place slices at the Kite simulator while every fault is on and daemons are killed; then the simulator's
 * ledger is held against the database. Exit 0 only when nothing was placed twice, lost, early or beyond the limits.
 *   npm run chaos -- --slices 10000 --daemons 3 --kill-every 5
 */
const { values: given } = parseArgs({
  options: {
    slices: { type: "string", default: "1000" },
    minutes: { type: "string", default: "2" },
    daemons: { type: "string", default: "3" },
    "kill-every": { type: "string", default: "5" },
    "fault-rate": { type: "string", default: "0.3" },
    "longest-delay": { type: "string", default: "20" },
    "per-second": { type: "string", default: "50" },
    "per-minute": { type: "string", default: "2400" },
    "per-day": { type: "string", default: "1000000" },
    seed: { type: "string", default: "chaos" },
    port: { type: "string", default: "8766" }
  }
})

const slices = Number(given.slices)
const slicesPerOrder = 100
const folder = fileURLToPath(new URL("../.pulse-background/chaos", import.meta.url))
const url = `http://127.0.0.1:${given.port}`
const simulator = simulatorApi(url)
const logOf = (name: string) => join(folder, `${name}.log`)
const random = seededRandom(given.seed)

const settings = (databaseUrl: string) => ({
  DATABASE_URL: databaseUrl,
  BROKER_TYPE: "zerodha",
  TRADING_CALENDAR: "off",
  ZERODHA_URL: url,
  ZERODHA_API_KEY: "simulator-key",
  ZERODHA_ORDERS_PER_SECOND: given["per-second"],
  ZERODHA_ORDERS_PER_MINUTE: given["per-minute"],
  ZERODHA_ORDERS_PER_DAY: given["per-day"],
  ZERODHA_ORDER_FEED: "on",
  ZERODHA_ORDER_FEED_URL: `ws://127.0.0.1:${given.port}/feed`,
  // Longer than an order may take to turn up, in a book that may be ten seconds old.
  RECONCILE_QUARANTINE_SECONDS: `${Math.ceil(Number(given["longest-delay"])) + 18}`,
  SLICE_EXECUTION_TIMEOUT_MINUTES: "0.5",
  SLICE_MAX_ATTEMPTS: "100",
  ORDER_WINDOW_GRACE_MINUTES: "600",
  BROKER_TIMEOUT_SECONDS: "5",
  BROKER_CIRCUIT_PAUSE_SECONDS: "3"
})
type Settings = ReturnType<typeof settings>

const insertOrders = Effect.gen(function* () {
  const { sql, execute } = yield* Db
  yield* execute(
    "chaos.insertOrders",
    sql`
      INSERT INTO orders (id, instrument, side, total_quantity, num_splits, duration_minutes, randomize, order_unique_key,
        order_queue_status)
      SELECT 'chaos-' || n, (ARRAY['NSE:INFY', 'NSE:RELIANCE', 'NSE:TCS', 'BSE:SBIN'])[1 + n % 4],
        CASE WHEN n % 2 = 0 THEN 'BUY' ELSE 'SELL' END, ${slicesPerOrder * 10}::int, ${slicesPerOrder}::int,
        ${Number(given.minutes)}::int, true, 'chaos-' || n, 'PENDING'
      FROM generate_series(1, ${Math.ceil(slices / slicesPerOrder)}::int) AS n`
  )
})

const Open = Schema.Struct({ unfinished: Schema.Int, unsettled: Schema.Int })

/** Slices that are not at their end yet, and broker orders that may still change by themselves. */
const open = Effect.gen(function* () {
  const { sql, query } = yield* Db
  const [row] = yield* query(
    "chaos.open",
    Open,
    sql`
      SELECT
        (SELECT count(*)::int FROM orders WHERE order_queue_status IN ('PENDING', 'IN_PROGRESS'))
          + count(*) FILTER (WHERE stage IN ('SCHEDULED', 'IN_PROGRESS'))::int AS unfinished,
        count(*) FILTER (WHERE stage = 'PROCESSED' AND NOT broker_is_final AND acknowledged_at > now() - interval '20 s')::int
          AS unsettled
      FROM order_slices`
  )
  return row ?? { unfinished: 0, unsettled: 0 }
})

/** Kills one daemon after another, each replaced at once, until interrupted. */
const killing = (daemons: Array<ChildProcess>, environment: Settings, count: { kills: number }) =>
  Effect.gen(function* () {
    yield* Effect.sleep(Number(given["kill-every"]) * 1000 * (0.5 + random()))
    const victim = Math.floor(random() * daemons.length)
    daemons[victim]?.kill("SIGKILL")
    daemons[victim] = spawnMain([], environment, logOf(`daemon-${victim}`))
    count.kills++
  }).pipe(Effect.forever)

const Token = Schema.Struct({ access_token: Schema.String })
const newToken = simulator.post("token").pipe(Effect.flatMap(Schema.decodeUnknownEffect(Token)))

/** Things that happen to a desk in the middle of a day. */
const incidents = (environment: Settings) =>
  Effect.gen(function* () {
    const third = (Number(given.minutes) * 60_000) / 3
    yield* Effect.sleep(third)
    yield* Console.log("The access token expires")
    yield* simulator.post("token/expire")
    yield* Effect.sleep("8 seconds")
    yield* command(["zerodha", "token", "set", (yield* newToken).access_token], environment, logOf("commands"))
    yield* Console.log("A new one was set; next, Zerodha takes no orders from this address for a while")
    yield* simulator.post("address", { allowed: false })
    yield* Effect.sleep("8 seconds")
    yield* simulator.post("address", { allowed: true })
    yield* Console.log("It does again; next, halt")
    yield* command(["halt", "--reason", "chaos", "--wait", "120"], environment, logOf("commands"))
    const atHalt = yield* simulator.get("summary")
    yield* Effect.sleep("5 seconds")
    const afterHalt = yield* simulator.get("summary")
    const orders = (summary: unknown) => Schema.decodeUnknownSync(Schema.Struct({ orders: Schema.Int }))(summary).orders
    if (orders(atHalt) !== orders(afterHalt)) {
      return yield* new StagingFailed({
        message: `${orders(afterHalt) - orders(atHalt)} orders were placed after the halt`
      })
    }
    yield* command(["resume"], environment, logOf("commands"))
    yield* Console.log("Resumed")
  })

const watch = (began: number, count: { kills: number }) =>
  Effect.gen(function* () {
    const { unfinished, unsettled } = yield* open
    const seconds = Math.round(((yield* Clock.currentTimeMillis) - began) / 1000)
    yield* Console.log(`${seconds} s: ${unfinished} slices to go, ${unsettled} orders moving, ${count.kills} kills`)
    return unfinished + unsettled
  })

const chaos = Effect.gen(function* () {
  yield* Effect.promise(() => rm(folder, { recursive: true, force: true }))
  const databaseUrl = yield* postgres(folder)
  const environment = settings(databaseUrl)
  const DbLayer = Db.layer({ url: Redacted.make(databaseUrl) }).pipe(Layer.provide(Configuration.layer))
  yield* Effect.gen(function* () {
    yield* migrate
    yield* running(
      [
        "kite-simulator",
        `--port=${given.port}`,
        `--seed=${given.seed}`,
        `--fault-rate=${given["fault-rate"]}`,
        `--longest-delay-seconds=${given["longest-delay"]}`,
        `--orders-per-second=${given["per-second"]}`,
        `--orders-per-minute=${given["per-minute"]}`,
        `--orders-per-day=${given["per-day"]}`
      ],
      {},
      logOf("simulator")
    )
    yield* simulator.untilReady
    const token = yield* newToken
    yield* command(["zerodha", "token", "set", token.access_token], environment, logOf("commands"))
    const daemons = Array.from({ length: Number(given.daemons) }, (_, index) =>
      spawnMain([], environment, logOf(`daemon-${index}`))
    )
    yield* Effect.addFinalizer(() =>
      Effect.forEach(daemons, (daemon) => {
        daemon.kill("SIGTERM")
        return exitOf(daemon)
      })
    )
    yield* insertOrders
    const began = yield* Clock.currentTimeMillis
    const count = { kills: 0 }
    yield* Effect.raceFirst(
      Effect.all(
        [killing(daemons, environment, count), Effect.forever(Effect.delay(watch(began, count), "10 seconds"))],
        {
          concurrency: "unbounded"
        }
      ),
      Effect.andThen(
        incidents(environment),
        Effect.repeat(Effect.delay(open, "2 seconds"), { while: ({ unfinished }) => unfinished > slices / 50 })
      )
    )
    yield* Console.log("The killing stops; everything must come to its end")
    yield* Effect.repeat(Effect.delay(watch(began, count), "5 seconds"), { while: (left) => left > 0 })
    yield* simulator.post("faults", {})
    yield* command(["settle"], environment, logOf("commands"))
    yield* Console.log("settle agrees")
    const verdict = yield* judge(
      Math.ceil(slices / slicesPerOrder) * slicesPerOrder,
      yield* simulator.get("ledger"),
      yield* simulator.get("summary")
    )
    yield* report(verdict, count.kills, ((yield* Clock.currentTimeMillis) - began) / 1000)
  }).pipe(Effect.provide(DbLayer))
}).pipe(Effect.scoped, Effect.provide(Layer.succeed(References.MinimumLogLevel, "Warn")))

const report = (verdict: Verdict, kills: number, seconds: number) =>
  Effect.gen(function* () {
    yield* Console.log(JSON.stringify({ ...verdict.figures, kills, seconds: Math.round(seconds) }, null, 2))
    for (const problem of verdict.problems.slice(0, 50)) yield* Console.log(`WRONG: ${problem}`)
    if (verdict.problems.length > 0) {
      return yield* new StagingFailed({ message: `${verdict.problems.length} things are wrong; logs are in ${folder}` })
    }
    yield* Console.log("Nothing placed twice, nothing lost, nothing early, no limit exceeded")
  })

const stop = new AbortController()
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, () => stop.abort())
const exit = await Effect.runPromiseExit(chaos, { signal: stop.signal })
if (Exit.isFailure(exit)) {
  const error = Exit.findErrorOption(exit)
  console.error(Option.isSome(error) ? error.value.message : String(exit.cause))
}
process.exit(Exit.isSuccess(exit) ? 0 : 1)
