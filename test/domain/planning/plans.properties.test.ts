import { assert, describe, it } from "@effect/vitest"
import { BigDecimal, DateTime, Option, Result, Schema } from "effect"
import { freezeOf, freezeValue } from "../../../src/domain/limits/freezeLimits.ts"
import { builtInCalendar } from "../../../src/domain/market/data/builtInCalendar.ts"
import { indianClock, indianDay } from "../../../src/domain/market/indianTime.ts"
import { afterTrading, TradingTime } from "../../../src/domain/market/TradingTime.ts"
import { venueIds, type VenueId } from "../../../src/domain/market/Venue.ts"
import { freezeFactsOf } from "../../../src/domain/planning/freezeFacts.ts"
import { type OrderPlan, planOrder } from "../../../src/domain/planning/planOrder.ts"
import { explainSchedule } from "../../../src/domain/planning/schedule/explain.ts"
import { ScheduleInput } from "../../../src/domain/planning/schedule/Schedule.ts"
import { dayOfYear, isOpen, isOpenAt, minutesOfDay, yearStartMillis } from "../../support/exchangeHours.ts"
import { casesOr, type Choices, choicesOf } from "../../support/generate.ts"
import {
  anyOrder,
  type GeneratedOrder,
  instrumentOf,
  limited,
  marketWith,
  noLimits
} from "../../support/generatedOrders.ts"
import { anOrder } from "../../support/orders.ts"

const planned = ({ order, rules, market, at }: GeneratedOrder) => planOrder(order, rules, market, at)

/** When each slice is due, in milliseconds since 1970. */
const dueTimes = ({ startsAt, slices }: OrderPlan, at: DateTime.Utc): ReadonlyArray<number> =>
  slices.map(({ dueMillis }) => DateTime.toEpochMillis(startsAt ?? at) + dueMillis)

const throughJson = <S extends Schema.Top & { readonly DecodingServices: never }>(schema: S, value: unknown) =>
  Schema.decodeUnknownSync(schema)(JSON.parse(JSON.stringify(value)))

/** A description of the first rule that the plan breaks; null when it keeps all of them. */
const brokenRule = (generated: GeneratedOrder, plan: OrderPlan): string | null =>
  brokenQuantity(generated, plan) ??
  brokenLimit(generated, plan) ??
  brokenTime(generated, plan) ??
  brokenRate(generated, plan) ??
  notReproduced(generated, plan)

const brokenQuantity = ({ order, rules, market, at }: GeneratedOrder, { slices }: OrderPlan): string | null => {
  const lotSize = market.listing?._tag === "Listed" ? market.listing.details.lotSize : 1
  const freeze = freezeOf(order.instrument, freezeFactsOf(market), at)
  const frozen = rules.isFreezeLimited && freeze._tag === "Known" ? freeze.quantity : Infinity
  const maxQuantity = Math.min(rules.maxSliceQuantity ?? Infinity, frozen)
  const sum = slices.reduce((all, { quantity }) => all + quantity, 0)
  if (sum !== order.totalQuantity) return `the sum is ${sum}`
  const wrong = slices.find(({ quantity }) => quantity < lotSize || quantity % lotSize !== 0 || quantity > maxQuantity)
  if (wrong !== undefined) return `a slice of ${wrong.quantity}, with lots of ${lotSize} and at most ${maxQuantity}`
  if (slices.length < order.numSplits) return `only ${slices.length} slices`
  if (slices.length > order.numSplits && rules.maxSliceQuantity === null) return `${slices.length} slices`
  if (slices.length > 1000) return `${slices.length} slices`
  const numbered = slices.every(({ sequenceNumber }, index) => sequenceNumber === index + 1)
  return numbered ? null : "the slices are not numbered from 1"
}

