import { assert, describe, it } from "@effect/vitest"
import { BigDecimal, DateTime, Duration, Option, Result } from "effect"
import type { PlanningRules } from "../../../src/domain/planning/planOrder.ts"
import type { Amendment } from "../../../src/domain/planning/replan/amend.ts"
import type { OrderChange } from "../../../src/domain/planning/replan/RunningOrder.ts"
import { isOpenAt } from "../../support/exchangeHours.ts"
import { casesOr, type Choices, choicesOf } from "../../support/generate.ts"
import { anyOrder, type GeneratedOrder, marketWith } from "../../support/generatedOrders.ts"
import {
  amended,
  change,
  claimDue,
  followed,
  inStage,
  isUnfinished,
  type ModelSlice,
  modelOf,
  type OrderModel,
  quantities,
  running,
  setHold,
  skipStale,
  slicesOf
} from "../../support/orderModel.ts"

/** An order of a few slices with generated policies and generated limits. */
const anyRunningOrder = (index: number, choices: Choices): GeneratedOrder => {
  const { int, pick } = choices
  const generated = anyOrder(`case-${index}`, choices)
  const lotSize = pick([1, 1, 15, 65])
  const numSplits = pick([1, 2, int(1, 8), int(1, 30)])
  const { order, rules, venueId } = generated
  return {
    ...generated,
    market: marketWith(venueId, lotSize, null),
    order: {
      ...order,
      numSplits,
      totalQuantity: numSplits * int(1, 12) * lotSize + int(0, 3) * lotSize,
      durationMinutes: pick([0, 1, 10, int(1, 60), 375, int(1, 900)]),
      cancelUnfilledAfterSeconds: null
    },
    rules: {
      ...rules,
      leastGapMillis: pick([0, 0, 1000, 10_000]),
      maxSliceQuantity: pick([null, null, int(1, 10) * lotSize, int(lotSize, 20 * lotSize)]),
      preTrade: {
        ...rules.preTrade,
        sliceQuantity: pick([Option.none<number>(), Option.some(int(1, 30) * lotSize + int(0, lotSize - 1))])
      }
    }
  }
}

type Event = (model: OrderModel, choices: Choices) => void

const oneOf = (slices: ReadonlyArray<ModelSlice>, { int }: Choices): ModelSlice | undefined =>
  slices[int(0, Math.max(0, slices.length - 1))]

const claimed = (model: OrderModel) => inStage(model, "IN_PROGRESS").filter(({ isUnknown }) => !isUnknown)
const unknown = (model: OrderModel) => inStage(model, "IN_PROGRESS").filter(({ isUnknown }) => isUnknown)
const open = (model: OrderModel) => inStage(model, "PROCESSED").filter(({ brokerIsFinal }) => !brokerIsFinal)

/** An event that changes one of the slices that `which` selects; it does nothing when there is none. */
const on =
  (
    which: (model: OrderModel) => ReadonlyArray<ModelSlice>,
    changed: (slice: ModelSlice, choices: Choices, model: OrderModel) => Partial<ModelSlice>
  ): Event =>
  (model, choices) => {
    const slice = oneOf(which(model), choices)
    if (slice !== undefined) change(model, slice, changed(slice, choices, model))
  }

/** The filled quantity after a partial fill of generated size, mostly in whole lots. */
const partOf = ({ quantity, filledQuantity }: ModelSlice, { int, chance }: Choices, model: OrderModel): number => {
  const { listing } = model.generated.market
  const lotSize = listing?._tag === "Listed" && !chance(0.05) ? listing.details.lotSize : 1
  const lots = Math.floor((quantity - filledQuantity) / lotSize)
  return filledQuantity + lotSize * int(0, lots)
}

const givenBack = (model: OrderModel, notBeforeMillis: number): Partial<ModelSlice> => ({
  stage: "SCHEDULED",
  notBeforeMillis,
  isUnknown: false,
  isHeld: model.isHeld
})

