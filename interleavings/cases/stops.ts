import { Effect } from "effect"
import { Db } from "../../src/db/Db.ts"
import { instant } from "../../src/db/parameters.ts"
import { OrderId, BrokerOrderId, SliceId, Tag } from "../../src/domain/model/Ids.ts"
import { OrderStore } from "../../src/stores/orders/OrderStore.ts"
import { type Actor, actor, type Case } from "../harness/Case.ts"
import {
  acknowledged,
  cancel,
  claim,
  inDoubt,
  notPlaced,
  pause,
  resume,
  returned,
  skipCancelled,
  skipStale,
  write
} from "./actions.ts"
import {
  actionsRecorded,
  afterWindow,
  allDue,
  at,
  claimOrders,
  completeSplits,
  leaseSeconds,
  orderStates,
  planned,
  sliceStates,
  splitOrder,
  submit,
  unless,
  firstSeeds
} from "./world.ts"

const second = allDue + 1

/** What stops an order, or lets it go on. */
const changes = [
  { what: "cancel", change: () => actor("cancel", cancel("o1", second)) },
  { what: "pause", change: () => actor("pause", pause("o1", second)) }
] as const

/** That the order ends as the actors were told. */
const isStopped = (stopping: Actor<unknown>) =>
  Effect.map(orderStates, ([order]) =>
    unless(
      stopping.result === false || order?.isCancelled === true || order?.isHeld === true,
      `${stopping.name} is not to be seen`
    )
  )

const returnsAndStops: ReadonlyArray<Case> = changes.map(({ what, change }) => ({
  name: `claimed slices are given back beside a ${what}`,
  prepare: Effect.gen(function* () {
    yield* splitOrder()
    const slices = yield* claim("a", allDue, { limit: 3 })
    return () => {
      const stopping = change()
      const executor = actor("executor", write(slices, returned, second, false))
      return {
        actors: [executor, stopping],
        problems: Effect.map(isStopped(stopping), (problems) => [
          ...problems,
          ...unless(executor.result?.length === 3, "a slice was not given back")
        ])
      }
    }
  })
}))

const claimsAndStops: ReadonlyArray<Case> = changes.map(({ what, change }) => ({
  name: `slices are claimed beside a ${what}`,
  prepare: Effect.as(splitOrder(), () => {
    const stopping = change()
    const executor = actor("executor", claim("a", second, { limit: 3 }), { neverWaits: true })
    return {
      actors: [executor, stopping],
      problems: Effect.gen(function* () {
        const claimed = (yield* sliceStates).filter(({ stage }) => stage === "IN_PROGRESS")
        return [
          ...(yield* isStopped(stopping)),
          ...unless(claimed.length === executor.result?.length, "a claim was told of and is not there")
        ]
      })
    }
  })
}))

const splitsAndStops: ReadonlyArray<Case> = changes.map(({ what, change }) => ({
  name: `an order is split beside a ${what}`,
  prepare: Effect.gen(function* () {
    yield* submit("o1")
    const splits = yield* planned(yield* claimOrders("a"))
    return () => {
      const stopping = change()
      return { actors: [actor("splitter", completeSplits(splits)), stopping], problems: isStopped(stopping) }
    }
  })
}))

const resumeAndReturn: Case = {
  name: "an order is resumed while its claimed slices are given back",
  prepare: Effect.gen(function* () {
    yield* splitOrder()
    const slices = yield* claim("a", allDue, { limit: 3 })
    yield* pause("o1", second)
    return () => ({
      actors: [actor("executor", write(slices, returned, second, false)), actor("resume", resume("o1", second))],
      problems: Effect.map(orderStates, ([order]) => unless(order?.isHeld === false, "the order is still on hold"))
    })
  })
}

const pauseResumeReturn: Case = {
  name: "an order is paused and resumed while its claimed slices are given back",
  seeds: firstSeeds,
  prepare: Effect.gen(function* () {
    yield* splitOrder()
    const slices = yield* claim("a", allDue, { limit: 3 })
    return () => ({
      actors: [
        actor("executor", write(slices, returned, second, false)),
        actor("pause", pause("o1", second)),
        actor("resume", resume("o1", second))
      ],
      problems: Effect.succeed([])
    })
  })
}

