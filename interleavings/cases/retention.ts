import { Effect } from "effect"
import { SliceCommands } from "../../src/stores/slices/SliceCommands.ts"
import { type Actor, actor, type Case } from "../harness/Case.ts"
import {
  acknowledged,
  brokerOrderOf,
  claim,
  daySlices,
  followed,
  mayRefuse,
  openSlices,
  pause,
  placed,
  prune,
  refused,
  repair,
  takeOverThese,
  unknown,
  wasInDoubt,
  write
} from "./actions.ts"
import { allDue, asked, at, orderStates, sliceStates, splitOrder, unless, windowGrace } from "./world.ts"

/* Removal of finished orders, against all that may still concern them. */

/** A day after the orders' start. */
const nextDay = 86_400

/** An order of two slices of which one is filled and the other refused after it was in doubt. */
const finished = Effect.gen(function* () {
  yield* splitOrder("o1", { num_splits: 2 })
  const [first, second] = yield* claim("a", allDue)
  if (first === undefined || second === undefined) throw new Error("Two slices were to be due")
  yield* write([first], acknowledged, allDue)
  yield* followed(yield* openSlices(allDue), "COMPLETE", 50, allDue)
  yield* write([second], unknown, allDue)
  yield* write([second], refused, allDue)
  return second
})

/** The order is removed with all that belongs to it, or is there with all of it. */
const goneOrWhole = (changing: Actor, isDone: (result: unknown) => boolean) =>
  Effect.gen(function* () {
    const orders = yield* orderStates
    const slices = yield* sliceStates
    return [
      ...unless(
        slices.length === (orders.length === 1 ? 2 : 0),
        `${orders.length} orders are left with ${slices.length} slices`
      ),
      ...unless(!isDone(changing.result) || orders.length === 1, `${changing.name} was done, and the order is removed`)
    ]
  })

const pruneAndPause: Case = {
  name: "a finished order is paused while it is removed",
  prepare: Effect.as(finished, () => {
    const pausing = actor("pause", pause("o1", nextDay))
    return {
      actors: [actor("prune", prune, { neverWaits: true }), pausing],
      problems: goneOrWhole(pausing, (result) => result === true)
    }
  })
}

const pruneAndRetry: Case = {
  name: "a slice is retried while its order is removed",
  prepare: Effect.map(finished, ({ id }) => () => {
    const person = actor(
      "retry",
      Effect.flatMap(SliceCommands, (commands) =>
        commands.retry(id, { now: at(nextDay), at: at(nextDay + 60), windowGrace, orderListSince: at(-3600) }, asked)
      ),
      { mayFail: mayRefuse }
    )
    return { actors: [actor("prune", prune), person], problems: goneOrWhole(person, (result) => result !== null) }
  })
}

const pruneAndLateArrival: Case = {
  name: "a slice arrives at the broker while its order is removed",
  prepare: Effect.gen(function* () {
    yield* finished
    const late = yield* wasInDoubt
    return () => {
      const monitor = actor("monitor", takeOverThese(late, nextDay))
      return {
        actors: [actor("prune", prune), monitor],
        problems: goneOrWhole(monitor, () => monitor.result?.size === 1)
      }
    }
  })
}

const pruneAndPlaced: Case = {
  name: "a person finds the order of a slice while its order is removed",
  prepare: Effect.map(finished, (slice) => () => {
    const person = actor("placed", placed(slice.id, brokerOrderOf(slice), 50, nextDay))
    return { actors: [actor("prune", prune), person], problems: goneOrWhole(person, (result) => result === true) }
  })
}

const pruneAndRepair: Case = {
  name: "settle repairs a slice while its order is removed",
  prepare: Effect.gen(function* () {
    yield* finished
    const before = (yield* daySlices).filter(({ brokerOrderId }) => brokerOrderId !== null)
    return () => {
      const settling = actor("settle", repair(before, "CANCELLED", 40, nextDay))
      return { actors: [actor("prune", prune), settling], problems: goneOrWhole(settling, (result) => result === 1) }
    }
  })
}

const twoPrunes: Case = {
  name: "two people remove the same orders",
  prepare: Effect.as(finished, () => {
    const people = ["a", "b"].map((name) => actor(`prune ${name}`, prune, { neverWaits: true }))
    return {
      actors: people,
      problems: Effect.sync(() => {
        const removed = people.reduce((sum, { result }) => sum + (result?.orders ?? 0), 0)
        return unless(removed === 1, `${removed} orders were told of as removed`)
      })
    }
  })
}

/** What may happen to an order while it is removed. */
export const retentionCases: ReadonlyArray<Case> = [
  pruneAndPause,
  pruneAndRetry,
  pruneAndLateArrival,
  pruneAndPlaced,
  pruneAndRepair,
  twoPrunes
]
