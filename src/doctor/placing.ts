import { BigDecimal, DateTime, Duration, Option } from "effect"
import { type DayLimits, dayIsOver, type DayTotals } from "../domain/limits/dayLimits.ts"
import { placementsPerDay } from "../domain/limits/orderRate.ts"
import { isNearlyUsed } from "../domain/limits/usage.ts"
import { decimalText, whole } from "../domain/text/decimals.ts"
import { counted } from "../domain/text/plural.ts"
import { type Check, lasting, millisSince, ok, problem, pulse, warning } from "./Check.ts"

export interface BrokerFacts {
  /** Of this command's settings, as `brokerIdentity` names it. */
  readonly configured: string
  readonly isDryRun: boolean
  /** The one that the database's slices are at; null before the first daemon. */
  readonly inUse: string | null
  readonly account: string | null
}

export const brokerCheck = ({ configured, isDryRun, inUse, account }: BrokerFacts): Check => {
  const name = "broker"
  if (inUse !== null && inUse !== configured) {
    return problem(
      name,
      `the settings say ${configured}, but this database's orders are at ${inUse}`,
      `Set BROKER_TYPE, its address and DRY_RUN in this shell as the daemons have them, then: ${pulse("doctor")}`
    )
  }
  if (isDryRun)
    return warning(name, `${configured}: nothing is sent`, "Start the daemons without DRY_RUN to send orders")
  return ok(
    name,
    configured + (account === null ? "" : `, account ${account}`) + (configured === "mock" ? ": no real orders" : "")
  )
}

/** The access token of a broker that has one. */
export interface TokenFacts {
  readonly stored: {
    readonly setAt: DateTime.Utc
    readonly setBy: string
    readonly user: string | null
    readonly endsAt: DateTime.Utc
    readonly refusedReason: string | null
  } | null
  /** Whether ZERODHA_ACCESS_TOKEN is set. */
  readonly isGiven: boolean
  /** In whose book this database's slices are. */
  readonly account: string | null
}

const soon = Duration.minutes(30)

export const tokenCheck = ({ stored, isGiven, account }: TokenFacts, now: DateTime.Utc): Check => {
  const name = "access token"
  const todo = pulse("zerodha login")
  const given = "ZERODHA_ACCESS_TOKEN is set; only Zerodha can tell whether it is good"
  if (stored === null) {
    return isGiven
      ? warning(name, given, pulse("zerodha check"))
      : problem(name, "there is none: nothing can be placed", todo)
  }
  const set = `set ${DateTime.formatIso(stored.setAt)} by ${stored.setBy}${stored.user === null ? "" : ` for ${stored.user}`}`
  const wrong =
    stored.refusedReason !== null
      ? `refused by Zerodha: ${stored.refusedReason}`
      : DateTime.isGreaterThanOrEqualTo(now, stored.endsAt)
        ? `ended at ${DateTime.formatIso(stored.endsAt)} (6:00 in India)`
        : account !== null && stored.user !== null && stored.user !== account
          ? `of ${stored.user}, but this database's orders are in the account of ${account}`
          : null
  if (wrong !== null) {
    return isGiven
      ? warning(name, `the stored one is ${wrong}; ${given}`, pulse("zerodha check"))
      : problem(name, `${wrong}; ${set}`, todo)
  }
  const left = millisSince(now, stored.endsAt)
  return left < Duration.toMillis(soon)
    ? warning(name, `ends in ${lasting(now, stored.endsAt)}; ${set}`, todo)
    : ok(
        name,
        `${set}, good until ${DateTime.formatIso(stored.endsAt)} unless it was ended; Zerodha was not asked, "zerodha check" does`
      )
}

