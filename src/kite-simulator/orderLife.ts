import { BigDecimal } from "effect"
import { partOf } from "../broker/mock/partOf.ts"
import { simulatedPrice } from "../broker/mock/simulatedPrice.ts"
import type { SeededRandom } from "../domain/planning/schedule/SeededRandom.ts"
import { discrepancyMillis } from "./discrepancyMillis.ts"
import type { Fault, FaultKind } from "./Faults.ts"
import type { OrderDay } from "./marketRules.ts"
import type { OrderRequest } from "./OrderRequest.ts"

/** The state of an order from `at` on, in milliseconds since 1970. */
export interface LifeStep {
  readonly at: number
  readonly status: string
  readonly message: string | null
  readonly filled: number
  /** The quantity of the order. */
  readonly quantity: number
}

export interface LifeTrade {
  readonly at: number
  readonly quantity: number
  readonly paise: number
}

/** The whole future of an order, in order of time. It is decided on arrival, and again on a cancel or modification. */
export interface Life {
  readonly steps: ReadonlyArray<LifeStep>
  readonly trades: ReadonlyArray<LifeTrade>
}

/** Faults that leave the order unfilled, or partly filled, until it is cancelled or ends otherwise. */
const leftOpen: ReadonlySet<string> = new Set<FaultKind>([
  "resurrected",
  "cancel_refused",
  "person_cancels",
  "person_changes_quantity"
])
const leftPartial: ReadonlySet<string> = new Set<FaultKind>([
  "partial_fill",
  "rejected_filled",
  "trades_fewer",
  "trades_late"
])
const personal: ReadonlySet<string> = new Set<FaultKind>(["person_cancels", "person_changes_quantity"])
const finalStatuses = new Set(["COMPLETE", "CANCELLED", "REJECTED"])
const rejection = "RMS:Rule: Check circuit limit including square off order exceeds for entity account-SIM001"

export const isFinal = (status: string): boolean => finalStatuses.has(status)

/** The market price of an instrument for one side, in paise. */
export const marketPaise = (seed: string, request: OrderRequest, atMillis: number): number =>
  Number(BigDecimal.scale(simulatedPrice(seed, request.instrument, request.side, atMillis), 2).value)

/** The state at a time; null before the order began. */
export const stateAt = (life: Life, nowMillis: number): LifeStep | null =>
  life.steps.findLast(({ at }) => at <= nowMillis) ?? null

export const tradesUntil = (life: Life, nowMillis: number): ReadonlyArray<LifeTrade> =>
  life.trades.filter(({ at }) => at <= nowMillis)

/** The circumstances that determine an order's life. Times and durations are milliseconds. */
export interface Circumstances {
  readonly request: OrderRequest
  readonly startsAt: number
  readonly fillMillis: number
  /** Parts are whole lots. */
  readonly lot: number
  /** The market price for its side, in paise. */
  readonly priceAt: (millis: number) => number
  readonly day: OrderDay
  readonly fault: Fault | null
  readonly random: SeededRandom
}

/** The life of an order that arrives at `startsAt`. */
export const arrive = (given: Circumstances): Life => {
  const { day, request, startsAt, fault, random } = given
  if (request.variety === "amo") {
    return lifeOf([step(request, startsAt, "AMO REQ RECEIVED"), step(request, day.endsMillis, "CANCELLED")])
  }
  const pause = pauseMillis(fault)
  const at = (share: number) => startsAt + pause + Math.ceil(share * given.fillMillis)
  const path = [step(request, startsAt, "PUT ORDER REQ RECEIVED")]
  if (fault?.kind === "unknown_status") {
    path.push(step(request, startsAt + Math.ceil(0.1 * given.fillMillis), "TRANSIT PENDING"))
  }
  path.push(step(request, at(0.1), "VALIDATION PENDING"))
  if (fault?.kind === "rejected_late") return lifeOf([...path, step(request, at(1), "REJECTED", 0, rejection)])
  path.push(step(request, at(0.2), "OPEN PENDING"))
  if (day.rejection !== null) return lifeOf([...path, step(request, at(0.3), "REJECTED", 0, day.rejection)])
  const life = pursue(given, lifeOf(path), { openAt: at(0.3), partAt: at(0.6), endAt: at(1) }, random)
  return touchedByPerson(given, life, at(0.3))
}

