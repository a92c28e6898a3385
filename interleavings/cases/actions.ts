import { Duration, Effect } from "effect"
import { Configuration, planningRules } from "../../src/config/Configuration.ts"
import type { BrokerOrder, BrokerStatus } from "../../src/domain/model/BrokerOrder.ts"
import { BrokerOrderId, type SliceId } from "../../src/domain/model/Ids.ts"
import type { ClaimedSlice, NextStage, OpenSlice, SliceTransition } from "../../src/domain/model/OrderSlice.ts"
import { because } from "../../src/domain/model/reason.ts"
import { unknownInstrument } from "../../src/domain/planning/planOrder.ts"
import { type Amendment, amend } from "../../src/domain/planning/replan/amend.ts"
import { planFollowThrough } from "../../src/domain/planning/replan/planFollowThrough.ts"
import { DayReconciliationStore } from "../../src/stores/account/DayReconciliationStore.ts"
import { RetentionStore } from "../../src/stores/operations/RetentionStore.ts"
import { OrderCommands } from "../../src/stores/orders/OrderCommands.ts"
import { OrderStore } from "../../src/stores/orders/OrderStore.ts"
import { CannotReplan } from "../../src/stores/orders/readRunningOrder.ts"
import { ReplanStore } from "../../src/stores/orders/ReplanStore.ts"
import { RecoveryStore } from "../../src/stores/slices/RecoveryStore.ts"
import { CannotRetry, SliceCommands } from "../../src/stores/slices/SliceCommands.ts"
import { SliceStore } from "../../src/stores/slices/SliceStore.ts"
import type { BrokerEvent } from "../../src/stores/sql/insertEvents.ts"
import { asked, at, leaseSeconds, windowGrace } from "./world.ts"

/* What the actors of the cases do: each is what a worker or a command does with the stores, at a given second. */

type Fenced = Pick<ClaimedSlice, "key" | "id" | "orderId" | "claimVersion" | "attempts">

export const claim = (owner: string, seconds: number, options: { limit?: number; after?: ClaimedSlice } = {}) =>
  Effect.flatMap(SliceStore, (slices) =>
    slices.claimDue({
      now: at(seconds),
      horizon: at(seconds),
      leaseExpiresAt: at(seconds + leaseSeconds),
      owner,
      limit: options.limit ?? 10,
      after: options.after ?? null
    })
  )

/** Writes what became of claimed slices, with the audit of the calls behind it where there was one. */
export const write = (
  slices: ReadonlyArray<Fenced>,
  nextOf: (slice: Fenced) => NextStage,
  seconds: number,
  isSent = true
) =>
  Effect.flatMap(SliceStore, (store) => {
    const transitions = slices.map((slice): SliceTransition => ({
      slice,
      next: nextOf(slice),
      attempts: slice.attempts + (isSent ? 1 : 0),
      placedAt: isSent ? at(seconds) : null,
      at: at(seconds)
    }))
    return store.transition(transitions, isSent ? slices.map((slice) => callOf(slice, seconds)) : [])
  })

const callOf = ({ id, orderId, claimVersion, attempts }: Fenced, seconds: number): BrokerEvent => ({
  id: `${id}:place:${claimVersion}`,
  calledAt: at(seconds),
  durationMillis: 1,
  broker: "mock",
  call: "place",
  outcome: "ok",
  orderId,
  sliceId: id,
  attempt: attempts + 1,
  brokerOrderId: null,
  request: () => ({}),
  deadline: null,
  response: {},
  worker: "test"
})

export const brokerOrderOf = ({ id }: { readonly id: string }): BrokerOrderId => BrokerOrderId.make(`b-${id}`)

export const acknowledged = (slice: { readonly id: SliceId }): NextStage => ({
  _tag: "Processed",
  brokerOrderId: brokerOrderOf(slice),
  found: null
})
export const refused = (): NextStage => ({ _tag: "Failed", code: "broker_refused", reason: "refused" })
export const unknown = (): NextStage => ({ _tag: "Unknown", code: "outcome_unknown", reason: "no answer" })
export const notPlaced = (): NextStage => ({
  _tag: "Rescheduled",
  code: "not_placed",
  reason: "not in the order list",
  notBefore: null
})
export const returned = (): NextStage => ({
  _tag: "Rescheduled",
  code: "order_stopped",
  reason: "given back",
  notBefore: null
})

/** The order of a slice in the broker's order list. */
export const atBroker = (
  slice: { readonly id: string; readonly tag: BrokerOrder["tag"] },
  status: BrokerStatus,
  filledQuantity: number
): BrokerOrder => ({
  brokerOrderId: brokerOrderOf(slice),
  tag: slice.tag,
  status,
  statusText: status,
  quantity: null,
  filledQuantity,
  averagePrice: null
})

/** The slices in doubt, as the monitor reads them. */
export const inDoubt = (seconds: number) => Effect.flatMap(SliceStore, ({ unresolved }) => unresolved(at(seconds), 100))

export const openSlices = (seconds: number) => Effect.flatMap(SliceStore, ({ open }) => open(null, 100, at(seconds)))

/** Writes the broker's state of open slices, filled as far as that, or as they are large. */
export const followed = (
  slices: ReadonlyArray<OpenSlice>,
  status: BrokerStatus,
  filledQuantity: number,
  seconds: number
) =>
  Effect.flatMap(SliceStore, ({ saveBrokerStates }) =>
    saveBrokerStates(
      slices.map((slice) => ({
        slice,
        state: atBroker(slice, status, Math.min(slice.quantity, filledQuantity)),
        noted: null
      })),
      at(seconds)
    )
  )

