import { Clock, Console, Effect, Layer, Redacted, References, Schedule, Schema } from "effect"
import { rm } from "node:fs/promises"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { Configuration } from "../src/config/Configuration.ts"
import { Db } from "../src/db/Db.ts"
import { migrate } from "../src/db/Migrations.ts"
import { seededRandom } from "../src/domain/planning/schedule/SeededRandom.ts"
import { type ChaosOptions, readChaosOptions, slicesPerOrder } from "./lib/chaos/chaosOptions.ts"
import { chaosServer, createRole, patiently } from "./lib/chaos/chaosServer.ts"
import { emptySlot, keepDaemons } from "./lib/chaos/daemons.ts"
import { newToken, type ChaosStage } from "./lib/chaos/incidents.ts"
import { noteSteps, recoveryOf } from "./lib/chaos/recovery.ts"
import { killing, type Trouble, troubling } from "./lib/chaos/trouble.ts"
import { judgeLedger } from "./lib/ledgerVerdict.ts"
import { expectNothingWrong, runToExit } from "./lib/runScript.ts"
import { command, type Environment, running, simulatorApi, urlOf } from "./lib/stagingProcesses.ts"
import { proxyTo } from "./lib/tcpProxy.ts"

/*
 * Chaos test with real processes. Several daemons place slices at the Kite simulator with every fault on, while daemons are
 * killed and frozen and PostgreSQL and the networks are disturbed. After the last incident every slice must reach its end; then
 * the simulator's ledger is compared with the database (lib/ledgerVerdict.ts). Exit code 0 only if nothing was placed twice,
 * lost, early or beyond a limit. Needs dist/, works in .pulse-background/chaos; doc/guides/testing.md explains the options.
 *   npm run chaos -- --kills 1000 --kill-every 1.25 --daemons 6
 */
const folder = fileURLToPath(new URL("../.pulse-background/chaos", import.meta.url))
const logOf = (name: string) => join(folder, `${name}.log`)

const settings = (options: ChaosOptions, databaseUrl: string, brokerPort: number) => ({
  DATABASE_URL: databaseUrl,
  DATABASE_STATEMENT_TIMEOUT_SECONDS: "5",
  BROKER_TYPE: "zerodha",
  INSTRUMENT_SYNC_TIME: "off",
  TRADING_CALENDAR: "off",
  ZERODHA_URL: `http://127.0.0.1:${brokerPort}`,
  ZERODHA_API_KEY: "simulator-key",
  ZERODHA_ORDERS_PER_SECOND: `${options["per-second"]}`,
  ZERODHA_ORDERS_PER_MINUTE: `${options["per-minute"]}`,
  ZERODHA_ORDERS_PER_DAY: `${options["per-day"]}`,
  ZERODHA_ORDER_FEED: "on",
  ZERODHA_ORDER_FEED_URL: `ws://127.0.0.1:${brokerPort}/feed`,
  RECONCILE_QUARANTINE_SECONDS: `${options.quarantine}`,
  SLICE_EXECUTION_TIMEOUT_MINUTES: `${options.lease / 60}`,
  SLICE_MAX_ATTEMPTS: "100",
  ORDER_SPLIT_TIMEOUT_MINUTES: "0.25",
  ORDER_SPLIT_MAX_ATTEMPTS: "100",
  ORDER_WINDOW_GRACE_MINUTES: "600",
  BROKER_TIMEOUT_SECONDS: `${options["broker-timeout"]}`,
  BROKER_CIRCUIT_PAUSE_SECONDS: "3",
  BROKER_POLL_INTERVAL_SECONDS: "1"
})

/** Submits the orders evenly over the run, each with a window of one minute, so that slices are due all the time. */
const submitting = Effect.fnUntraced(function* ({ planned }: ChaosOptions) {
  const { sql, execute } = yield* Db
  const orders = planned.slices / slicesPerOrder
  for (let n = 1; n <= orders; n++) {
    const instrument = ["NSE:INFY", "NSE:RELIANCE", "NSE:TCS", "BSE:SBIN"][n % 4] ?? ""
    yield* patiently(
      execute(
        "chaos.insertOrder",
        sql`
          INSERT INTO orders (id, instrument, side, total_quantity, num_splits, duration_minutes, randomize,
            order_unique_key, order_queue_status)
          VALUES (${`chaos-${n}`}, ${instrument}, ${n % 2 === 0 ? "BUY" : "SELL"}, ${slicesPerOrder * 10}, ${slicesPerOrder},
            1, true, ${`chaos-${n}`}, 'PENDING')
          ON CONFLICT DO NOTHING`
      )
    )
    yield* Effect.sleep((planned.seconds / orders) * 1000)
  }
})

const Open = Schema.Struct({ unfinished: Schema.Int, moving: Schema.Int })

/** How many slices are unfinished, and how many recent broker orders are not final. */
const open = Effect.gen(function* () {
  const { sql, query } = yield* Db
  const [row] = yield* patiently(
    query(
      "chaos.open",
      Open,
      sql`
        SELECT
          (SELECT count(*)::int FROM orders WHERE order_queue_status IN ('PENDING', 'IN_PROGRESS'))
            + count(*) FILTER (WHERE stage IN ('SCHEDULED', 'IN_PROGRESS'))::int AS unfinished,
          count(*) FILTER (WHERE stage = 'PROCESSED' AND NOT broker_is_final AND acknowledged_at > now() - interval '20 s')::int
            AS moving
        FROM order_slices`
    )
  )
  return row ?? { unfinished: 0, moving: 0 }
})