const brokenLimit = ({ order, rules, market }: GeneratedOrder, { slices }: OrderPlan): string | null => {
  const { sliceQuantity, sliceValue, orderQuantity, orderValue } = rules.preTrade
  const maxQuantity = Math.max(...slices.map(({ quantity }) => quantity))
  if (maxQuantity > Option.getOrElse(sliceQuantity, () => Infinity)) return `a slice of ${maxQuantity}`
  if (order.totalQuantity > Option.getOrElse(orderQuantity, () => Infinity)) return "too large an order"
  const price = order.limitPrice ?? market.quote?.lastPrice
  const isAbove = (quantity: number, value: Option.Option<BigDecimal.BigDecimal>) =>
    Option.isSome(value) && (price === undefined || BigDecimal.isGreaterThan(worth(price, quantity), value.value))
  if (isAbove(order.totalQuantity, orderValue)) return "too dear an order"
  if (isAbove(maxQuantity, sliceValue)) return `too dear a slice: ${maxQuantity}`
  if (!rules.isFreezeLimited || price === undefined || freezeValue(order.instrument) === null) return null
  return isAbove(maxQuantity, Option.some(BigDecimal.fromBigInt(100_000_000n)))
    ? `a slice above ten crore: ${maxQuantity}`
    : null
}

const worth = (price: BigDecimal.BigDecimal, quantity: number) =>
  BigDecimal.multiply(price, BigDecimal.fromBigInt(BigInt(quantity)))

/** Sends each slice as soon as the limits per second and per minute allow it, and compares with the allowed lateness. */
const brokenRate = ({ order, rules, at }: GeneratedOrder, plan: OrderPlan): string | null => {
  const { rate } = rules
  if (rate === null) return null
  const sent: Array<number> = []
  for (const due of dueTimes(plan, at)) {
    const within = (millis: number, maxCount: number) => {
      const last = sent.at(-maxCount)
      return last === undefined ? due : Math.max(due, last + millis + rate.marginMillis)
    }
    const time = Math.max(within(1000, rate.perSecond), within(60_000, rate.perMinute))
    if (time - due > (order.maxLatenessSeconds ?? 60) * 1000) return `slice ${sent.length + 1} is ${time - due} ms late`
    sent.push(time)
  }
  return null
}

const brokenTime = ({ order, rules, venueId, at }: GeneratedOrder, plan: OrderPlan): string | null => {
  const atMillis = DateTime.toEpochMillis(at)
  const startMillis = DateTime.toEpochMillis(plan.startsAt ?? at)
  const due = dueTimes(plan, at)
  const last = due.at(-1) ?? 0
  if (startMillis < atMillis || due.some((millis) => millis < startMillis)) return "a slice before the start"
  if (last > startMillis + plan.endMillis) return "a slice after the end"
  // A time at the very end of trading is moved into its last millisecond.
  const minGap = rules.leastGapMillis - (rules.calendar === null ? 0 : 1)
  const close = due.findIndex((millis, index) => index > 0 && millis - (due[index - 1] ?? 0) < minGap)
  if (close >= 0) return `slice ${close + 1} is ${(due[close] ?? 0) - (due[close - 1] ?? 0)} ms after the one before`
  const { completeMillis, endMillis } = plan
  if ((completeMillis === null) !== (order.completion === "REPORT")) return `completed at ${completeMillis}`
  if (completeMillis !== null && (completeMillis < 0 || completeMillis > endMillis))
    return "completed out of the window"
  if (rules.calendar === null) return plan.sessions === null ? null : "sessions without a calendar"
  if (plan.market !== venueId) return `the hours of ${plan.market}`
  const closed = due.find((millis) => !isOpenAt(venueId, millis))
  if (closed !== undefined) return `a slice at ${new Date(closed).toISOString()}, when it is closed`
  if (!isOpenAt(venueId, startMillis + endMillis - 1)) return "the window ends when it is closed"
  const { openMillis, closeMillis } = rules.margins
  const near = due.find((millis) => !isOpenAt(venueId, millis - openMillis) || !isOpenAt(venueId, millis + closeMillis))
  if (near !== undefined) return `a slice at ${new Date(near).toISOString()}, too near to an open or a close`
  if (startMillis >= atMillis + 1 && isOpenAt(venueId, startMillis - openMillis - 1)) {
    return "it starts after the market's opening"
  }
  const sameDay = indianDay(at) === indianDay(DateTime.makeUnsafe(last))
  return order.sessionPolicy === "NEXT_SESSION" || sameDay ? null : "a slice on another day"
}