const acknowledge = on(claimed, () => ({ stage: "PROCESSED" }))
const complete = on(open, ({ quantity }) => ({ filledQuantity: quantity, brokerIsFinal: true }))
const cancel = on(open, (slice, choices, model) => ({
  filledQuantity: partOf(slice, choices, model),
  brokerIsFinal: true
}))
const reject = on(open, () => ({ brokerIsFinal: true, isRejected: true }))
const fill = on(open, (slice, choices, model) => ({ filledQuantity: partOf(slice, choices, model) }))
const refuse = on(claimed, () => ({ stage: "FAILED" }))
const loseAnswer = on(claimed, () => ({ isUnknown: true }))
const find = on(unknown, () => ({ stage: "PROCESSED", isUnknown: false }))
const findNot = on(unknown, ({ notAfterMillis, notBeforeMillis }, _, model) =>
  model.nowMillis > notAfterMillis ? { stage: "SKIPPED", isUnknown: false } : givenBack(model, notBeforeMillis)
)
const giveBack = on(claimed, ({ notBeforeMillis }, { int }, model) =>
  givenBack(model, Math.max(notBeforeMillis, model.nowMillis + int(0, 5000)))
)
const waive = on(
  (model) => [...inStage(model, "SCHEDULED"), ...unknown(model)],
  () => ({ stage: "SKIPPED", isWaived: true, isUnknown: false })
)
const claim: Event = (model, { int }) => claimDue(model, int(1, 3))

const windowOf = ({ order }: OrderModel) => Math.max(60_000, order.durationMinutes * 60_000)

const advance: Event = (model, { int, pick, chance }) => {
  const completes = running(model).plan.completesAt
  const due = [
    ...inStage(model, "SCHEDULED").map(({ notBeforeMillis }) => Math.ceil(notBeforeMillis)),
    ...(completes === null ? [] : [DateTime.toEpochMillis(completes)])
  ]
  const next = Math.min(...due.filter((millis) => millis > model.nowMillis), Infinity)
  const step = pick([2000, int(1, 10_000), Math.floor(windowOf(model) / int(3, 40))])
  const isNight = model.generated.rules.calendar !== null && !isOpenAt(model.generated.venueId, model.nowMillis)
  model.nowMillis = next !== Infinity && (isNight || chance(0.4)) ? next : model.nowMillis + step
}

const anyAmendment = (model: OrderModel, { int, chance, pick }: Choices): Amendment => {
  const { listing } = model.generated.market
  const lotSize = listing?._tag === "Listed" ? listing.details.lotSize : 1
  return {
    remainingQuantity: chance(0.5) ? int(1, 40) * lotSize : null,
    numSlices: chance(0.3) ? int(1, 20) : null,
    remainingWindow: chance(0.3) ? pick([Duration.minutes(int(0, 60)), Duration.minutes(int(0, 400))]) : null,
    limitPrice: model.order.orderType === "LIMIT" && chance(0.3) ? BigDecimal.fromStringUnsafe("99.95") : null,
    note: "ann: a reason"
  }
}

const amendment: Event = (model, choices) => {
  const wanted = anyAmendment(model, choices)
  const before = snapshot(model)
  const result = amended(model, wanted)
  if (Result.isFailure(result)) {
    assert.match(
      result.failure,
      /^(total_quantity|num_splits|duration_minutes|session_policy|limit_price): |nothing of the order|being completed|TRADING_CALENDAR_FILE|LIMIT_SLICE/
    )
    return
  }
  if (result.success === null) return
  untouched(before, model, result.success)
  const { remainingQuantity } = wanted
  const { scheduled } = quantities(model)
  if (remainingQuantity !== null) assert.strictEqual(scheduled, remainingQuantity)
  // An amendment to what the order already is changes nothing.
  const same = {
    ...wanted,
    remainingWindow: null,
    remainingQuantity: remainingQuantity === null ? null : scheduled,
    numSlices: inStage(model, "SCHEDULED").length
  }
  assert.deepStrictEqual(amended(model, same), Result.succeed(null))
}

const follow: Event = (model) => {
  // One follow-through may lead to another, but only a few times.
  for (let step = 0; ; step += 1) {
    if (!isUnfinished(model)) return
    assert.isBelow(step, 4, "the follow-through does not end")
    const before = snapshot(model)
    const result = followed(model)
    if (Result.isFailure(result)) assert.fail(`on hold: ${result.failure}`)
    if (result.success === null) return
    untouched(before, model, result.success)
    keepsPace(before, model, result.success)
    carriesRightly(before, model, result.success)
  }
}

interface Snapshot {
  readonly slices: ReadonlyMap<string, ModelSlice>
  readonly totalQuantity: number
}

const snapshot = ({ slices, order }: OrderModel): Snapshot => ({
  slices: new Map(slices),
  totalQuantity: order.totalQuantity
})