export const wasInDoubt = Effect.flatMap(RecoveryStore, ({ previouslyInDoubt }) => previouslyInDoubt(at(0), 100))

/** Adopts the orders of all slices that were in doubt once: they have turned up at the broker. */
export const takeOver = (seconds: number, status: BrokerStatus = "OPEN", filled = 0) =>
  Effect.flatMap(wasInDoubt, (slices) => takeOverThese(slices, seconds, status, filled))

export const takeOverThese = (
  slices: Effect.Success<typeof wasInDoubt>,
  seconds: number,
  status: BrokerStatus = "OPEN",
  filled = 0
) =>
  Effect.flatMap(RecoveryStore, (recovery) =>
    recovery.takeOver(
      slices
        .filter(({ replacedBy, carriedQuantity }) => replacedBy === null && carriedQuantity === 0)
        .map((slice) => ({ slice, order: atBroker(slice, status, filled), noted: null })),
      "late",
      at(seconds)
    )
  )

export const skipStale = (seconds: number) =>
  Effect.flatMap(RecoveryStore, (recovery) => recovery.skipStale(at(seconds), "too late", 100))

export const skipCancelled = (seconds: number) =>
  Effect.flatMap(RecoveryStore, (recovery) => recovery.skipCancelled(at(seconds), 100))

export const cancel = (orderId: string, seconds: number) =>
  Effect.flatMap(OrderCommands, (commands) => commands.requestCancel(orderId, asked, at(seconds)))

export const pause = (orderId: string, seconds: number) =>
  Effect.flatMap(OrderCommands, (commands) => commands.pause(orderId, asked, at(seconds)))

export const hold = (orderId: string, seconds: number) =>
  Effect.flatMap(OrderCommands, (commands) =>
    commands.hold(orderId, because("replan_impossible", "a reason"), at(seconds))
  )

export const resume = (orderId: string, seconds: number) =>
  Effect.flatMap(OrderCommands, (commands) => commands.resume(orderId, asked, at(seconds)))

const context = (seconds: number) =>
  Effect.map(Configuration, (config) => ({
    rules: planningRules(config, null),
    market: unknownInstrument,
    now: at(seconds)
  }))

/** Amends the rest of an order to five minutes, where the test says nothing else. */
/** Amends an order; answers how often the amendment was decided: once without locks, and then under them. */
export const amendOrder = (orderId: string, seconds: number, changed: Partial<Amendment> = {}) =>
  Effect.gen(function* () {
    let decisions = 0
    const planning = yield* context(seconds)
    const amendment: Amendment = {
      remainingQuantity: null,
      numSlices: null,
      remainingWindow: Duration.minutes(5),
      limitPrice: null,
      note: "tester: a reason",
      ...changed
    }
    const options = { now: at(seconds), windowGrace, asked }
    yield* (yield* ReplanStore).change(orderId, options, (running) => {
      decisions += 1
      return amend(running, amendment, planning)
    })
    return decisions
  })

/** What the monitor does with an order that deviates from its plan: respread, carry, complete, or note that it is finished. */
export const followThrough = (orderId: string, seconds: number) =>
  Effect.gen(function* () {
    const planning = yield* context(seconds)
    const options = { now: at(seconds), windowGrace }
    return yield* (yield* ReplanStore).change(orderId, options, (running) => planFollowThrough(running, planning))
  })

export const retry = (sliceId: string, seconds: number) =>
  Effect.flatMap(SliceCommands, (commands) =>
    commands.retry(sliceId, { now: at(seconds), at: null, windowGrace, orderListSince: at(-3600) }, asked)
  )

export const skip = (sliceId: string, seconds: number) =>
  Effect.flatMap(SliceCommands, (commands) => commands.skip(sliceId, asked, at(seconds)))

/** A person's finding; with `filled` the final quantity. */
export const placed = (sliceId: string, brokerOrderId: BrokerOrderId, filled: number | null, seconds: number) =>
  Effect.flatMap(SliceCommands, (commands) =>
    commands.placed(
      sliceId,
      { brokerOrderId, fill: filled === null ? null : { quantity: filled, price: null } },
      asked,
      at(seconds)
    )
  )

/** The slices that `settle` compares with the order list. */
export const daySlices = Effect.flatMap(DayReconciliationStore, ({ slices }) => slices(at(-3600), at(7200), []))

/** Repairs slices to a final state. Where other slices stand in for one, `settle` leaves it to a person. */
export const repair = (
  slices: Effect.Success<typeof daySlices>,
  status: BrokerStatus,
  filled: number,
  seconds: number
) =>
  Effect.flatMap(DayReconciliationStore, (store) =>
    store.repair(
      slices
        .filter(({ replacedBy, carriedQuantity }) => replacedBy === null && carriedQuantity === 0)
        .map((slice) => ({ slice, order: atBroker(slice, status, Math.min(slice.quantity, filled)), noted: null })),
      asked,
      at(seconds)
    )
  )

/** Removes what has not changed for half a day, a day after the orders' start. */
export const prune = Effect.flatMap(RetentionStore, ({ pruneOrders }) =>
  pruneOrders({ before: at(43_200), asked, now: at(86_400) })
)

export const releaseStuck = (seconds: number) =>
  Effect.flatMap(OrderStore, (orders) =>
    orders.releaseStuck({ now: at(seconds), claimedBefore: at(seconds - 60), maxAttempts: 3 })
  )

/** A refusal is an answer: somebody else was first. */
export const mayRefuse = (error: unknown): boolean => error instanceof CannotReplan || error instanceof CannotRetry
