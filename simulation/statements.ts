import { DateTime, Effect } from "effect"
import type { DbError } from "../src/db/DbError.ts"
import type { OrderBudget } from "../src/stores/account/OrderBudget.ts"
import type { Sighting } from "../src/stores/operations/LookoutStore.ts"
import type { Process } from "./Process.ts"
import { faultHits } from "./Run.ts"
import { through } from "./sendStatement.ts"
import type { Stores } from "./store/Database.ts"

/** Sorts rows that a statement returns in any order, because the seed alone must decide a run. */
const sorted = <A extends { readonly id: string }>(rows: ReadonlyArray<A>): ReadonlyArray<A> =>
  rows.toSorted((a, b) => (a.id < b.id ? -1 : 1))

const inOrder = (ids: ReadonlyArray<string>): ReadonlyArray<string> => ids.toSorted()

/** Sends statements under the name of an operation. */
type By = (operation: string) => ReturnType<typeof through>

/** The stores as one process sees them. Every statement goes over a network, and the process may die on the way. */
export const storesOf = (process: Process): Stores => {
  const { database, world } = process.run
  const { stores } = database
  const by: By = (operation) => through(process, operation)
  // The alarm goes to the trace: the statement takes effect outside of the process, where its logger is not installed.
  const alarm = (tag: string) => Effect.sync(() => world.traced?.(() => `${process.id} gives the alarm: ${tag}`))
  return {
    orders: ordersOf(stores.orders, by, alarm),
    slices: slicesOf(stores.slices, by, () => Math.floor(world.nowMicros / 1000)),
    recovery: recoveryOf(stores.recovery, by),
    settlement: settlementOf(stores.settlement, by, alarm),
    replans: {
      wantingPlan: (after, limit, now) => by("ReplanStore.wantingPlan")(stores.replans.wantingPlan(after, limit, now)),
      change: (orderId, options, decide) => by("ReplanStore.change")(stores.replans.change(orderId, options, decide))
    },
    halts: haltsOf(stores.halts, by),
    heartbeats: {
      beat: (beat) => by("HeartbeatStore.beat")(stores.heartbeats.beat(beat)),
      leave: (instance) => by("HeartbeatStore.leave")(stores.heartbeats.leave(instance)),
      forget: (before) => by("HeartbeatStore.forget")(stores.heartbeats.forget(before))
    },
    history: historyOf(stores.history, by),
    lookout: { look: (options) => looked(process, stores.lookout.look(options)) },
    commands: commandsOf(stores.commands, by),
    quotes: {
      prune: (before) => by("QuoteStore.prune")(stores.quotes.prune(before))
    },
    instruments: {
      markets: (names) => by("InstrumentStore.markets")(stores.instruments.markets(names))
    }
  }
}

const ordersOf = (orders: Stores["orders"], by: By, alarm: (tag: string) => Effect.Effect<void>): Stores["orders"] => ({
  claimPending: (options) => Effect.map(by("OrderStore.claimPending")(orders.claimPending(options)), sorted),
  completeSplits: (splits, options) => by("OrderStore.completeSplits")(orders.completeSplits(splits, options)),
  failSplits: (failures, now) => by("OrderStore.failSplits")(orders.failSplits(failures, now)),
  waitForCalendar: (waiting, now) => by("OrderStore.waitForCalendar")(orders.waitForCalendar(waiting, now)),
  releaseStuck: (options) => Effect.map(by("OrderStore.releaseStuck")(orders.releaseStuck(options)), sorted),
  release: (claimed, now) => by("OrderStore.release")(orders.release(claimed, now)),
  stoppedAmong: (ids) => by("OrderStore.stoppedAmong")(orders.stoppedAmong(ids)),
  lastRefusals: (ids, count) => Effect.map(by("OrderStore.lastRefusals")(orders.lastRefusals(ids, count)), sorted),
  noteDouble: (double, now) => by("OrderStore.noteDouble")(orders.noteDouble(double, now, alarm(double.tag)))
})

const slicesOf = (slices: Stores["slices"], by: By, databaseMillis: () => number): Stores["slices"] => ({
  claimDue: (options) => Effect.map(by("SliceStore.claimDue")(slices.claimDue(options)), sorted),
  transition: (transitions, events, now) => by("SliceStore.transition")(slices.transition(transitions, events, now)),
  unresolved: (now, limit) => {
    const read = Effect.map(slices.unresolved(now, limit), (rows) =>
      rows.map((row) => ({ ...row, readMillis: databaseMillis() }))
    )
    return Effect.map(by("SliceStore.unresolved")(read), sorted)
  },
  open: (after, limit, now) => by("SliceStore.open")(slices.open(after, limit, now)),
  saveBrokerStates: (states, now) => by("SliceStore.saveBrokerStates")(slices.saveBrokerStates(states, now)),
  claimCancels: (options) => Effect.map(by("SliceStore.claimCancels")(slices.claimCancels(options)), sorted),
  cancelAnswered: (answered, events) => by("SliceStore.cancelAnswered")(slices.cancelAnswered(answered, events)),
  releaseCancels: (given, claimedAt) => by("SliceStore.releaseCancels")(slices.releaseCancels(given, claimedAt)),
  stopCancels: (ids, reason) => Effect.map(by("SliceStore.stopCancels")(slices.stopCancels(ids, reason)), inOrder),
  audit: (events) => by("SliceStore.audit")(slices.audit(events))
})

