import { Effect } from "effect"
import { type Actor, actor, type Case } from "../harness/Case.ts"
import {
  acknowledged,
  brokerOrderOf,
  cancel,
  claim,
  daySlices,
  inDoubt,
  mayRefuse,
  notPlaced,
  pause,
  placed,
  refused,
  repair,
  retry,
  skip,
  takeOverThese,
  unknown,
  wasInDoubt,
  write
} from "./actions.ts"
import { actionsRecorded, allDue, leaseSeconds, sliceStates, splitOrder, unless, firstSeeds } from "./world.ts"

/* What people decide on single slices, against each other and against the workers. */

const second = 5
const lapsed = allDue + leaseSeconds + 1

/** An order whose first slice was refused, perhaps after it was in doubt. */
const firstRefused = (wasUnknown: boolean) =>
  Effect.gen(function* () {
    yield* splitOrder()
    const slices = yield* claim("a", 1)
    if (wasUnknown) yield* write(slices, unknown, 1)
    yield* write(slices, refused, 1)
    const [slice] = slices
    if (slice === undefined) throw new Error("No slice was due")
    return slice
  })

/** A retry is recorded once if the person was told of it, and not otherwise. */
const isRecorded = (action: string, person: Actor, told: (result: unknown) => boolean) =>
  Effect.map(actionsRecorded(action), (count) =>
    unless(count === (told(person.result) ? 1 : 0), `${person.name} is recorded ${count} times`)
  )

const isTold = (result: unknown): boolean => result !== null && result !== false

const retryAndStop: ReadonlyArray<Case> = [
  { what: "cancelled", act: cancel("o1", second) },
  { what: "paused", act: pause("o1", second) }
].map(({ what, act }) => ({
  name: `a slice is retried while its order is ${what}`,
  prepare: Effect.map(firstRefused(false), ({ id }) => () => {
    const person = actor("retry", retry(id, second), { mayFail: mayRefuse })
    return { actors: [person, actor(what, act)], problems: isRecorded("slice retry", person, isTold) }
  })
}))

const retryAndLateArrival: Case = {
  name: "a slice is retried while two monitors see that it was placed",
  seeds: firstSeeds,
  prepare: Effect.gen(function* () {
    const { id } = yield* firstRefused(true)
    const late = yield* wasInDoubt
    return () => {
      const person = actor("retry", retry(id, second), { mayFail: mayRefuse })
      const monitors = ["a", "b"].map((name) => actor(`monitor ${name}`, takeOverThese(late, second)))
      return {
        actors: [person, ...monitors],
        problems: Effect.gen(function* () {
          const taken = monitors.reduce((sum, { result }) => sum + (result?.size ?? 0), 0)
          return [
            ...(yield* isRecorded("slice retry", person, isTold)),
            ...unless(taken + (person.result === null ? 0 : 1) === 1, "not exactly one had the slice")
          ]
        })
      }
    }
  })
}

const twoRetries: Case = {
  name: "two people retry a slice",
  prepare: Effect.map(firstRefused(false), ({ id }) => () => {
    const people = ["a", "b"].map((name) => actor(`retry ${name}`, retry(id, second), { mayFail: mayRefuse }))
    return {
      actors: people,
      problems: Effect.map(actionsRecorded("slice retry"), (count) => [
        ...unless(count === 1, `${count} retries are recorded`),
        ...unless(people.filter(({ result }) => result !== null).length === 1, "not exactly one was told of a retry")
      ])
    }
  })
}

/** A slice whose lease is over: its owner, the monitor and a person all decide on it. */
const lapsedClaim = Effect.gen(function* () {
  yield* splitOrder("o1", { num_splits: 1 })
  const claimed = yield* claim("a", allDue)
  const doubted = yield* inDoubt(lapsed)
  const [slice] = claimed
  if (slice === undefined) throw new Error("No slice was due")
  return { claimed, doubted, slice }
})

