import { DateTime, Result, Schema } from "effect"
import { sessionAt } from "../../src/domain/market/TradingCalendar.ts"
import { defaultMaxLatenessSeconds, SplittableOrder } from "../../src/domain/model/Order.ts"
import { type OrderPlan, type PlanningRules, planOrder } from "../../src/domain/planning/planOrder.ts"
import { type Amendment, amend } from "../../src/domain/planning/replan/amend.ts"
import { planFollowThrough } from "../../src/domain/planning/replan/planFollowThrough.ts"
import type {
  OrderChange,
  Replan,
  RunningOrder,
  RunningSlice,
  Finished
} from "../../src/domain/planning/replan/RunningOrder.ts"
import type { GeneratedOrder } from "./generatedOrders.ts"

/** The columns of a slice's row that plans use. */
export interface ModelSlice extends Omit<RunningSlice, "isLate"> {
  readonly plan: number
  readonly notBeforeMillis: number
  readonly notAfterMillis: number
  readonly staleMillis: number | null
  readonly replacedBy: number | null
  readonly isHeld: boolean
  readonly isUnknown: boolean
}

export type StoredPlan = RunningOrder["plan"]

const windowGraceMillis = 600_000

/** One order as the database stores it, for the statements of the stores below, without a database. */
export interface OrderModel {
  order: SplittableOrder
  readonly generated: GeneratedOrder
  readonly plans: Array<StoredPlan>
  readonly slices: Map<string, ModelSlice>
  nowMillis: number
  isHeld: boolean
  finished: Finished | null
  /** Its completion lies beyond the end of the calendar. */
  isWaiting: boolean
}

export const modelOf = (generated: GeneratedOrder): OrderModel | null => {
  const { order, rules, market, at } = generated
  const planned = planOrder(order, rules, market, at)
  if (Result.isFailure(planned)) return null
  const model: OrderModel = {
    order,
    generated,
    plans: [],
    slices: new Map(),
    nowMillis: Math.ceil(DateTime.toEpochMillis(at)),
    isHeld: false,
    finished: null,
    isWaiting: false
  }
  insertPlan(model, planned.success)
  return model
}

/** As planRows writes it. */
const insertPlan = (model: OrderModel, plan: OrderPlan) => {
  const { order, isHeld } = model
  const startMillis = DateTime.toEpochMillis(plan.startsAt ?? model.generated.at)
  const endMillis = startMillis + plan.endMillis
  const atMillis = (offset: number) => DateTime.makeUnsafe(Math.floor(startMillis + offset))
  model.plans.push({
    revision: plan.revision,
    firstSequence: plan.firstSequence,
    cause: plan.cause,
    input: plan.input,
    startsAt: atMillis(0),
    endsAt: atMillis(plan.endMillis),
    completesAt: plan.completeMillis === null ? null : atMillis(plan.completeMillis),
    keepsHours: plan.sessions !== null
  })
  for (const { id, sequenceNumber, quantity, dueMillis } of plan.slices) {
    const scheduledMillis = startMillis + dueMillis
    const tooLate = scheduledMillis + (order.maxLatenessSeconds ?? defaultMaxLatenessSeconds) * 1000
    const isPolicy = (policy: string) => order.latenessPolicy === policy && plan.cause !== "COMPLETION"
    if (model.slices.has(id)) throw new Error(`there is a slice ${sequenceNumber} already`)
    model.slices.set(id, {
      id,
      sequenceNumber,
      quantity,
      filledQuantity: 0,
      carriedQuantity: 0,
      stage: "SCHEDULED",
      scheduledMillis,
      isInDoubt: false,
      brokerIsFinal: false,
      isRejected: false,
      isWaived: false,
      plan: plan.revision,
      notBeforeMillis: scheduledMillis,
      notAfterMillis: Math.min(endMillis + windowGraceMillis, isPolicy("SKIP") ? tooLate : Infinity),
      staleMillis: isPolicy("RESPREAD") ? tooLate : null,
      replacedBy: null,
      isHeld,
      isUnknown: false
    })
  }
}

export const change = (model: OrderModel, { id }: { readonly id: string }, changed: Partial<ModelSlice>) => {
  const slice = model.slices.get(id)
  if (slice !== undefined) model.slices.set(id, { ...slice, ...changed })
}

