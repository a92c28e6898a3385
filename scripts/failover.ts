import { Clock, Console, Effect, Fiber, Layer, References, Schema } from "effect"
import { chmodSync, mkdirSync } from "node:fs"
import { rm } from "node:fs/promises"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { parseArgs } from "node:util"
import { Db } from "../src/db/Db.ts"
import { database, username } from "../src/db/embedded/Cluster.ts"
import { migrate } from "../src/db/Migrations.ts"
import { seededRandom } from "../src/domain/planning/schedule/SeededRandom.ts"
import { patiently } from "./lib/chaos/chaosServer.ts"
import { emptySlot, keepDaemons, type Slot } from "./lib/chaos/daemons.ts"
import { judgeFailovers, type RoundResult } from "./lib/failover/failoverVerdict.ts"
import { type Pair, playRound, type Stage, withStandby } from "./lib/failover/round.ts"
import { roundsOf } from "./lib/failover/rounds.ts"
import { connectTo, type Server, startPrimary, upstreamOf } from "./lib/failover/servers.ts"
import { Ledger, readSlices } from "./lib/ledgerVerdict.ts"
import { expectNothingWrong, runToExit } from "./lib/runScript.ts"
import { type Environment, running, simulatorApi, urlOf } from "./lib/stagingProcesses.ts"
import { type Proxy, proxyTo } from "./lib/tcpProxy.ts"

/*
 * Fail-over test with real processes. Daemons place slices at the Kite simulator while their PostgreSQL primary is killed and a
 * standby takes over, round after round; some standbys lack the last seconds of commits. At the end the simulator's ledger says
 * whether anything was placed twice, early or never, and the rounds whether a halt stood (lib/failover/failoverVerdict.ts). Exit
 * code 0 only if nothing is wrong. Needs dist/, works in .pulse-background/failover; doc/guides/testing.md explains the options.
 *   npm run failover -- --rounds 50 --seed 1
 */
const { values: given } = parseArgs({
  options: {
    rounds: { type: "string", default: "5" },
    seed: { type: "string", default: "failover" },
    daemons: { type: "string", default: "2" },
    "orders-per-second": { type: "string", default: "1" },
    lease: { type: "string", default: "6" },
    quarantine: { type: "string", default: "3" },
    port: { type: "string", default: "8768" }
  }
})
const folder = fileURLToPath(new URL("../.pulse-background/failover", import.meta.url))
const logOf = (name: string) => join(folder, `${name}.log`)
const brokerUrl = `http://127.0.0.1:${given.port}`
const accessToken = "failover-token"

/** In seconds. */
const [lease, quarantine, brokerTimeout, monitorPoll] = [Number(given.lease), Number(given.quarantine), 2, 2]
/** Until every daemon has told what it knows, in seconds; nothing is placed meanwhile on a database that may have forgotten. */
const everyoneHasLooked = 30

/** The orders take turns: one is due at once, so that it may be forgotten with its slices, and one within a minute. */
const shapes = [
  { slices: 2, minutes: 0 },
  { slices: 10, minutes: 1 }
] as const

const settings = (databaseUrl: string) => ({
  DATABASE_URL: databaseUrl,
  DATABASE_STATEMENT_TIMEOUT_SECONDS: "5",
  BROKER_TYPE: "zerodha",
  INSTRUMENT_SYNC_TIME: "off",
  TRADING_CALENDAR: "off",
  ZERODHA_URL: brokerUrl,
  ZERODHA_API_KEY: "simulator-key",
  ZERODHA_ACCESS_TOKEN: accessToken,
  ZERODHA_ORDERS_PER_SECOND: "50",
  ZERODHA_ORDERS_PER_MINUTE: "2400",
  ZERODHA_ORDERS_PER_DAY: "1000000",
  RECONCILE_QUARANTINE_SECONDS: `${quarantine}`,
  SLICE_EXECUTION_TIMEOUT_MINUTES: `${lease / 60}`,
  SLICE_MAX_ATTEMPTS: "100",
  TIMEOUT_MONITOR_POLL_INTERVAL_SECONDS: `${monitorPoll}`,
  ORDER_SPLIT_TIMEOUT_MINUTES: "0.25",
  ORDER_SPLIT_MAX_ATTEMPTS: "100",
  ORDER_WINDOW_GRACE_MINUTES: "600",
  BROKER_TIMEOUT_SECONDS: `${brokerTimeout}`,
  BROKER_CIRCUIT_PAUSE_SECONDS: "3",
  BROKER_POLL_INTERVAL_SECONDS: "1"
})

const startSimulator = Effect.gen(function* () {
  const limits = ["--orders-per-second=50", "--orders-per-minute=2400", "--orders-per-day=1000000"]
  const args = [`--port=${given.port}`, `--seed=${given.seed}`, `--access-token=${accessToken}`, ...limits]
  yield* running(["kite-simulator", ...args], {}, logOf("simulator"))
  const simulator = simulatorApi(brokerUrl)
  yield* simulator.untilReady
  return simulator
})

const slotOf = (number: number, network: Proxy, environment: Environment): Slot =>
  emptySlot({
    name: `daemon-${number}`,
    role: "",
    network,
    environment,
    logFile: logOf(`daemon-${number}`)
  })

