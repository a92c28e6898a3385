import { Effect } from "effect"
import type { NextStage } from "../../src/domain/model/OrderSlice.ts"
import { actor, type Case } from "../harness/Case.ts"
import {
  acknowledged,
  brokerOrderOf,
  claim,
  daySlices,
  followed,
  followThrough,
  inDoubt,
  mayRefuse,
  openSlices,
  placed,
  refused,
  repair,
  retry,
  returned,
  skip,
  takeOverThese,
  unknown,
  wasInDoubt,
  write
} from "./actions.ts"
import { actionsRecorded, allDue, firstSeeds, sliceStates, splitOrder, unless } from "./world.ts"

/*
 * New plans by the monitor: carries, completions, and the end of an order. That no quantity is planned twice or forgotten is
 * for the sums of the order, which are judged after each run.
 */

/** One or two slices are due. */
const second = 16

const nothingMore = Effect.succeed([])

/** An order of which the first slice is at the broker, open, and two more are in the hands of an executor, or were. */
const firstAtBroker = Effect.gen(function* () {
  yield* splitOrder("o1", { carry_unfilled: true, carry_rejected: true })
  yield* write(yield* claim("a", 1), acknowledged, 1)
  return yield* openSlices(2)
})

/** As {@link firstAtBroker}, and its order is cancelled at the broker with a fill of 5 of 20. */
const firstUnfilled = Effect.tap(firstAtBroker, (open) => followed(open, "CANCELLED", 5, 3))

const twoCarries: Case = {
  name: "two monitors carry an unfilled quantity while an executor claims",
  seeds: firstSeeds,
  prepare: Effect.as(firstUnfilled, () => ({
    actors: [
      actor("monitor a", followThrough("o1", second)),
      actor("monitor b", followThrough("o1", second)),
      actor("executor", claim("b", second), { neverWaits: true })
    ],
    problems: nothingMore
  }))
}

/** Repairs what was placed as filled with 12, where other slices do not stand in for it. */
const settleTo12 = (sequenceNumber: number) =>
  Effect.flatMap(daySlices, (slices) =>
    repair(
      slices.filter((slice) => slice.sequenceNumber === sequenceNumber && slice.brokerOrderId !== null),
      "CANCELLED",
      12,
      second
    )
  )

const carryAndLastWord: Case = {
  name: "the last word of a slice arrives, and is repaired, while its order's unfilled quantity is carried",
  seeds: [1, 2, 7],
  prepare: Effect.gen(function* () {
    yield* splitOrder("o1", { carry_unfilled: true })
    yield* write(yield* claim("a", second), acknowledged, second)
    const [first, last] = yield* openSlices(second)
    if (first === undefined || last === undefined) throw new Error("Two slices were to be open")
    yield* followed([first], "CANCELLED", 5, second)
    return () => ({
      actors: [
        actor("monitor", followThrough("o1", second), { mayFail: mayRefuse }),
        actor("look-up and settle", Effect.andThen(followed([last], "CANCELLED", 5, second), settleTo12(2)))
      ],
      problems: nothingMore
    })
  })
}

const carryAndRepair: Case = {
  name: "a repair changes the fill that is carried at the same time",
  seeds: [1, 2, 5],
  prepare: Effect.gen(function* () {
    yield* firstUnfilled
    const before = (yield* daySlices).filter(({ brokerOrderId }) => brokerOrderId !== null)
    return () => ({
      actors: [
        actor("monitor", followThrough("o1", second), { mayFail: mayRefuse }),
        actor("settle", repair(before, "COMPLETE", 20, second))
      ],
      problems: nothingMore
    })
  })
}

/** An order whose first slice has come to this end. */
const firstEnded = (...nexts: ReadonlyArray<() => NextStage>) =>
  Effect.gen(function* () {
    yield* splitOrder("o1", { carry_unfilled: true, carry_rejected: true })
    const slices = yield* claim("a", 1)
    for (const next of nexts) yield* write(slices, next, 1)
    const [slice] = slices
    if (slice === undefined) throw new Error("No slice was due")
    return slice
  })