const recoveryOf = (recovery: Stores["recovery"], by: By): Stores["recovery"] => ({
  look: (options) => by("RecoveryStore.look")(recovery.look(options)),
  previouslyInDoubt: (since, limit) =>
    Effect.map(by("RecoveryStore.previouslyInDoubt")(recovery.previouslyInDoubt(since, limit)), sorted),
  takeOver: (late, reason, now) => by("RecoveryStore.takeOver")(recovery.takeOver(late, reason, now)),
  leaveOrderList: (ids, now) => by("RecoveryStore.leaveOrderList")(recovery.leaveOrderList(ids, now)),
  skipStale: (now, reason, limit) =>
    Effect.map(by("RecoveryStore.skipStale")(recovery.skipStale(now, reason, limit)), inOrder),
  skipCancelled: (now, limit) =>
    Effect.map(by("RecoveryStore.skipCancelled")(recovery.skipCancelled(now, limit)), inOrder)
})

const settlementOf = (
  settlement: Stores["settlement"],
  by: By,
  alarm: (tag: string) => Effect.Effect<void>
): Stores["settlement"] => ({
  slices: (tags) => Effect.map(by("SettlementStore.slices")(settlement.slices(tags)), sorted),
  note: (differences, now) =>
    by("SettlementStore.note")(settlement.note(differences, now, alarm(differences.map(({ tag }) => tag).join(" ")))),
  repair: (repairs, asked, now) => by("SettlementStore.repair")(settlement.repair(repairs, asked, now)),
  end: (differences, now) => by("SettlementStore.end")(settlement.end(differences, now)),
  current: (since) => by("SettlementStore.current")(settlement.current(since))
})

const haltsOf = (halts: Stores["halts"], by: By): Stores["halts"] => ({
  request: (halt) => by("HaltStore.request")(halts.request(halt)),
  restore: (halt, now) => by("HaltStore.restore")(halts.restore(halt, now)),
  current: by("HaltStore.current")(halts.current),
  acknowledge: (instanceId, haltId) => by("HaltStore.acknowledge")(halts.acknowledge(instanceId, haltId)),
  waitingFor: (halt, now) => by("HaltStore.waitingFor")(halts.waitingFor(halt, now))
})

const historyOf = (history: Stores["history"], by: By): Stores["history"] => ({
  mark: (reason, isAnew, now) => by("HistoryStore.mark")(history.mark(reason, isAnew, now)),
  unsettled: (now) => by("HistoryStore.unsettled")(history.unsettled(now)),
  tagged: (tags) => Effect.map(by("HistoryStore.tagged")(history.tagged(tags)), sorted),
  adopt: (found, reason, now) => by("HistoryStore.adopt")(history.adopt(found, reason, now)),
  unprovable: (from, until) => by("HistoryStore.unprovable")(history.unprovable(from, until)),
  noteOrphans: (orphans, now) => by("HistoryStore.noteOrphans")(history.noteOrphans(orphans, now)),
  settle: (options) => by("HistoryStore.settle")(history.settle(options))
})

const commandsOf = (commands: Stores["commands"], by: By): Stores["commands"] => ({
  pause: (orderId, asked, now) => by("OrderCommands.pause")(commands.pause(orderId, asked, now)),
  hold: (orderId, reason, now) => by("OrderCommands.hold")(commands.hold(orderId, reason, now)),
  resume: (orderId, asked, now) => by("OrderCommands.resume")(commands.resume(orderId, asked, now)),
  requestCancel: (orderId, asked, now) => by("OrderCommands.requestCancel")(commands.requestCancel(orderId, asked, now))
})

/**
 * The account's budget of order requests as one process sees it. Chance decides what it grants, because its arithmetic has
 * tests of its own and a run only needs placements that wait for their turn.
 */
export const budgetOf = (process: Process): Pick<OrderBudget["Service"], "reserve" | "block"> => {
  const { run } = process
  return {
    reserve: (_broker, _limits, now, latest) =>
      through(
        process,
        "OrderBudget.reserve"
      )(
        Effect.sync(() => {
          const nowMillis = DateTime.toEpochMillis(now)
          const isWaiting = faultHits(run, "placement: waits for its turn", run.scenario.faults.waitForTurn)
          const atMillis = nowMillis + (isWaiting ? run.chance.upTo(run.scenario.brokerTimeoutSeconds * 1500) : 0)
          return atMillis <= DateTime.toEpochMillis(latest)
            ? { _tag: "Granted", atMillis }
            : { _tag: "TooLate", possibleAt: DateTime.makeUnsafe(Math.floor(atMillis)) }
        })
      ),
    block: () => through(process, "OrderBudget.block")(Effect.void)
  }
}

/** The database's clock in microseconds since 1970, as its statement answers. */
export const databaseTime = (process: Process): Effect.Effect<bigint, DbError> =>
  Effect.map(timed(process, "DatabaseClock.sample", Effect.succeed({})), ({ micros }) => micros)

/** A look, which tells the time, too. The real database may be on the host of the simulation, but is on none of its processes'. */
const looked = (process: Process, look: Effect.Effect<Sighting, DbError>) =>
  Effect.map(timed(process, "LookoutStore.look", look), (sighting) => ({ ...sighting, bootId: null }))

/** Sends a statement that answers with the database's time, read when it takes effect. */
const timed = <A, E>(process: Process, operation: string, statement: Effect.Effect<A, E>) =>
  Effect.suspend(() => {
    const { world } = process.run
    const asked = { atMicros: world.nowMicros, monotonicNanos: process.clock.monotonicTimeNanosUnsafe() }
    const told = Effect.map(statement, (answered) => ({ ...answered, micros: BigInt(world.nowMicros) }))
    return Effect.tap(through(process, operation)(told), ({ micros }) =>
      Effect.sync(() => process.clockRead(Number(micros), asked))
    )
  })
