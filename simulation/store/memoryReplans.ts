import { BigDecimal, DateTime, type Duration, Effect, Result } from "effect"
import { DbError } from "../../src/db/DbError.ts"
import { validateOrder } from "../../src/domain/lifecycle/validateOrder.ts"
import { OrderId } from "../../src/domain/model/Ids.ts"
import { Instrument } from "../../src/domain/model/Order.ts"
import { because, type Reason } from "../../src/domain/model/reason.ts"
import { isInDoubt, isUnfinished } from "../../src/domain/model/sliceState.ts"
import type { OrderChange, Replan, RunningOrder, RunningSlice } from "../../src/domain/planning/replan/RunningOrder.ts"
import { CannotReplan } from "../../src/stores/orders/readRunningOrder.ts"
import type { ReplanStore } from "../../src/stores/orders/ReplanStore.ts"
import { type Memory, millisOf } from "./Memory.ts"
import { writePlans } from "./memoryPlans.ts"
import type { OrderRow, SliceRow } from "./rows.ts"

interface Options {
  readonly now: DateTime.Utc
  readonly windowGrace: Duration.Duration
}

/** ReplanStore's transactions, on {@link Memory}. */
export const memoryReplans = (memory: Memory): ReplanStore["Service"] => ({
  wantingPlan: (after, limit, { now, isHeld }) =>
    Effect.sync(() => {
      const isLateNow = (orderId: string) => !isHeld && isLate(memory, orderId, millisOf(now))
      if (!memory.isHistorySettled) return []
      return [...memory.orders.values()]
        .filter((order) => order.cancelRequestedAt === null && order.holdReason === null)
        .filter((order) => memory.plansOf(order.id).length > 0)
        .filter(({ id }) => after === null || id > after)
        .filter((order) => isLateNow(order.id) || isWanting(memory, order, millisOf(now)))
        .toSorted((a, b) => (a.id < b.id ? -1 : 1))
        .slice(0, limit)
        .map(({ id, instrument }) => ({
          id: OrderId.make(id),
          instrument: Instrument.make(instrument ?? ""),
          isLate: isLateNow(id)
        }))
    }),

  change: <A extends OrderChange | null>(
    orderId: string,
    options: Options,
    decide: (running: RunningOrder) => Result.Result<A, string>
  ) =>
    Effect.suspend((): Effect.Effect<A, CannotReplan | DbError> => {
      const cannot = (reason: string, isCancelled = false) =>
        Effect.fail(new CannotReplan({ orderId, reason, isCancelled }))
      const order = memory.orders.get(orderId)
      if (order === undefined) return cannot("there is no such order")
      if (order.cancelRequestedAt !== null) return cannot("it was cancelled", true)
      const running = runningOrder(memory, order, millisOf(options.now))
      if (Result.isFailure(running)) return cannot(running.failure)
      const decided = decide(running.success)
      if (Result.isFailure(decided)) return cannot(decided.failure)
      if (decided.success !== null && !memory.isHistorySettled) return Effect.fail(unsettled)
      const problem = decided.success === null ? null : write(memory, order, decided.success, options)
      return problem === null ? Effect.succeed(decided.success) : Effect.fail(problem)
    })
})

const unsettled = new DbError({
  operation: "ReplanStore.change",
  message: "the server's history is not settled",
  isTransient: true,
  sqlState: null
})

const isLate = (memory: Memory, orderId: string, nowMillis: number): boolean =>
  !memory.isHalted &&
  memory
    .slicesOf(orderId)
    .some(({ stage, staleAt, isHeld }) => stage === "SCHEDULED" && staleAt !== null && staleAt < nowMillis && !isHeld)

/** The order may need another plan, now or later. */
export const mayWantPlan = (order: OrderRow): boolean =>
  (order.carryUnfilled === true || order.carryRejected === true || order.completion === "CROSS") &&
  order.orderQueueStatus === "DONE" &&
  order.settledAt === null &&
  order.cancelRequestedAt === null &&
  order.holdReason === null

const isWanting = (memory: Memory, order: OrderRow, nowMillis: number): boolean => {
  if (!mayWantPlan(order)) return false
  const completesAt = memory.plansOf(order.id).at(-1)?.completesAt ?? null
  if (completesAt !== null && completesAt <= nowMillis) return true
  const slices = memory.slicesOf(order.id)
  const isShort = (slice: SliceRow) =>
    slice.replacedBy === null &&
    !slice.isWaived &&
    slice.filledQuantity + slice.carriedQuantity < slice.quantity &&
    (slice.stage === "FAILED" || (slice.stage === "PROCESSED" && slice.brokerIsFinal)) &&
    (slice.stage === "FAILED" || slice.brokerStatus === "REJECTED" ? order.carryRejected : order.carryUnfilled) === true
  return slices.some(isShort) || !slices.some(isUnfinished)
}