export const dayLimitCheck = (totals: DayTotals, limits: DayLimits): Check => {
  const name = "day limits"
  const limited = [
    ...Option.toArray(limits.ordersPerDay).map((limit) => ({
      what: "orders",
      used: whole(totals.orders),
      limit: whole(limit)
    })),
    ...Option.toArray(limits.valuePerDay).map((limit) => ({ what: "value", used: totals.value, limit }))
  ]
  if (limited.length === 0) return ok(name, `orders today: ${totals.orders}; no limit is set`)
  const over = dayIsOver(totals, limits)
  const todo =
    "Raise LIMIT_ORDERS_PER_DAY or LIMIT_VALUE_PER_DAY and start the daemons anew, or wait for tomorrow in India"
  if (over !== null) return problem(name, `${over}: nothing more is placed today`, todo)
  const found = `today ${limited.map(({ what, used, limit }) => `${what} ${decimalText(used)} of ${decimalText(limit)}`).join(", ")}`
  if (limited.some(({ used, limit }) => BigDecimal.isGreaterThanOrEqualTo(used, limit))) {
    return problem(name, `${found}: used up, no other order is taken today`, todo)
  }
  return limited.some(({ used, limit }) => isNearlyUsed(used, limit))
    ? warning(name, `${found}: nearly used up`, todo)
    : ok(name, found)
}

export interface RequestFacts {
  readonly today: number
  readonly perDay: number
  readonly blockedUntil: DateTime.Utc | null
  readonly cappedUntil: DateTime.Utc | null
}

export const requestCheck = ({ today, perDay, blockedUntil, cappedUntil }: RequestFacts, now: DateTime.Utc): Check => {
  const name = "order requests"
  const most = placementsPerDay(perDay)
  const found = `${today} of the ${perDay} that the account may send today, ${most} of them for placements`
  if (cappedUntil !== null) {
    return problem(
      name,
      `${found}; the broker says that they are used up`,
      `Nothing is placed until ${DateTime.formatIso(cappedUntil)}; cancel what must not wait: ${pulse("order cancel ID")}`
    )
  }
  if (today >= most) {
    return problem(
      name,
      `${found}: used up`,
      `Nothing more is placed today; cancel what must not wait: ${pulse("order cancel ID")}`
    )
  }
  if (blockedUntil !== null) {
    return warning(name, `${found}; the broker asked for a pause`, `Wait ${lasting(now, blockedUntil)}`)
  }
  return isNearlyUsed(whole(today), whole(most))
    ? warning(name, `${found}: nearly used up`, `Submit fewer slices, or cancel what can wait: ${pulse("order list")}`)
    : ok(name, found)
}

export interface HaltFacts {
  readonly halt: { readonly requestedBy: string; readonly requestedAt: DateTime.Utc; readonly reason: string } | null
  /** Instances that have not acknowledged the last halt or resume. */
  readonly waitingFor: ReadonlyArray<string>
}

/** A halt is somebody's will, and no fault. */
export const haltCheck = ({ halt, waitingFor }: HaltFacts, now: DateTime.Utc): Check => {
  const name = "halt"
  const found =
    halt === null
      ? "placements are not halted"
      : `halted for ${lasting(halt.requestedAt, now)} by ${halt.requestedBy}: ${halt.reason}`
  if (waitingFor.length > 0) {
    return problem(
      name,
      `${found}, but ${waitingFor.join(", ")} did not acknowledge the last word`,
      halt === null
        ? `See its log, or start it anew: ${pulse("workers")}`
        : "Stop it by hand to be sure: what it has claimed it may place"
    )
  }
  return halt === null ? ok(name, found) : warning(name, found, pulse("resume"))
}

export interface HeldOrder {
  readonly orderId: string
  readonly reason: string
  readonly slices: number
  /** The broker has more for it than there should be. */
  readonly isDouble: boolean
}

const maxNamed = 3

/** What comes before anything else of an order that was placed twice. */
export const reconcileFirst = "settle it at the broker first: cancel what is too much by hand"

/** Those held for a double placement are to be given first. */
export const heldOrderCheck = (held: ReadonlyArray<HeldOrder>): Check => {
  const name = "orders on hold"
  const [first] = held
  if (first === undefined) return ok(name, "none")
  const named = held
    .slice(0, maxNamed)
    .map(({ orderId, reason, slices }) => `${orderId} (${counted(slices, "slice")}): ${reason}`)
  const more = held.length > maxNamed ? `; and ${held.length - maxNamed} more` : ""
  const found = named.join("; ") + more
  const resume = pulse(`order resume ${first.orderId}`)
  return first.isDouble
    ? problem(name, found, `${first.orderId} was placed twice, ${reconcileFirst}, then: ${resume}`)
    : warning(name, found, resume)
}