const carryAndRetry: Case = {
  name: "a refused slice is retried by a person while its quantity is carried",
  seeds: firstSeeds,
  prepare: Effect.map(firstEnded(refused), ({ id }) => () => {
    const person = actor("retry", retry(id, second), { mayFail: mayRefuse })
    return {
      actors: [actor("monitor", followThrough("o1", second)), person],
      problems: Effect.map(actionsRecorded("slice retry"), (count) =>
        unless((count === 1) === (person.result !== null), `${count} retries are recorded`)
      )
    }
  })
}

const carryAndLateArrival: Case = {
  name: "a slice that was given up arrives at the broker while its quantity is carried",
  seeds: [1, 6, 12],
  prepare: Effect.gen(function* () {
    yield* firstEnded(unknown, refused)
    const late = yield* wasInDoubt
    return () => ({
      actors: [
        actor("monitor", followThrough("o1", second)),
        actor("monitor of another daemon", takeOverThese(late, second))
      ],
      problems: Effect.map(sliceStates, ([slice]) =>
        unless(
          slice?.carriedQuantity === 0 || slice?.stage === "FAILED",
          "the slice is at the broker, and its quantity is carried as well"
        )
      )
    })
  })
}

const doubtResolved: Case = {
  name: "a person resolves a slice in doubt, and it is repaired, while its order's unfilled quantity is carried",
  seeds: [1, 2, 9],
  prepare: Effect.gen(function* () {
    yield* splitOrder("o1", { carry_unfilled: true })
    const [first, last] = yield* claim("a", second)
    if (first === undefined || last === undefined) throw new Error("Two slices were to be due")
    yield* write([first], acknowledged, second)
    yield* write([last], unknown, second)
    yield* followed(yield* openSlices(second), "CANCELLED", 5, second)
    return () => ({
      actors: [
        actor("monitor", followThrough("o1", second), { mayFail: mayRefuse }),
        actor("placed and settle", Effect.andThen(placed(last.id, brokerOrderOf(last), 5, second), settleTo12(2)))
      ],
      problems: nothingMore
    })
  })
}

const completion: Case = {
  name: "an order is completed while the last word of a slice and the return of another arrive",
  seeds: firstSeeds,
  prepare: Effect.gen(function* () {
    yield* splitOrder("o1", { completion: "CROSS" })
    yield* write(yield* claim("a", 1), acknowledged, 1)
    const open = yield* openSlices(2)
    const slices = yield* claim("b", allDue, { limit: 1 })
    return () => ({
      actors: [
        actor("monitor", followThrough("o1", allDue + 30)),
        actor("look-up", followed(open, "CANCELLED", 5, allDue + 30)),
        actor("executor", write(slices, returned, allDue + 30, false))
      ],
      problems: nothingMore
    })
  })
}

const finishAndRetry: Case = {
  name: "an order is found finished while a person retries a slice of it",
  seeds: firstSeeds,
  prepare: Effect.gen(function* () {
    yield* splitOrder("o1", { carry_unfilled: true })
    const slices = yield* claim("a", allDue)
    const [first, ...others] = slices
    if (first === undefined) throw new Error("No slice was due")
    yield* write([first], refused, allDue)
    yield* write(others, acknowledged, allDue)
    yield* followed(yield* openSlices(allDue), "COMPLETE", 20, allDue)
    return () => {
      const person = actor("retry", retry(first.id, allDue + 5), { mayFail: mayRefuse })
      return {
        actors: [actor("monitor", followThrough("o1", allDue + 5)), person],
        problems: Effect.map(sliceStates, ([slice]) =>
          unless((person.result !== null) === (slice?.stage === "SCHEDULED"), `the retried slice is ${slice?.stage}`)
        )
      }
    }
  })
}

const skipAndCarry: Case = {
  name: "a person gives up a slice in doubt while its order is carried",
  seeds: firstSeeds,
  prepare: Effect.gen(function* () {
    const slice = yield* firstEnded(unknown)
    const doubted = yield* inDoubt(second)
    return () => ({
      actors: [
        actor("monitor", followThrough("o1", second)),
        actor("skip", skip(slice.id, second)),
        actor("monitor of another daemon", write(doubted, refused, second, false))
      ],
      problems: nothingMore
    })
  })
}

/** New plans by the monitor, and what may run beside them. */
export const replanCases: ReadonlyArray<Case> = [
  twoCarries,
  carryAndLastWord,
  carryAndRepair,
  carryAndRetry,
  carryAndLateArrival,
  doubtResolved,
  completion,
  finishAndRetry,
  skipAndCarry
]