const runningOrder = (memory: Memory, row: OrderRow, nowMillis: number): Result.Result<RunningOrder, string> => {
  if (row.orderQueueStatus !== "DONE") return Result.fail(`it is ${row.orderQueueStatus}, not split`)
  const plans = memory.plansOf(row.id)
  const plan = plans.at(-1)
  const intended = plans.findLast(({ cause }) => cause === "SPLIT" || cause === "AMENDMENT")
  if (plan === undefined || intended === undefined) return Result.fail("it has no plan")
  const slices = memory.slicesOf(row.id)
  return Result.map(validateOrder(row), (order) => ({
    order,
    plan: {
      revision: plan.revision,
      firstSequence: plan.firstSequence,
      keepsHours: false,
      cause: plan.cause,
      input: plan.input,
      startsAt: DateTime.makeUnsafe(Math.floor(plan.startsAt)),
      endsAt: DateTime.makeUnsafe(Math.floor(plan.endsAt)),
      completesAt: plan.completesAt === null ? null : DateTime.makeUnsafe(Math.floor(plan.completesAt))
    },
    waitsForCalendar: false,
    completions: plans.filter(({ cause }) => cause === "COMPLETION").length,
    intended: intended.input,
    slices: slices
      .filter(({ replacedBy }) => replacedBy === null)
      .toSorted((a, b) => a.sequenceNumber - b.sequenceNumber)
      .map((slice) => runningSlice(slice, nowMillis)),
    nextSequence: Math.max(...slices.map(({ sequenceNumber }) => sequenceNumber)) + 1
  }))
}

const runningSlice = (slice: SliceRow, nowMillis: number): RunningSlice => ({
  ...slice,
  scheduledMillis: slice.scheduledAt,
  isLate: slice.staleAt !== null && slice.staleAt < nowMillis,
  isRejected: slice.brokerStatus === "REJECTED",
  isInDoubt: slice.leftBookAt !== null || isInDoubt(slice, nowMillis)
})

const write = (memory: Memory, order: OrderRow, change: OrderChange, options: Options): DbError | null => {
  switch (change._tag) {
    case "Replan":
      return replan(memory, order, change, options)
    case "GiveUp":
      for (const id of change.slices) {
        const slice = memory.slices.get(id)
        if (slice?.stage === "SCHEDULED") skip(slice, change.reason)
      }
      return null
    case "Cut":
      return new DbError({ ...unsettled, message: "the share of the volume is not simulated" })
    case "Waits":
      order.statusReason = change.reason.text
      order.reasonCode = change.reason.code
      return null
    case "Finished":
      order.settledAt = millisOf(options.now)
      order.statusReason = change.reason?.text ?? null
      order.reasonCode = change.reason?.code ?? null
      return null
  }
}

const skip = (slice: SliceRow, reason: Reason): void => {
  slice.stage = "SKIPPED"
  slice.stageReason = reason.text
  slice.reasonCode = reason.code
}

const replan = (memory: Memory, order: OrderRow, change: Replan, options: Options): DbError | null => {
  const { plan, carried, waived, totalQuantity, limitPrice } = change
  const slices = memory.slicesOf(order.id)
  const problem = writePlans(memory, [{ order, plan }], options, () => {
    for (const slice of slices) {
      if (slice.stage === "SCHEDULED") {
        skip(slice, because("replaced_by_plan", `replaced by plan ${plan.revision}`))
        slice.replacedBy = plan.revision
      }
    }
    for (const { id } of carried) {
      const slice = memory.slices.get(id)
      if (slice !== undefined) slice.carriedQuantity = slice.quantity - slice.filledQuantity
    }
    for (const id of waived) {
      const slice = memory.slices.get(id)
      if (slice !== undefined) slice.isWaived = true
    }
    order.totalQuantity = totalQuantity
    order.numSplits = order.numSplits === null ? totalQuantity : Math.min(order.numSplits, totalQuantity)
    order.settledAt = null
    if (order.orderType === "LIMIT")
      order.limitPrice = limitPrice === null ? order.limitPrice : BigDecimal.format(limitPrice)
  })
  return problem
}