/** As `explain` does, computes the slices again from the plan's stored input, and compares. */
const notReproduced = ({ at }: GeneratedOrder, plan: OrderPlan): string | null => {
  const input = throughJson(ScheduleInput, plan.input)
  const sessions = throughJson(TradingTime, plan.sessions)
  const startMillis = DateTime.toEpochMillis(plan.startsAt ?? at)
  const again = Result.getOrThrow(explainSchedule(input)).map(({ quantity, offsetMillis }) => ({
    quantity,
    due: afterTrading(sessions, startMillis, offsetMillis) ?? Infinity
  }))
  const due = dueTimes(plan, at)
  const isSame = again.every((slice, index) => {
    const { quantity } = plan.slices[index] ?? { quantity: 0 }
    return slice.quantity === quantity && Math.abs(slice.due - (due[index] ?? 0)) < 1e-3
  })
  return isSame && again.length === plan.slices.length ? null : "its stored input gives another plan"
}

/** The price that values the order; when none is known, one that a LIMIT order could name. */
const priceOf = ({ order, market }: GeneratedOrder): BigDecimal.BigDecimal =>
  order.limitPrice ?? market.quote?.lastPrice ?? BigDecimal.fromStringUnsafe("100.05")

/** The suggestions in a refusal's text, each as the order changed accordingly. */
const suggestions = (generated: GeneratedOrder, refusal: string): ReadonlyArray<GeneratedOrder> => {
  const { order } = generated
  const changed = (change: Partial<typeof order>): GeneratedOrder => ({ ...generated, order: { ...order, ...change } })
  const numbers = (pattern: RegExp) => [...refusal.matchAll(pattern)].map(([, number]) => Number(number))
  return [
    ...numbers(/(?:total_quantity: .*; |\bor |a total_quantity of )(\d+)(?= (?:or \d+ )?would fit)/g).map(
      (totalQuantity) => changed({ totalQuantity })
    ),
    ...numbers(/(\d+) slices? or more would fit/g).map((numSplits) => changed({ numSplits })),
    ...numbers(/at most (\d+) slices?(?=,| would)/g).map((numSplits) => changed({ numSplits })),
    ...numbers(/(\d+) minutes?,? would fit/g).map((durationMinutes) => changed({ durationMinutes })),
    ...numbers(/max_lateness_seconds of (\d+) would fit/g).map((maxLatenessSeconds) => changed({ maxLatenessSeconds })),
    ...numbers(/LIMIT_ORDER_QUANTITY \((\d+)\)/g).map((totalQuantity) => changed({ totalQuantity })),
    ...numbers(/LIMIT_ORDER_VALUE \(([\d.]+)\)/g).map((value) =>
      changed({ totalQuantity: Math.floor(value / Number(BigDecimal.format(priceOf(generated))) + 1e-6) })
    ),
    ...(refusal.includes("use a LIMIT order") ? [changed({ orderType: "LIMIT", limitPrice: priceOf(generated) })] : []),
    ...(refusal.includes("NEXT_SESSION") ? [changed({ sessionPolicy: "NEXT_SESSION" })] : [])
  ]
}

const columns =
  /^(total_quantity|num_splits|duration_minutes|session_policy|instrument|limit_price): |^the (order|slice)'s .* LIMIT_/
/** Whether the refusal is one that no change to the order could avoid. */
const isFinal = (refusal: string): boolean =>
  /"calendar import FILE" adds later ones$|no slice of whole lots of \d+ is that small|: use a LIMIT order/.test(
    refusal
  )

/** Follows the suggestions until there is a plan. Returns why they do not lead to one; null when they do. */
const misled = (generated: GeneratedOrder, refusal: string, steps = 10): string | null => {
  if (isFinal(refusal)) return null
  if (!columns.test(refusal)) return `names no column: ${refusal}`
  const all = suggestions(generated, refusal)
  if (all.length === 0) return `suggests nothing: ${refusal}`
  if (steps === 0) return `still refused: ${refusal}`
  if (refusal.includes("the broker takes")) {
    const refused = all.map(planned).find(Result.isFailure)
    return refused === undefined ? null : `names what does not fit: ${refusal}; then: ${refused.failure.text}`
  }
  const rule = (text: string) => text.replaceAll(/[\d.]+/g, "#")
  let problem: string | null = null
  for (const suggestion of all) {
    const next = planned(suggestion)
    if (Result.isSuccess(next)) return isAsSaid(refusal, next.success) ? null : `starts at another time: ${refusal}`
    if (rule(next.failure.text) === rule(refusal)) return `suggested in vain: ${refusal}; then: ${next.failure.text}`
    problem = misled(suggestion, next.failure.text, steps - 1)
    if (problem === null) return null
  }
  return problem
}