const twoPauses: Case = {
  name: "two people pause an order",
  prepare: Effect.as(splitOrder(), () => {
    const people = ["a", "b"].map((name) => actor(`pause ${name}`, pause("o1", second)))
    return {
      actors: people,
      problems: Effect.map(actionsRecorded("order pause"), (count) => [
        ...unless(count === 1, `${count} pauses are recorded`),
        ...unless(
          people.filter(({ result }) => result === true).length === 1,
          "not one was told that it paused the order"
        )
      ])
    }
  })
}

const reconcileAndCancel: Case = {
  name: "slices in doubt turn out as not placed beside a cancel",
  prepare: Effect.gen(function* () {
    yield* splitOrder()
    yield* claim("a", allDue, { limit: 2 })
    const lapsed = allDue + leaseSeconds + 1
    const doubted = yield* inDoubt(lapsed)
    return () => ({
      actors: [
        actor("monitor", write(doubted, notPlaced, lapsed, false)),
        actor("monitor of another daemon", write(doubted, acknowledged, lapsed, false)),
        actor("cancel", cancel("o1", lapsed))
      ],
      problems: Effect.succeed([])
    })
  }),
  seeds: firstSeeds
}

/** An order that another program has cancelled, which leaves its slices as they are. */
const cancelledByOthers = Effect.gen(function* () {
  yield* splitOrder()
  const { sql, execute } = yield* Db
  yield* execute(
    "interleavings.cancelledByOthers",
    sql`UPDATE orders SET cancel_requested_at = ${instant(at(allDue))} WHERE id = 'o1'`
  )
})

const skipsOfCancelled: Case = {
  name: "slices of a cancelled order are skipped while an executor claims them",
  prepare: Effect.as(cancelledByOthers, () =>
    skippedOrClaimed(actor("monitor", skipCancelled(second), { neverWaits: true }), second)
  )
}

const skipsOfStale: Case = {
  name: "slices are skipped as too late while an executor with a slower clock claims them",
  prepare: Effect.as(splitOrder(), () =>
    skippedOrClaimed(actor("monitor", skipStale(afterWindow), { neverWaits: true }), allDue)
  )
}

/** Each of the five slices must be skipped or claimed, as it was told. */
const skippedOrClaimed = (skipping: Actor<ReadonlyArray<string>>, seconds: number) => {
  const executor = actor("executor", claim("a", seconds, { limit: 3 }), { neverWaits: true })
  return {
    actors: [executor, skipping],
    problems: Effect.map(sliceStates, (slices) => {
      const claimed = slices.filter(({ stage }) => stage === "IN_PROGRESS").length
      const skipped = slices.filter(({ stage }) => stage === "SKIPPED").length
      return [
        ...unless(
          claimed === executor.result?.length,
          `the executor was told of ${executor.result?.length} claims, and has ${claimed}`
        ),
        ...unless(
          skipped === skipping.result?.length,
          `${skipping.result?.length} skips were told of, and ${skipped} made`
        )
      ]
    })
  }
}

const double = (orders: ReadonlyArray<string>) =>
  Effect.flatMap(OrderStore, (store) =>
    store.noteDouble(
      {
        tag: Tag.make("T1"),
        orderId: OrderId.make("o1"),
        sliceId: SliceId.make("s1"),
        brokerOrderIds: orders.map((id) => BrokerOrderId.make(id)),
        reason: "two orders"
      },
      at(second),
      Effect.void
    )
  )

const doubleAndClaim: Case = {
  name: "two monitors find a double placement while an executor claims and gives back",
  seeds: firstSeeds,
  prepare: Effect.gen(function* () {
    yield* splitOrder()
    const slices = yield* claim("a", allDue, { limit: 2 })
    return () => ({
      actors: [
        actor("monitor a", double(["b1", "b2"])),
        actor("monitor b", double(["b1", "b2", "b3"])),
        actor("executor", write(slices, returned, second, false))
      ],
      problems: Effect.map(orderStates, ([order]) => unless(order?.isHeld === true, "the order is not on hold"))
    })
  })
}

/** Cancels, pauses and holds, and what may run beside them. */
export const stopCases: ReadonlyArray<Case> = [
  ...returnsAndStops,
  ...claimsAndStops,
  ...splitsAndStops,
  resumeAndReturn,
  pauseResumeReturn,
  twoPauses,
  reconcileAndCancel,
  skipsOfCancelled,
  skipsOfStale,
  doubleAndClaim
]
