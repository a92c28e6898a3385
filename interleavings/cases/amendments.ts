import { Duration, Effect } from "effect"
import { actor, type Case } from "../harness/Case.ts"
import {
  acknowledged,
  amendOrder,
  cancel,
  claim,
  inDoubt,
  mayRefuse,
  pause,
  refused,
  resume,
  returned,
  skipStale,
  write
} from "./actions.ts"
import {
  actionsRecorded,
  afterWindow,
  allDue,
  firstSeeds,
  leaseSeconds,
  sliceStates,
  splitOrder,
  unless
} from "./world.ts"

/* New plans by people. That no quantity is planned twice or forgotten is for the sums, which are judged after each run. */

/** One or two slices are due. */
const second = 16

const nothingMore = Effect.succeed([])

const amendAndClaim: Case = {
  name: "an order is amended while an executor claims",
  seeds: [1, 2, 37],
  prepare: Effect.as(splitOrder(), () => {
    const executor = actor("executor", claim("a", second), { neverWaits: true })
    const amending = actor("amend", amendOrder("o1", second))
    return {
      actors: [amending, executor],
      problems: Effect.map(sliceStates, (slices) => {
        const claimed = slices.filter(({ stage }) => stage === "IN_PROGRESS").length
        return [
          ...unless(
            claimed === executor.result?.length,
            `${executor.result?.length} claims were told of, and ${claimed} are there`
          ),
          ...unless(
            amending.result === 2,
            `the amendment was decided ${amending.result} times: slices were claimed meanwhile`
          )
        ]
      })
    }
  })
}

const amendAndStop: ReadonlyArray<Case> = [
  { what: "paused", act: pause("o1", second), isHeld: false },
  { what: "resumed", act: resume("o1", second), isHeld: true },
  { what: "cancelled", act: cancel("o1", second), isHeld: false }
].map(({ what, act, isHeld }) => ({
  name: `an order is amended while it is ${what}`,
  seeds: firstSeeds,
  prepare: Effect.as(Effect.andThen(splitOrder(), isHeld ? pause("o1", 1) : Effect.void), () => ({
    actors: [actor("amend", amendOrder("o1", second), { mayFail: mayRefuse }), actor(what, act)],
    problems: nothingMore
  }))
}))

const amendAndReturn: Case = {
  name: "an order is amended while its claimed slices are given back",
  prepare: Effect.gen(function* () {
    yield* splitOrder()
    const slices = yield* claim("a", second)
    return () => ({
      actors: [
        // A shorter window ends that of the slices that come back, too.
        actor("amend", amendOrder("o1", second, { remainingWindow: Duration.seconds(20) })),
        actor("executor", write(slices, returned, second, false))
      ],
      problems: nothingMore
    })
  })
}

const twoAmendments: Case = {
  name: "two people amend an order while an executor claims",
  seeds: firstSeeds,
  prepare: Effect.as(splitOrder(), () => ({
    actors: [
      actor("amend a", amendOrder("o1", second)),
      actor("amend b", amendOrder("o1", second, { remainingQuantity: 50, remainingWindow: Duration.minutes(2) }), {
        mayFail: mayRefuse
      }),
      actor("executor", claim("a", second), { neverWaits: true })
    ],
    problems: Effect.map(actionsRecorded("order amend"), (count) =>
      unless(count === 2, `${count} amendments are recorded`)
    )
  }))
}

/** Each holds slices that the next one wants: whoever locks the order first, none may end as the victim of a deadlock. */
const outcomesAndAmend: Case = {
  name: "outcomes of two slices and of one of them meet an amendment",
  seeds: [1, 2, 85],
  prepare: Effect.gen(function* () {
    yield* splitOrder()
    const slices = yield* claim("a", second)
    const lapsed = second + leaseSeconds + 1
    const doubted = yield* inDoubt(lapsed)
    const [first, last] = [doubted.slice(0, 1), doubted.slice(1)]
    return () => ({
      actors: [
        actor("monitor a", write(first, refused, lapsed, false)),
        actor("monitor b", write(last, refused, lapsed, false)),
        actor("owner", write(slices.toReversed(), acknowledged, lapsed)),
        actor("amend", amendOrder("o1", lapsed))
      ],
      problems: nothingMore
    })
  })
}

const amendAndSkips: Case = {
  name: "late slices are skipped while their order is amended and an executor claims some of them",
  seeds: firstSeeds,
  prepare: Effect.as(splitOrder(), () => {
    const monitor = actor("monitor", skipStale(afterWindow), { neverWaits: true })
    const executor = actor("executor with a slower clock", claim("a", allDue, { limit: 2 }), { neverWaits: true })
    return {
      actors: [actor("amend", amendOrder("o1", afterWindow), { mayFail: mayRefuse }), monitor, executor],
      problems: Effect.map(sliceStates, (slices) => {
        const claimed = slices.filter(({ stage }) => stage === "IN_PROGRESS").length
        return unless(
          claimed === executor.result?.length,
          `${executor.result?.length} claims were told of, and ${claimed} are there`
        )
      })
    }
  })
}

/** Amendments, and what may run beside them. */
export const amendmentCases: ReadonlyArray<Case> = [
  amendAndClaim,
  ...amendAndStop,
  amendAndReturn,
  twoAmendments,
  outcomesAndAmend,
  amendAndSkips
]