const watch = (began: number, { counts }: Trouble) =>
  Effect.gen(function* () {
    const { unfinished, moving } = yield* open
    const seconds = Math.round(((yield* Clock.currentTimeMillis) - began) / 1000)
    const incidents = Object.values(counts).reduce((sum, count) => sum + count, 0)
    const kills = counts["kill -9"] ?? 0
    yield* Console.log(
      `${seconds} s: ${unfinished} slices to go, ${moving} orders moving, ${kills} kills, ${incidents - kills} other incidents`
    )
    return unfinished + moving
  })

const startSimulator = Effect.fnUntraced(function* (options: ChaosOptions) {
  yield* running(
    [
      "kite-simulator",
      `--port=${options.port}`,
      `--seed=${options.seed}`,
      `--fault-rate=${options["fault-rate"]}`,
      `--longest-delay-seconds=${options["longest-delay"]}`,
      `--longest-staleness-seconds=${options["longest-staleness"]}`,
      `--orders-per-second=${options["per-second"]}`,
      `--orders-per-minute=${options["per-minute"]}`,
      `--orders-per-day=${options["per-day"]}`
    ],
    {},
    logOf("simulator")
  )
  const simulator = simulatorApi(`http://127.0.0.1:${options.port}`)
  yield* simulator.untilReady
  return simulator
})

/** A slot for daemons, with a database role and a network proxy of its own. */
const makeSlot = Effect.fnUntraced(function* (number: number, { server }: ChaosStage["server"], settings: Environment) {
  const role = `daemon_${number}`
  yield* createRole(role, server.username, server.password)
  const network = yield* proxyTo({ path: `${server.host}/.s.PGSQL.${server.port}` })
  const url = urlOf({ ...server, host: "127.0.0.1", port: network.port, username: role })
  return emptySlot({
    name: `daemon-${number}`,
    role,
    network,
    environment: { ...settings, DATABASE_URL: url },
    logFile: logOf(`daemon-${number}`)
  })
})

/** Starts the simulator and the daemons, with a proxy in front of the broker and one between each daemon and PostgreSQL. */
const setUp = Effect.fnUntraced(function* (options: ChaosOptions, server: ChaosStage["server"]) {
  yield* migrate
  yield* noteSteps
  const simulator = yield* startSimulator(options)
  const brokerNetwork = yield* proxyTo({ port: options.port })
  const environment = settings(options, urlOf(server.server), brokerNetwork.port)
  const commandLog = logOf("commands")
  yield* command(["zerodha", "token", "set", (yield* newToken(simulator)).access_token], environment, commandLog)

  const numbers = Array.from({ length: options.daemons }, (_, number) => number)
  const slots = yield* Effect.forEach(numbers, (number) => makeSlot(number, server, environment))
  const daemons = yield* keepDaemons(slots, seededRandom(`${options.seed}/clocks`), options["wrong-clocks"])
  return { options, daemons, server, brokerNetwork, simulator, environment, commandLog } satisfies ChaosStage
})

const run = Effect.fnUntraced(function* (options: ChaosOptions, server: ChaosStage["server"]) {
  const stage = yield* setUp(options, server)
  const { daemons, simulator } = stage
  const began = yield* Clock.currentTimeMillis
  const trouble: Trouble = { counts: {}, problems: [], outages: [] }
  const kills = killing(stage, trouble, seededRandom(`${options.seed}/kills`))
  const incidents = troubling(stage, trouble, seededRandom(`${options.seed}/incidents`))
  const enough = options.kills > 0 ? kills : Effect.raceFirst(kills, Effect.sleep(options.planned.seconds * 1000))
  const report = Effect.forever(Effect.delay(watch(began, trouble), "10 seconds"))
  yield* Effect.all([submitting(options), Effect.raceAllFirst([enough, incidents, report])], {
    concurrency: "unbounded"
  })
  yield* Console.log("The trouble is over; everything must come to its end")
  yield* Effect.repeat(Effect.delay(watch(began, trouble), "5 seconds"), { while: (left) => left > 0 }).pipe(
    Effect.timeoutOption("10 minutes")
  )
  const seconds = Math.round(((yield* Clock.currentTimeMillis) - began) / 1000)
  yield* simulator.post("faults", {})
  // An order that still rests at the broker may change just before the comparison; a real difference stays.
  yield* command(["settle"], stage.environment, stage.commandLog).pipe(
    Effect.retry({ times: 2, schedule: Schedule.spaced("5 seconds") }),
    Effect.catch(({ message }) => Effect.sync(() => trouble.problems.push(message)))
  )

  const verdict = yield* judgeLedger(
    options.planned.slices,
    yield* simulator.get("ledger"),
    yield* simulator.get("summary")
  )
  const recovery = {
    lease: options.lease,
    quarantine: options.quarantine,
    afterKill: yield* recoveryOf(daemons.hits, "kill -9", trouble.outages),
    afterFreeze: yield* recoveryOf(daemons.hits, "freeze", trouble.outages)
  }
  const starts = { ...daemons.starts, endedByThemselves: daemons.ended() }
  yield* Console.log(
    JSON.stringify({ ...verdict.figures, incidents: trouble.counts, starts, recovery, seconds }, null, 2)
  )
  return [...verdict.problems, ...trouble.problems]
})

const chaos = Effect.gen(function* () {
  const options = readChaosOptions()
  yield* Effect.promise(() => rm(folder, { recursive: true, force: true }))
  const server = yield* chaosServer(folder)
  const url = Redacted.make(urlOf(server.server))
  const problems = yield* run(options, server).pipe(
    Effect.provide(Db.layer({ url }).pipe(Layer.provide(Configuration.layer)))
  )
  yield* expectNothingWrong(problems, folder)
  yield* Console.log("Nothing placed twice, nothing lost, nothing early, no limit exceeded")
}).pipe(Effect.scoped, Effect.provide(Layer.succeed(References.MinimumLogLevel, "Warn")))

await runToExit(chaos)
