import { Clock, Console, Effect, Option, Schedule, Schema } from "effect"
import type { Db } from "../../../src/db/Db.ts"
import { texts } from "../../../src/db/parameters.ts"
import { patiently } from "../chaos/chaosServer.ts"
import type { Daemons } from "../chaos/daemons.ts"
import { Ledger } from "../ledgerVerdict.ts"
import { command, type Environment, type simulatorApi } from "../stagingProcesses.ts"
import type { Proxy } from "../tcpProxy.ts"
import type { RoundResult } from "./failoverVerdict.ts"
import { type Round, roundText } from "./rounds.ts"
import {
  killServer,
  makeSynchronous,
  nextTransaction,
  promote,
  removeServer,
  type Server,
  startStandby,
  upstreamOf
} from "./servers.ts"

/** All that a round plays with. */
export interface Stage {
  readonly folder: string
  /** The way of the daemons to the primary. */
  readonly network: Proxy
  /** The way of the standby to the primary. */
  readonly replication: Proxy
  readonly daemons: Daemons
  readonly simulator: ReturnType<typeof simulatorApi>
  /** Connections through `network`, like a daemon's. */
  readonly db: Db["Service"]
  readonly environment: Environment
  readonly commandLog: string
  /** The ids of the orders whose insertion was confirmed. */
  readonly confirmed: Set<string>
  /** For how long a daemon may hold back placements after a fail-over, in seconds. */
  readonly caution: number
}

/** A primary and its standby. */
export interface Pair {
  readonly primary: Server
  readonly standby: Server
}

const steadySeconds = 4
/** How long after a fail-over something must be placed again, beyond `caution`. */
const placedAgainSeconds = 60

/** Adds a standby to a primary. */
export const withStandby = Effect.fnUntraced(function* (stage: Stage, primary: Server, number: number) {
  yield* stage.replication.moveTo(upstreamOf(primary))
  yield* stage.replication.recover
  const standby = yield* startStandby(primary, stage.replication, `${stage.folder}/server-${number}`)
  return { primary, standby } satisfies Pair
})

/** Runs one round: the primary dies, the standby takes over, and gets a standby of its own. Returns the new pair. */
export const playRound = Effect.fnUntraced(function* (stage: Stage, { primary, standby }: Pair, round: Round) {
  yield* Console.log(roundText(round))
  const problems: Array<string> = []
  yield* Effect.sleep(steadySeconds * 1000)
  if (round.standby === "synchronous") yield* makeSynchronous(primary)
  const haltedAt = yield* fallBehind(stage, round, problems)

  const { killedAt, movedAt, lostTransactions } = yield* failOver(stage, { primary, standby }, round)
  const lostOrders = yield* countLost(standby, stage.confirmed)
  const placedWhileHalted = haltedAt === null ? 0 : yield* untilResumed(stage, haltedAt, problems)
  const from = haltedAt === null ? movedAt : yield* Clock.currentTimeMillis
  const { placedAt, stoppedAt } = yield* untilPlacedAgain(stage, round, from, problems)
  const isUndisturbed = haltedAt === null && stoppedAt === null
  const result: RoundResult = {
    round,
    killedAt,
    lostTransactions,
    lostOrders,
    placedAgainMillis: isUndisturbed && placedAt !== null ? placedAt - killedAt : null,
    stoppedMillis: stoppedAt === null ? null : stoppedAt - killedAt,
    placedWhileHalted,
    problems
  }
  yield* Console.log(resultText(result))
  yield* removeServer(primary)
  return { result, pair: yield* withStandby(stage, standby, round.number + 1) }
})

const resultText = ({ lostTransactions, lostOrders, placedWhileHalted, problems, ...result }: RoundResult) =>
  [
    `  lost ${lostTransactions} transactions and ${lostOrders} orders`,
    result.placedAgainMillis === null ? "" : `, placed again after ${(result.placedAgainMillis / 1000).toFixed(1)} s`,
    result.stoppedMillis === null ? "" : `, halted by itself after ${(result.stoppedMillis / 1000).toFixed(1)} s`,
    placedWhileHalted > 0 ? `, ${placedWhileHalted} placed while halted` : "",
    ...problems.map((problem) => `, ${problem}`)
  ].join("")

/** The time before the primary's death. Returns since when a halt of this round is acknowledged, if it has one. */
const fallBehind = Effect.fnUntraced(function* (stage: Stage, round: Round, problems: Array<string>) {
  const halted = order(stage, ["halt", "--reason", "fail-over", "--wait", "30"], problems).pipe(
    Effect.andThen(Clock.currentTimeMillis)
  )
  const before = round.halt === "before" ? yield* halted : null
  if (round.standby === "synchronous") return before
  yield* stage.replication.fallSilent
  const silentAt = yield* Clock.currentTimeMillis
  const inTheLag = round.halt === "in the lag" ? yield* halted : null
  yield* Effect.sleep(Math.max(0, silentAt + round.lagMillis - (yield* Clock.currentTimeMillis)))
  return before ?? inTheLag
})

