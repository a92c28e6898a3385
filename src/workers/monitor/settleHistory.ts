import { DateTime, Duration, Effect, Exit, Option } from "effect"
import { Broker } from "../../broker/Broker.ts"
import { Configuration } from "../../config/Configuration.ts"
import { isTagOfOurs } from "../../domain/model/Ids.ts"
import { compareWithList, type FoundOnList, untilAllArrived } from "../../domain/operations/serverHistory.ts"
import { counted } from "../../domain/text/plural.ts"
import { HistoryStore, type UnsettledHistory } from "../../stores/operations/HistoryStore.ts"
import { makeAlarmDoubled } from "../executor/foundAtBroker.ts"
import { ServerHistory } from "../supervision/ServerHistory.ts"
import { makeAdoptForgotten } from "./adoptForgotten.ts"
import { makeLookUp } from "./lookUpOrders.ts"

/**
 * Settles the history of a database that may have forgotten something, so that placements go on: waits until everything that any
 * daemon may have sent must be in the broker's order list, reads all of it, makes the slices of our tags take over what the
 * database does not know of, and records the history as settled. Several daemons may do so at once: each step changes
 * what is not changed yet. What does not add up is left to a person: alarms, and a halt that is written with the settlement.
 *
 * Nothing is claimed meanwhile, so whatever was sent was sent before the wait. While the list cannot be read, the history stays
 * unsettled, and the placement gates stay closed.
 */
export const makeSettleHistory = Effect.gen(function* () {
  const config = yield* Configuration
  const broker = yield* Broker
  const store = yield* HistoryStore
  const history = yield* ServerHistory
  const readList = yield* makeReadList
  const adoptForgotten = yield* makeAdoptForgotten
  const alarmDouble = yield* makeAlarmDoubled
  const wait = untilAllArrived({
    lease: config.sliceExecutionTimeout,
    brokerTimeout: config.brokerTimeout,
    quarantine: broker.quarantine
  })

  /** Takes over what was found; returns what a person has to look at. */
  const takeOver = Effect.fnUntraced(function* (found: FoundOnList) {
    const { orphaned } = found
    // Over those of an earlier halt a person has resumed.
    const newOrphans = orphaned.length === 0 ? 0 : yield* store.noteOrphans(orphaned, yield* DateTime.now)
    for (const doubled of found.doubled) yield* alarmDouble(doubled)
    const left = yield* adoptForgotten(found.forgotten)
    return [
      ...problem(found.doubled.length, "slice", "placed twice"),
      ...problem(newOrphans, "broker order", "of ours without any slice"),
      ...problem(found.unclear.length, "row", "of the order list unreadable"),
      ...problem(left.length, "slice", "that could not take over its broker order")
    ]
  })

  const settle = Effect.fnUntraced(function* ({ since, seenAt }: UnsettledHistory) {
    const list = yield* readList
    if (list === null) return
    const { tags, ordersOf, unreadableOf } = list
    const slices = yield* store.tagged(tags)
    const found = compareWithList(tags, slices, ordersOf, unreadableOf)
    const problems = [
      ...(yield* takeOver(found)),
      ...problem(list.unclear, "row", "of the order list unreadable"),
      ...(seenAt === null || DateTime.isGreaterThanOrEqualTo(seenAt, list.since)
        ? []
        : problem(yield* store.unprovable(seenAt, list.since), "slice", "due before the broker's order list begins"))
    ]
    const halt =
      problems.length > 0
        ? `the database has forgotten what it had committed, and not all of it is found again: ${problems.join("; ")}`
        : config.afterDatabaseLoss === "halt"
          ? "the database may have forgotten what it had committed (AFTER_DATABASE_LOSS=halt)"
          : null
    if (!(yield* store.settle({ since, wait, halt, now: yield* DateTime.now }))) return
    yield* (halt === null ? Effect.logInfo : Effect.logError)(
      `The database's history is settled: ${counted(found.forgotten.length, "broker order")} of ${tags.size} ` +
        `${tags.size === 1 ? "was" : "were"} forgotten; ${halt === null ? "placements go on" : `placements are halted: ${halt}`}`
    )
  })

  return Effect.gen(function* () {
    if (history.isSettled()) return
    const unsettled = yield* store.unsettled(yield* DateTime.now)
    if (Option.isNone(unsettled) || unsettled.value.forMillis < Duration.toMillis(wait)) return
    yield* settle(unsettled.value)
  })
})

const problem = (count: number, what: string, is: string): ReadonlyArray<string> =>
  count === 0 ? [] : [`${counted(count, what)} ${is}`]

/** Reads the whole order list: the tags of ours in it, and their orders; null if the broker could not answer. */
const makeReadList = Effect.gen(function* () {
  const broker = yield* Broker
  const lookUp = yield* makeLookUp

  return Effect.gen(function* () {
    const all = yield* Effect.exit(broker.listAll)
    if (Exit.isFailure(all)) {
      yield* Effect.logWarning(
        "The database may have forgotten what it had committed, and the broker's order list cannot be read: nothing is placed until then",
        all.cause
      )
      return null
    }
    const { entries, unreadable } = all.value
    const tags = new Set([...entries, ...unreadable].flatMap(({ tags }) => tags.filter(isTagOfOurs)))
    const looked = yield* lookUp(tags)
    if (Option.isNone(looked)) return null
    const { ordersOf, orderListSinceMillis, unreadableOf } = looked.value
    // A row without a tag of ours that cannot be read may have had one.
    const unclear = unreadable.filter((row) => !row.tags.some(isTagOfOurs)).length
    return { tags, ordersOf, unreadableOf, unclear, since: DateTime.makeUnsafe(orderListSinceMillis) }
  })
})