/** Submits orders until interrupted, each until its insertion is confirmed. */
const submitting = Effect.fnUntraced(function* ({ db: { sql, execute }, confirmed }: Stage) {
  for (let n = 1; ; n++) {
    const id = `failover-${n}`
    const { slices, minutes } = shapes[n % 2 === 0 ? 0 : 1]
    const insert = sql`
      INSERT INTO orders (id, instrument, side, total_quantity, num_splits, duration_minutes, randomize,
        order_unique_key, order_queue_status)
      VALUES (${id}, 'NSE:INFY', ${n % 2 === 0 ? "BUY" : "SELL"}, ${slices * 10}, ${slices},
        ${minutes}, true, ${id}, 'PENDING')
      ON CONFLICT DO NOTHING`
    yield* patiently(execute("failover.insertOrder", insert))
    confirmed.add(id)
    yield* Effect.sleep(1000 / Number(given["orders-per-second"]))
  }
})

/** The primary, the simulator and the daemons, with a proxy in front of the primary. */
const setUp = Effect.fnUntraced(function* (primary: Server) {
  yield* migrate.pipe(Effect.provideService(Db, primary.db))
  const network = yield* proxyTo(upstreamOf(primary))
  const replication = yield* proxyTo(upstreamOf(primary))
  const url = urlOf({ host: "127.0.0.1", port: network.port, username, database, password: primary.password })
  const environment = settings(url)
  const simulator = yield* startSimulator
  const numbers = Array.from({ length: Number(given.daemons) }, (_, number) => number + 1)
  const slots = numbers.map((number) => slotOf(number, network, environment))
  const daemons = yield* keepDaemons(slots, seededRandom(`${given.seed}/clocks`), 0)
  const db = yield* connectTo("127.0.0.1", network.port, primary.password)
  return {
    folder,
    network,
    replication,
    daemons,
    simulator,
    db,
    environment,
    commandLog: logOf("commands"),
    confirmed: new Set(),
    caution: Math.max(lease + brokerTimeout + quarantine, everyoneHasLooked) + 2 * monitorPoll
  } satisfies Stage
})

const End = Schema.Struct({ unsplit: Schema.Int, unfinished: Schema.Int, heldTags: Schema.Array(Schema.String) })

/** What is not at its end: orders, and slices of orders that no person is asked to look at; and the tags of those orders. */
const end = Effect.fnUntraced(function* ({ db: { sql, queryOne } }: Stage) {
  const statement = sql`
    WITH open AS (
      SELECT slice.tag, progress.state = 'held' AS is_held
      FROM order_slices slice JOIN order_progress progress USING (order_id)
      WHERE slice.stage IN ('SCHEDULED', 'IN_PROGRESS')
    )
    SELECT (SELECT count(*)::int FROM orders WHERE order_queue_status IN ('PENDING', 'IN_PROGRESS')) AS unsplit,
      count(*) FILTER (WHERE NOT is_held)::int AS unfinished,
      coalesce(array_agg(tag) FILTER (WHERE is_held), '{}') AS held_tags
    FROM open`
  return yield* patiently(queryOne("failover.end", End, statement))
})

/** Without an end coming nearer for this long, what is left counts as lost. */
const stuckSeconds = 120

/** Waits until all is at its end, however long the backlog of the last fail-overs is, or nothing gets done any more. */
const untilAtRest = Effect.fnUntraced(function* (stage: Stage) {
  let least = Infinity
  let since = yield* Clock.currentTimeMillis
  while (true) {
    const { unsplit, unfinished } = yield* end(stage)
    const now = yield* Clock.currentTimeMillis
    const left = unsplit + unfinished
    if (left < least) since = now
    least = Math.min(least, left)
    if (left === 0 || now - since > stuckSeconds * 1000) return
    yield* Effect.sleep("1 second")
  }
})

const play = Effect.fnUntraced(function* (stage: Stage, firstPair: Pair) {
  const results: Array<RoundResult> = []
  let pair = firstPair
  const submitter = yield* Effect.forkScoped(submitting(stage))
  for (const round of roundsOf(given.seed, Number(given.rounds))) {
    const played = yield* playRound(stage, pair, round)
    results.push(played.result)
    pair = played.pair
  }
  yield* Fiber.interrupt(submitter)
  yield* Console.log("The last fail-over is over; everything must come to its end")
  yield* untilAtRest(stage)
  return results
})

const failover = Effect.gen(function* () {
  yield* Effect.promise(() => rm(folder, { recursive: true, force: true }))
  yield* Effect.sync(() => {
    mkdirSync(folder, { recursive: true })
    // Started by root, PostgreSQL runs as another account and needs access to the folder.
    chmodSync(folder, 0o711)
  })
  const began = yield* Clock.currentTimeMillis
  const primary = yield* startPrimary(join(folder, "server-0"))
  const stage = yield* setUp(primary)
  const rounds = yield* play(stage, yield* withStandby(stage, primary, 1))
  const { orders } = yield* Effect.flatMap(stage.simulator.get("ledger"), Schema.decodeUnknownEffect(Ledger))
  const { unsplit, heldTags } = yield* end(stage)
  const slices = yield* readSlices.pipe(Effect.provideService(Db, stage.db))
  const { figures, problems } = judgeFailovers({
    ledger: orders,
    slices,
    heldTags,
    unsplitOrders: unsplit,
    rounds,
    goalSeconds: Math.max(lease + quarantine, everyoneHasLooked) + 15
  })
  const seconds = Math.round(((yield* Clock.currentTimeMillis) - began) / 1000)
  yield* Console.log(JSON.stringify({ ...figures, seconds }, null, 2))
  yield* expectNothingWrong(problems, folder)
  yield* Console.log("Nothing placed twice, nothing lost, nothing early, no halt lifted")
}).pipe(Effect.scoped, Effect.provide(Layer.succeed(References.MinimumLogLevel, "Error")))

await runToExit(failover)