const failOver = Effect.fnUntraced(function* (stage: Stage, { primary, standby }: Pair, round: Round) {
  const { network, daemons } = stage
  if (round.sockets === "kept") yield* network.fallSilent
  const last = yield* nextTransaction(primary)
  const killedAt = yield* Clock.currentTimeMillis
  yield* killServer(primary)
  if (round.daemons === "anew") {
    yield* Effect.forEach(daemons.slots, (slot) => daemons.hit(slot, "kill -9", "SIGKILL"))
  }
  yield* promote(standby)
  const first = yield* nextTransaction(standby)
  yield* network.moveTo(upstreamOf(standby))
  yield* network.recover
  const movedAt = yield* Clock.currentTimeMillis
  return { killedAt, movedAt, lostTransactions: round.standby === "lagging" ? Math.max(0, last - first) : 0 }
})

/** How many confirmed orders a server does not have. They are forgotten from then on. */
const countLost = Effect.fnUntraced(function* ({ db: { sql, query } }: Server, confirmed: Set<string>) {
  const ids = [...confirmed]
  const rows = yield* query(
    "failover.orders",
    Schema.Struct({ id: Schema.String }),
    sql`SELECT id FROM orders WHERE id = ANY(${texts(ids)})`
  )
  const kept = new Set(rows.map(({ id }) => id))
  const lost = ids.filter((id) => !kept.has(id))
  for (const id of lost) confirmed.delete(id)
  return lost.length
})

/** Runs a command of the service; one that fails is a problem of the round. */
const order = ({ environment, commandLog }: Stage, args: ReadonlyArray<string>, problems: Array<string>) =>
  command(args, environment, commandLog).pipe(
    Effect.catch(({ message }) => Effect.sync(() => void problems.push(message)))
  )

const ordersSince = Effect.fnUntraced(function* ({ simulator }: Stage, fromMillis: number) {
  const { orders } = yield* Effect.flatMap(simulator.get("ledger"), Schema.decodeUnknownEffect(Ledger))
  return orders.map(({ receivedAt }) => receivedAt).filter((at) => at > fromMillis)
})

/** Waits for as long as a daemon may be cautious, and longer; then resumes. Returns how many orders were placed meanwhile. */
const untilResumed = Effect.fnUntraced(function* (stage: Stage, haltedAt: number, problems: Array<string>) {
  yield* Effect.sleep((stage.caution + 5) * 1000)
  const placed = yield* ordersSince(stage, haltedAt)
  yield* order(stage, ["resume", "--wait", "60"], problems)
  return placed.length
})

const IsHalted = Schema.Struct({ isHalted: Schema.Boolean })

const isHalted = ({ db: { sql, query } }: Stage) =>
  patiently(query("failover.halt", IsHalted, sql`SELECT is_halted FROM placement_halts ORDER BY id DESC LIMIT 1`)).pipe(
    Effect.map(([last]) => last?.isHalted === true)
  )

/**
 * Waits until an order reaches the simulator after a moment, and where commits may be lost until the daemons have had time to
 * find out. They may halt placements by themselves, because what is forgotten is not all found again; then this resumes, as a
 * person would. Returns when each happened.
 */
const untilPlacedAgain = Effect.fnUntraced(function* (
  stage: Stage,
  { standby }: Round,
  fromMillis: number,
  problems: Array<string>
) {
  const limitSeconds = placedAgainSeconds + stage.caution
  const lookUntil = standby === "lagging" ? fromMillis + (stage.caution + 3) * 1000 : fromMillis
  let stoppedAt: number | null = null
  const look = Effect.gen(function* () {
    if (yield* isHalted(stage)) {
      stoppedAt ??= yield* Clock.currentTimeMillis
      yield* order(stage, ["resume", "--reason", "the script has looked", "--wait", "60"], problems)
    }
    return yield* ordersSince(stage, fromMillis)
  })
  const placed = yield* look.pipe(
    Effect.repeat({
      schedule: Schedule.spaced("500 millis"),
      while: (orders) => Effect.map(Clock.currentTimeMillis, (now) => orders.length === 0 || now < lookUntil)
    }),
    Effect.timeoutOption(limitSeconds * 1000)
  )
  if (Option.isNone(placed)) problems.push(`nothing was placed within ${limitSeconds} s`)
  return { placedAt: Option.isNone(placed) ? null : Math.min(...placed.value), stoppedAt }
})