/** The life of an order that is refused on arrival. */
export const refuse = (request: OrderRequest, nowMillis: number): Life =>
  lifeOf([step(request, nowMillis, "REJECTED", 0, rejection)])

/** The life of an order that a person cancels or changes in the broker's app, if the fault says so and it is not over by then. */
const touchedByPerson = (given: Circumstances, life: Life, openAt: number): Life => {
  const { fault, request, fillMillis } = given
  if (fault === null || !personal.has(fault.kind)) return life
  const actsAt = openAt + discrepancyMillis(fault)
  if (isFinal(stateAt(life, actsAt)?.status ?? "")) return life
  if (fault.kind === "person_cancels") return cancel(life, actsAt, Math.ceil(fillMillis / 5))
  const quantity = Math.max(1, fault.quantity ?? Math.ceil(request.quantity * (fault.variation < 0.5 ? 0.5 : 2.5)))
  return modify({ ...given, startsAt: actsAt, request: { ...request, quantity }, fault: null }, life)
}

/** The life of an order that is modified at `startsAt` to the new request. */
export const modify = (given: Circumstances, life: Life): Life => {
  const at = (share: number) => given.startsAt + Math.ceil(share * given.fillMillis)
  const past = until(life, given.startsAt)
  const filled = past.steps.at(-1)?.filled ?? 0
  const steps = [
    ...past.steps,
    step(given.request, at(0), "MODIFY VALIDATION PENDING", filled),
    step(given.request, at(0.1), "MODIFY PENDING", filled)
  ]
  const moments = { openAt: at(0.3), partAt: at(0.6), endAt: at(1) }
  return pursue(given, { steps, trades: past.trades }, moments, given.random)
}

/**
 * The life of an order that is cancelled at `nowMillis`. The cancel reaches the exchange after `pendingMillis`: fills until then
 * stand, and an order that is complete by then is not cancelled.
 */
export const cancel = (life: Life, nowMillis: number, pendingMillis: number): Life => {
  const past = until(life, nowMillis)
  const before = past.steps.at(-1)
  if (before === undefined) return life
  const { filled } = before
  const arrives = nowMillis + pendingMillis
  const fills = life.steps
    .filter(({ at, filled: then }) => at > nowMillis && at <= arrives && then > filled)
    .map((fill) => (fill.status === "COMPLETE" ? fill : { ...fill, status: "CANCEL PENDING" }))
  const asked = { ...before, at: nowMillis, status: "CANCEL PENDING", message: null }
  const steps = [...past.steps, asked, ...fills]
  const last = fills.at(-1) ?? asked
  const isTooLate = last.status === "COMPLETE"
  return {
    steps: isTooLate ? steps : [...steps, { ...last, at: arrives, status: "CANCELLED" }],
    trades: tradesUntil(life, arrives)
  }
}

const step = (
  { quantity }: OrderRequest,
  at: number,
  status: string,
  filled = 0,
  message: string | null = null
): LifeStep => ({ at, status, filled, quantity, message })

const lifeOf = (steps: ReadonlyArray<LifeStep>): Life => ({ steps, trades: [] })

const until = (life: Life, nowMillis: number): Life => ({
  steps: life.steps.filter(({ at }) => at <= nowMillis),
  trades: tradesUntil(life, nowMillis)
})

interface Moments {
  readonly openAt: number
  readonly partAt: number
  readonly endAt: number
}