/** What a person can decide on it. A finding of a person also overrules a monitor that has given the slice up. */
const decisions = [
  { what: "skip", of: (id: string) => skip(id, lapsed), overrules: false },
  { what: "placed", of: (id: string) => placed(id, brokerOrderOf({ id }), 100, lapsed), overrules: true }
]

const decisionsOnDoubt: ReadonlyArray<Case> = decisions.map(({ what, of, overrules }) => ({
  name: `a person's "${what}" on a slice in doubt meets its owner and the monitor`,
  seeds: firstSeeds,
  prepare: Effect.map(lapsedClaim, ({ claimed, doubted, slice }) => () => {
    const person = actor(what, of(slice.id))
    const owner = actor("owner", write(claimed, acknowledged, lapsed))
    const monitor = actor("monitor", write(doubted, refused, lapsed, false))
    return {
      actors: [person, owner, monitor],
      problems: Effect.gen(function* () {
        const [byPerson, byOwner, byMonitor] = [
          person.result === true,
          owner.result?.length === 1,
          monitor.result?.length === 1
        ]
        const resolved = overrules && byMonitor ? 1 : Number(byPerson) + Number(byMonitor)
        return [
          ...(yield* isRecorded(`slice ${what}`, person, isTold)),
          ...unless(resolved + Number(byOwner) === 1, "not exactly one decided on the slice")
        ]
      })
    }
  })
}))

const skipAndClaim: Case = {
  name: "a person gives up a slice while an executor claims it",
  prepare: Effect.gen(function* () {
    yield* splitOrder("o1", { num_splits: 1 })
    const [slice] = yield* sliceStates
    return () => {
      const person = actor("skip", skip(slice?.id ?? "", allDue))
      const executor = actor("executor", claim("a", allDue), { neverWaits: true })
      return {
        actors: [person, executor],
        problems: Effect.map(sliceStates, ([now]) => [
          ...unless((executor.result?.length === 1) !== (person.result === true), "both had the slice, or nobody"),
          ...unless(now?.stage === (person.result === true ? "SKIPPED" : "IN_PROGRESS"), `the slice is ${now?.stage}`)
        ])
      }
    }
  })
}

const repairAndOwner: Case = {
  name: "settle repairs a slice while the monitor reschedules it and an executor claims it",
  seeds: [1, 2, 22],
  prepare: Effect.gen(function* () {
    const { doubted } = yield* lapsedClaim
    const before = yield* daySlices
    return () => {
      const settling = actor("settle", repair(before, "COMPLETE", 100, lapsed))
      const executor = actor("executor", claim("b", lapsed), { neverWaits: true })
      return {
        actors: [settling, actor("monitor", write(doubted, notPlaced, lapsed, false)), executor],
        problems: Effect.map(sliceStates, ([slice]) => [
          ...unless(
            (settling.result === 1) === (slice?.stage === "PROCESSED"),
            `the repaired slice is ${slice?.stage}`
          ),
          ...unless(settling.result === 0 || executor.result?.length === 0, "a repaired slice was claimed")
        ])
      }
    }
  })
}

const oneOrderForTwo: Case = {
  name: "two people say of two slices that they were placed as the same broker order",
  prepare: Effect.gen(function* () {
    yield* splitOrder("o1", { num_splits: 2 })
    const slices = yield* claim("a", allDue)
    yield* write(slices, unknown, allDue)
    return () => ({
      actors: slices.map(({ id }, index) =>
        actor(`placed ${index + 1}`, placed(id, brokerOrderOf({ id: "same" }), 50, lapsed))
      ),
      problems: Effect.succeed([])
    })
  })
}

/** People's decisions on slices. */
export const operatorCases: ReadonlyArray<Case> = [
  ...retryAndStop,
  retryAndLateArrival,
  twoRetries,
  ...decisionsOnDoubt,
  skipAndClaim,
  repairAndOwner,
  oneOrderForTwo
]