/**
 * A slice that was sent changes only in the quantity that later slices take over from it, and only an amendment changes
 * the order's total.
 */
const untouched = (before: Snapshot, model: OrderModel, changed: OrderChange) => {
  for (const [id, slice] of before.slices) {
    const now = model.slices.get(id)
    if (slice.stage !== "SCHEDULED" && slice.stage !== "IN_PROGRESS") {
      const isWaived = changed._tag === "Replan" && changed.waived.some((waived) => waived === id)
      assert.deepStrictEqual(
        { ...now, carriedQuantity: 0 },
        { ...slice, carriedQuantity: 0, isWaived: slice.isWaived || isWaived }
      )
    }
    if (slice.stage === "IN_PROGRESS") assert.strictEqual(now?.stage, "IN_PROGRESS")
  }
  const isAmendment = changed._tag === "Replan" && changed.plan.cause === "AMENDMENT"
  if (!isAmendment) assert.strictEqual(model.order.totalQuantity, before.totalQuantity)
}

/** A new plan carries only a quantity that is finally unfilled and that the order's policies want carried. */
const carriesRightly = (before: Snapshot, model: OrderModel, changed: OrderChange) => {
  if (changed._tag !== "Replan") return
  for (const { id } of changed.carried) {
    const slice = before.slices.get(id)
    assert.isDefined(slice)
    if (slice === undefined) return
    const { stage, brokerIsFinal, isWaived, carriedQuantity, isRejected, replacedBy } = slice
    assert.isTrue(stage === "FAILED" || stage === "SKIPPED" || (stage === "PROCESSED" && brokerIsFinal))
    assert.deepStrictEqual(
      { isWaived, carriedQuantity, replacedBy },
      { isWaived: false, carriedQuantity: 0, replacedBy: null }
    )
    if (changed.plan.cause === "COMPLETION") continue
    const { carryRejected, carryUnfilled } = model.order
    assert.isTrue(stage === "FAILED" || isRejected ? carryRejected : stage === "PROCESSED" && carryUnfilled)
  }
}

/** Plans that the service makes by itself never exceed three times the pace that a person asked for. */
const keepsPace = (before: Snapshot, model: OrderModel, changed: OrderChange) => {
  if (changed._tag !== "Replan" || changed.plan.cause === "COMPLETION") return
  const { intended } = running(model)
  const third = Math.floor(intended.windowMillis / intended.numSlices / 3)
  const due = inStage(model, "SCHEDULED").map(({ scheduledMillis }) => scheduledMillis)
  const old = [...before.slices.values()].filter(({ replacedBy }) => replacedBy === null)
  const sent = old.filter(({ stage }) => stage === "IN_PROGRESS" || stage === "PROCESSED")
  const last = Math.max(...sent.map(({ scheduledMillis }) => scheduledMillis), -Infinity)
  assert.isAtLeast((due[0] ?? Infinity) - last, third - 1, "too soon after what was sent before")
  const scheduled = old.filter(({ stage }) => stage === "SCHEDULED")
  if (due.length > Math.max(1, scheduled.length) || changed.plan.cause === "LATENESS") {
    const gaps = due.slice(1).map((millis, index) => millis - (due[index] ?? 0))
    const average = gaps.reduce((sum, gap) => sum + gap, 0) / gaps.length
    if (gaps.length > 0 && !model.order.randomize) assert.isAtLeast(average, third - 2, "slices too close")
  }
  if (changed.plan.cause === "LATENESS") return
  const quantity = (slices: ReadonlyArray<ModelSlice>) => slices.reduce((sum, slice) => sum + slice.quantity, 0)
  const average = intended.totalQuantity / intended.numSlices
  const maxQuantity = Math.max(
    quantity(scheduled),
    average,
    (3 * intended.totalQuantity * changed.plan.input.windowMillis) / intended.windowMillis
  )
  assert.isAtMost(quantity(inStage(model, "SCHEDULED")), maxQuantity + 1e-6, "more than three times the pace")
}