export const slicesOf = (model: OrderModel): ReadonlyArray<ModelSlice> =>
  [...model.slices.values()].filter(({ replacedBy }) => replacedBy === null)

export const inStage = (model: OrderModel, stage: ModelSlice["stage"]): ReadonlyArray<ModelSlice> =>
  slicesOf(model).filter((slice) => slice.stage === stage)

export const isLate = ({ nowMillis }: OrderModel, { staleMillis }: ModelSlice): boolean =>
  staleMillis !== null && staleMillis < nowMillis

/** As SliceStore.claimDue, with the check that nothing fires while the market is closed. */
export const claimDue = (model: OrderModel, limit: number) => {
  const { nowMillis, generated } = model
  const due = inStage(model, "SCHEDULED")
    .filter((slice) => slice.notBeforeMillis <= nowMillis && slice.notAfterMillis >= nowMillis && !slice.isHeld)
    .filter((slice) => !isLate(model, slice))
    .toSorted((a, b) => a.notBeforeMillis - b.notBeforeMillis)
  for (const slice of due.slice(0, limit)) {
    const { calendar } = generated.rules
    const open = calendar === null ? null : sessionAt(calendar, generated.venueId, nowMillis)
    if (open?._tag !== "Closed") change(model, slice, { stage: "IN_PROGRESS" })
    else if (open.next !== null && open.next.opensMillis <= slice.notAfterMillis) {
      change(model, slice, { notBeforeMillis: open.next.opensMillis })
    } else change(model, slice, { stage: "SKIPPED" })
  }
}

/** As RecoveryStore.skipStale. */
export const skipStale = (model: OrderModel) => {
  for (const slice of inStage(model, "SCHEDULED")) {
    const { notBeforeMillis, notAfterMillis } = slice
    if (notBeforeMillis <= model.nowMillis && notAfterMillis < model.nowMillis)
      change(model, slice, { stage: "SKIPPED" })
  }
}

export const setHold = (model: OrderModel, isHeld: boolean) => {
  model.isHeld = isHeld
  for (const slice of inStage(model, "SCHEDULED")) change(model, slice, { isHeld })
}

const latestPlan = ({ plans }: OrderModel): StoredPlan => {
  const plan = plans.at(-1)
  if (plan === undefined) throw new Error("there is no plan")
  return plan
}

/** The order as ReplanStore reads it. */
export const running = (model: OrderModel): RunningOrder => {
  const plan = latestPlan(model)
  const asked = model.plans.findLast(({ cause }) => cause === "SPLIT" || cause === "AMENDMENT") ?? plan
  return {
    order: model.order,
    plan,
    intended: asked.input,
    waitsForCalendar: model.isWaiting,
    completions: model.plans.filter(({ cause }) => cause === "COMPLETION").length,
    slices: slicesOf(model).map((slice) => ({ ...slice, isLate: isLate(model, slice), isInDoubt: slice.isUnknown })),
    nextSequence: Math.max(...[...model.slices.values()].map(({ sequenceNumber }) => sequenceNumber)) + 1
  }
}

const isSplittable = Schema.is(SplittableOrder)

const decide = <A extends OrderChange | null>(
  model: OrderModel,
  by: (
    order: RunningOrder,
    context: { rules: PlanningRules; market: GeneratedOrder["market"]; now: DateTime.Utc }
  ) => Result.Result<A, string>
): Result.Result<A, string> => {
  const { totalQuantity } = model.order
  if (!isSplittable(model.order)) return Result.fail(`its row is not valid any more, with ${totalQuantity} in all`)
  const { rules, market } = model.generated
  const decided = by(running(model), { rules, market, now: DateTime.makeUnsafe(model.nowMillis) })
  if (Result.isSuccess(decided) && decided.success !== null) write(model, decided.success)
  return decided
}

export const followed = (model: OrderModel) => decide(model, planFollowThrough)

export const amended = (model: OrderModel, amendment: Amendment) =>
  decide(model, (order, context) => amend(order, amendment, context))