/** Opens the order, fills it if its price allows, and ends what stays unfilled. */
const pursue = (given: Circumstances, before: Life, { openAt, partAt, endAt }: Moments, random: SeededRandom): Life => {
  const { day, lot, priceAt, request, startsAt } = given
  const filledBefore = before.steps.at(-1)?.filled ?? 0
  const steps = [...before.steps]
  const trades = [...before.trades]
  const fill = (at: number, quantity: number, paise: number) => {
    if (quantity <= 0) return
    trades.push({ at, quantity, paise })
    const filled = (steps.at(-1)?.filled ?? 0) + quantity
    steps.push(step(request, at, filled === request.quantity ? "COMPLETE" : "OPEN", filled))
  }
  // What comes before the open is matched at the open, at the price of then.
  const waitMillis = Math.max(0, day.fillsFromMillis - startsAt)
  const paise = priceAt(startsAt + waitMillis)
  const isWaiting = request.triggerPaise !== null && request.orderType.startsWith("SL") && !isTriggered(request, paise)
  steps.push(step(request, openAt, isWaiting ? "TRIGGER PENDING" : "OPEN", filledBefore))
  const kind = given.fault?.kind ?? "none"
  const mayFill = !isWaiting && !leftOpen.has(kind)
  const isLeftPartial = leftPartial.has(kind)
  if (mayFill && isContinuous(given) && isMarketable(request, paise)) {
    const remaining = request.quantity - filledBefore
    const [partly, size, better] = [random(), random(), random()]
    const part = isLeftPartial || partly < 0.3 ? partOf(remaining, lot, size) : 0
    fill(partAt + waitMillis, part, paise)
    // The second trade has the same price or one tick better, so that average prices are not trivial.
    const tick = better < 0.5 ? 0 : request.side === "BUY" ? -5 : 5
    if (!isLeftPartial) fill(endAt + waitMillis, remaining - part, paise + tick)
  }
  const last = steps.at(-1)
  const left = request.quantity - (last?.filled ?? 0)
  if (last !== undefined && kind === "rejected_filled") {
    steps.push(step(request, endAt, "REJECTED", last.filled, rejection))
  } else if (last !== undefined && !isFinal(last.status)) {
    const ttlMillis = request.ttlMinutes === null ? Number.POSITIVE_INFINITY : request.ttlMinutes * 60_000
    const endsAt = Math.max(request.validity === "IOC" ? endAt : Math.min(day.endsMillis, openAt + ttlMillis), last.at)
    const isAuctioned = day.isInAuction && endsAt === day.endsMillis && mayFill && !isLeftPartial
    if (isAuctioned && isMarketable(request, priceAt(endsAt))) fill(endsAt, left, priceAt(endsAt))
    else steps.push(step(request, endsAt, "CANCELLED", last.filled))
  }
  return { steps, trades }
}

/** Whether the exchange matches the order as it comes, which it does before the closing auction. */
const isContinuous = ({ day, startsAt }: Circumstances): boolean => startsAt < day.matchedUntilMillis

const isMarketable = ({ pricePaise, side }: OrderRequest, marketPaise: number): boolean => {
  if (pricePaise === null) return true
  return side === "BUY" ? pricePaise >= marketPaise : pricePaise <= marketPaise
}

const isTriggered = ({ side, triggerPaise }: OrderRequest, marketPaise: number): boolean =>
  side === "BUY" ? marketPaise >= (triggerPaise ?? 0) : marketPaise <= (triggerPaise ?? 0)

/** The time that an order is stuck (one to three minutes) or in an unknown status (up to half a minute). */
const pauseMillis = (fault: Fault | null): number => {
  if (fault?.kind === "stuck_pending") return Math.ceil(fault.delayMillis ?? 60_000 + 120_000 * fault.severity)
  if (fault?.kind === "unknown_status") return Math.ceil(fault.delayMillis ?? 30_000 * fault.severity)
  return 0
}