const conserved = (model: OrderModel) => {
  const { filled, working, inDoubt, scheduled, givenUp } = quantities(model)
  assert.strictEqual(filled + working + inDoubt + scheduled + givenUp, model.order.totalQuantity)
  const { calendar } = model.generated.rules
  const slices = slicesOf(model)
  assert.isFalse(slices.some((slice) => slice.filledQuantity + slice.carriedQuantity > slice.quantity))
  const closed = slices.find(({ scheduledMillis }) => !isOpenAt(model.generated.venueId, scheduledMillis))
  if (calendar !== null && closed !== undefined) assert.fail(`a slice at ${closed.scheduledMillis}, when it is closed`)
}

const events: ReadonlyArray<readonly [name: string, weight: number, Event]> = [
  ["advance", 6, advance],
  ["claim", 6, claim],
  ["acknowledge", 6, acknowledge],
  ["fill", 2, fill],
  ["complete", 2, complete],
  ["cancel", 2, cancel],
  ["reject", 1, reject],
  ["refuse", 1, refuse],
  ["loseAnswer", 1, loseAnswer],
  ["find", 1, find],
  ["findNot", 1, findNot],
  ["giveBack", 1, giveBack],
  ["waive", 0.2, waive],
  ["amend", 0.5, amendment],
  ["hold", 0.2, (model) => setHold(model, true)],
  ["resume", 0.5, (model) => setHold(model, false)],
  ["skipStale", 1, skipStale],
  ["follow", 5, follow]
]
const allWeights = events.reduce((sum, [, weight]) => sum + weight, 0)

const anyEvent = ({ int }: Choices) => {
  let at = (int(0, 999_999) / 1_000_000) * allWeights
  return events.find(([, weight]) => (at -= weight) < 0) ?? events[0]
}

/** Runs the order to its end, with a broker that answers. */
const toTheEnd = (model: OrderModel, choices: Choices, log: Array<string>) => {
  setHold(model, false)
  for (let step = 0; step < 2000; step += 1) {
    const isOver =
      inStage(model, "SCHEDULED").length + claimed(model).length + unknown(model).length + open(model).length === 0
    if (isOver && (model.isWaiting || !isUnfinished(model))) return
    for (const event of [
      claim,
      acknowledge,
      loseAnswer,
      find,
      choices.pick([complete, cancel, reject]),
      skipStale,
      follow,
      advance
    ]) {
      event(model, choices)
    }
    conserved(model)
    log.push(`rest ${step} at ${model.nowMillis}`)
  }
  assert.fail("the order does not end")
}

const endsWell = (model: OrderModel) => {
  const { carryUnfilled, carryRejected, completion, totalQuantity } = model.order
  if (!carryUnfilled && !carryRejected && completion === "REPORT") return
  const { filled, waived } = quantities(model)
  const { finished } = model
  if (model.isWaiting) return assert.strictEqual(model.order.sessionPolicy, "NEXT_SESSION")
  assert.isNotNull(finished)
  if (finished === null) return
  assert.strictEqual(finished.unfilled, totalQuantity - filled - waived)
  if (completion === "CROSS" && finished.unfilled > 0)
    assert.isNotNull(finished.reason, "an unfilled quantity without a reason")
}

describe("an order with generated events", () => {
  const cases = casesOr(3000)
  it(
    "keeps its total quantity, its pace and the slices that were sent, and finishes",
    () => {
      let seen = 0
      for (let index = 0; index < cases; index += 1) {
        const choices = choicesOf(`replans/${index}`)
        const model = modelOf(anyRunningOrder(index, choices))
        if (model === null) continue
        seen += 1
        const log: Array<string> = []
        try {
          for (let step = choices.int(5, 80); step > 0; step -= 1) {
            const [name, , event] = anyEvent(choices) ?? ["follow", 0, follow]
            log.push(`${name} at ${model.nowMillis}`)
            event(model, choices)
            conserved(model)
          }
          toTheEnd(model, choices, log)
          endsWell(model)
        } catch (error) {
          const said = error instanceof Error ? error.message : String(error)
          assert.fail(`case ${index}: ${said}\n${log.slice(-12).join("\n")}\n${text(model)}`)
        }
      }
      assert.isAbove(seen, cases / 4)
    },
    20_000 + cases * 20
  )
})

const text = ({ order, generated: { rules }, plans, slices }: OrderModel): string =>
  JSON.stringify({ order, rules: ruleText(rules), plans, slices: [...slices.values()] }, (_, value) =>
    typeof value === "bigint" ? String(value) : value
  )

const ruleText = ({ calendar, ...rules }: PlanningRules) => ({ ...rules, calendar: calendar !== null })