/** The change as ReplanStore writes it. */
const write = (model: OrderModel, decided: OrderChange) => {
  switch (decided._tag) {
    case "Replan":
      return replan(model, decided)
    case "GiveUp":
      for (const id of decided.slices) {
        if (model.slices.get(id)?.stage === "SCHEDULED") change(model, { id }, { stage: "SKIPPED" })
      }
      return
    case "Waits":
      model.isWaiting = true
      return
    case "Finished":
      model.finished = decided
  }
}

const replan = (model: OrderModel, { plan, carried, waived, totalQuantity, limitPrice }: Replan) => {
  for (const slice of inStage(model, "SCHEDULED")) {
    change(model, slice, { stage: "SKIPPED", replacedBy: plan.revision })
  }
  for (const { id } of carried) {
    const { quantity, filledQuantity } = model.slices.get(id) ?? { quantity: 0, filledQuantity: 0 }
    change(model, { id }, { carriedQuantity: quantity - filledQuantity })
  }
  for (const id of waived) change(model, { id }, { isWaived: true })
  const notAfter = DateTime.toEpochMillis(plan.startsAt ?? DateTime.makeUnsafe(0)) + plan.endMillis + windowGraceMillis
  for (const slice of inStage(model, "IN_PROGRESS")) {
    change(model, slice, { notAfterMillis: Math.min(slice.notAfterMillis, notAfter) })
  }
  model.finished = null
  model.isWaiting = false
  model.order = {
    ...model.order,
    totalQuantity,
    numSplits: Math.min(model.order.numSplits, totalQuantity),
    limitPrice: model.order.orderType === "LIMIT" ? (limitPrice ?? model.order.limitPrice) : null
  }
  insertPlan(model, plan)
}

/** Whether ReplanStore.wantingPlan would return this order. */
export const isUnfinished = (model: OrderModel): boolean => {
  if (model.isHeld) return false
  const slices = slicesOf(model)
  if (slices.some((slice) => slice.stage === "SCHEDULED" && isLate(model, slice) && !slice.isHeld)) return true
  const { carryUnfilled, carryRejected, completion } = model.order
  if ((!carryUnfilled && !carryRejected && completion !== "CROSS") || model.finished !== null) return false
  const { completesAt } = latestPlan(model)
  const isUnderWay = ({ stage, brokerIsFinal }: ModelSlice) =>
    stage === "SCHEDULED" || stage === "IN_PROGRESS" || (stage === "PROCESSED" && !brokerIsFinal)
  const isMissing = (slice: ModelSlice) =>
    !slice.isWaived &&
    slice.filledQuantity + slice.carriedQuantity < slice.quantity &&
    (slice.stage === "FAILED" || (slice.stage === "PROCESSED" && slice.brokerIsFinal)) &&
    (slice.stage === "FAILED" || slice.isRejected ? carryRejected : carryUnfilled)
  return (
    (completesAt !== null && DateTime.toEpochMillis(completesAt) <= model.nowMillis) ||
    slices.some(isMissing) ||
    !slices.some(isUnderWay)
  )
}

/** The row of the view order_conservation. */
export const quantities = (model: OrderModel) => {
  const sum = (of: (slice: ModelSlice) => boolean, quantity: (slice: ModelSlice) => number) =>
    slicesOf(model)
      .filter(of)
      .reduce((all, slice) => all + quantity(slice), 0)
  const rest = ({ quantity, filledQuantity }: ModelSlice) => quantity - filledQuantity
  const isFinal = ({ stage, brokerIsFinal }: ModelSlice) =>
    stage === "FAILED" || stage === "SKIPPED" || (stage === "PROCESSED" && brokerIsFinal)
  return {
    filled: sum(
      () => true,
      ({ filledQuantity }) => filledQuantity
    ),
    working: sum(({ stage, brokerIsFinal }) => stage === "PROCESSED" && !brokerIsFinal, rest),
    inDoubt: sum(({ stage }) => stage === "IN_PROGRESS", rest),
    scheduled: sum(({ stage }) => stage === "SCHEDULED", rest),
    givenUp: sum(isFinal, (slice) => Math.max(0, rest(slice) - slice.carriedQuantity)),
    waived: sum(
      (slice) => isFinal(slice) && slice.isWaived,
      (slice) => Math.max(0, rest(slice) - slice.carriedQuantity)
    )
  }
}