/** Whether the plan starts when the refusal said it would. */
const isAsSaid = (refusal: string, { startsAt }: OrderPlan): boolean => {
  const said = /it would start on (.* IST)$/.exec(refusal)?.[1]
  return said === undefined || (startsAt !== null && indianClock(DateTime.toEpochMillis(startsAt)) === said)
}

const cases = casesOr(3000)

describe("the plan of a generated order", () => {
  it(
    "keeps every rule, or is refused with suggestions that lead to a plan",
    () => {
      const counts = { planned: 0, refused: 0 }
      for (let index = 0; index < cases; index += 1) {
        const unlimited = anyOrder(`case-${index}`, choicesOf(`plans/${index}`))
        const generated = index % 2 === 0 ? unlimited : limited(unlimited, choicesOf(`plans/${index}/limits`))
        const plan = planned(generated)
        counts[Result.isSuccess(plan) ? "planned" : "refused"] += 1
        const problem = Result.isSuccess(plan)
          ? brokenRule(generated, plan.success)
          : misled(generated, plan.failure.text)
        if (problem !== null) assert.fail(`case ${index}: ${problem}\n${text(generated)}`)
      }
      assert.isAbove(counts.planned, counts.refused / 2)
      assert.isAbove(counts.refused, 0)
    },
    60_000 + cases * 40
  )
})

const text = ({ order, rules, market, at }: GeneratedOrder): string =>
  JSON.stringify({ order, rules: { ...rules, calendar: rules.calendar !== null }, market, at }, (_, value) =>
    typeof value === "bigint" ? String(value) : value
  )

/** The first moment from `millis` on at which the market is open, null when there is none in the year. */
const firstOpenFrom = (venueId: VenueId, millis: number): number | null => {
  if (isOpenAt(venueId, millis)) return millis
  const from = Math.floor((millis - yearStartMillis) / 60_000) + 1
  for (let minute = from; minute < 365 * minutesOfDay; minute += 1) {
    if (isOpen(venueId, Math.floor(minute / minutesOfDay), minute % minutesOfDay)) {
      return yearStartMillis + minute * 60_000
    }
  }
  return null
}

const momentsOf = (day: number, { int }: Choices): ReadonlyArray<number> => {
  const millis = yearStartMillis + day * minutesOfDay * 60_000
  return [millis, ...Array.from({ length: 4 }, () => millis + int(0, 86_399_999)), millis + 86_399_999]
}

describe("each day of 2026", () => {
  for (const venueId of venueIds) {
    it(`starts an order when the market is next open, and keeps it within sessions: ${venueId}`, () => {
      for (let day = 0; day < 365; day += 1) {
        const choices = choicesOf(`${venueId}/${day}`)
        for (const millis of momentsOf(day, choices)) {
          const at = DateTime.makeUnsafe(millis)
          const generated: GeneratedOrder = {
            venueId,
            at,
            rules: { ...noLimits, calendar: builtInCalendar },
            market: marketWith(venueId, 1, null),
            order: anOrder({
              instrument: instrumentOf(venueId),
              numSplits: choices.int(1, 20),
              durationMinutes: choices.int(0, 900),
              randomize: choices.chance(0.5),
              strategy: choices.pick(["TWAP", "VWAP"]),
              sessionPolicy: choices.pick(["SAME_DAY", "NEXT_SESSION"])
            })
          }
          const plan = planned(generated)
          const opens = firstOpenFrom(venueId, millis)
          if (Result.isFailure(plan)) {
            const isToday = opens !== null && dayOfYear(opens) === day
            const { sessionPolicy } = generated.order
            if (sessionPolicy === "NEXT_SESSION") assert.include(plan.failure.text, "are known until 2026-12-31")
            else
              assert.strictEqual(
                plan.failure.text.startsWith("duration_minutes"),
                isToday,
                `${day}: ${plan.failure.text}`
              )
            continue
          }
          assert.strictEqual(brokenRule(generated, plan.success), null, text(generated))
          const { startsAt } = plan.success
          assert.strictEqual(startsAt === null ? null : DateTime.toEpochMillis(startsAt), opens, text(generated))
        }
      }
    })
  }
})
