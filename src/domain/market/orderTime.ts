import { DateTime, Result } from "effect"
import type { Instrument, SessionPolicy } from "../model/Order.ts"
import { because, type Reason } from "../model/reason.ts"
import { indianClock, indianDay } from "./indianTime.ts"
import { calendarEnds, sessionAt, sessionsFrom, type TradingCalendar } from "./TradingCalendar.ts"
import type { TradingSession } from "./TradingSession.ts"
import { cutTo, firstOpen, type TradingTime, tradingMillisBetween } from "./TradingTime.ts"
import { type VenueId, venueOf } from "./Venue.ts"

/** How many days ahead an order may reach: enough for a day of trading time with all holidays in between. */
const daysAhead = 30

/** The facts that decide the trading time of an order. `hasDerivatives` is null if unknown. */
export interface TimedOrder {
  readonly instrument: Instrument
  readonly sessionPolicy: SessionPolicy
  readonly hasDerivatives: boolean | null
}

/** The venue of an order and the sessions that it may use from a moment on; both null without a calendar. */
export interface OpenTime {
  readonly market: VenueId | null
  readonly time: TradingTime
}

/**
 * When an order that begins at a moment may trade: with SAME_DAY in the sessions of that day in India, with NEXT_SESSION in all
 * following sessions too, and without a calendar at any time. Fails if no hours are known for its exchange.
 */
export const openTimeOf = (
  order: TimedOrder,
  calendar: TradingCalendar | null,
  at: DateTime.Utc
): Result.Result<OpenTime, Reason> => {
  if (calendar === null) return Result.succeed({ market: null, time: null })
  const market = venueOf(order.instrument, order.hasDerivatives)
  if (market === null) {
    return Result.fail(because("hours_unknown", `instrument: no trading hours are known for ${order.instrument}`))
  }
  const sessions = sessionsFrom(calendar, market, DateTime.toEpochMillis(at), daysAhead)
  const day = indianDay(at)
  const time = order.sessionPolicy === "SAME_DAY" ? sessions.filter((session) => dayOf(session) === day) : sessions
  return Result.succeed({ market, time })
}

/** The time that a plan takes. */
export interface PlanTime {
  readonly market: VenueId | null
  readonly startMillis: number
  readonly endMillis: number
  /** Sessions that contain exactly the window; null without a calendar. */
  readonly time: TradingTime
  /** The whole sessions in which it begins and ends; null without a calendar. */
  readonly sessions: { readonly first: TradingSession; readonly last: TradingSession } | null
}

/** Fits a window of trading time into the venue's sessions; fails with what would fit. */
export const planTimeOf = (
  order: TimedOrder,
  calendar: TradingCalendar | null,
  at: DateTime.Utc,
  windowMillis: number
): Result.Result<PlanTime, Reason> =>
  Result.flatMap(openTimeOf(order, calendar, at), ({ market, time }): Result.Result<PlanTime, Reason> => {
    const atMillis = DateTime.toEpochMillis(at)
    if (calendar === null || market === null || time === null) {
      const endMillis = atMillis + windowMillis
      return Result.succeed({ market: null, startMillis: atMillis, endMillis, time: null, sessions: null })
    }
    const startMillis = firstOpen(time, Math.ceil(atMillis))
    if (startMillis === null) return Result.fail(closedForIt(order, calendar, market, at))
    const cut = cutTo(time, startMillis, Math.max(1, windowMillis))
    const endMillis = cut?.at(-1)?.closesMillis
    if (cut === null || endMillis === undefined) {
      return Result.fail(tooLong(order, calendar, market, { startMillis, time, windowMillis }))
    }
    const sessionOf = (millis: number) =>
      time.find(({ opensMillis, closesMillis }) => opensMillis <= millis && millis < closesMillis) ?? {
        opensMillis: startMillis,
        closesMillis: endMillis
      }
    const sessions = { first: sessionOf(startMillis), last: sessionOf(endMillis - 1) }
    return Result.succeed({ market, startMillis, endMillis, time: cut, sessions })
  })

const closedForIt = (
  { instrument, sessionPolicy }: TimedOrder,
  calendar: TradingCalendar,
  market: VenueId,
  at: DateTime.Utc
): Reason => {
  // An order within the last millisecond of a session is as late as one at its close.
  const now = sessionAt(calendar, market, Math.ceil(DateTime.toEpochMillis(at)))
  const next = now._tag === "Open" ? now.session : now.next
  if (next === null || sessionPolicy === "NEXT_SESSION") return beyondCalendar(calendar, market)
  const why = now._tag === "Closed" ? `: ${now.reason}` : ""
  return because(
    "market_closed",
    `session_policy: ${instrument} is not traded any more on ${indianDay(at)}${why}; ` +
      `with NEXT_SESSION it would start on ${indianClock(next.opensMillis)}`
  )
}

const tooLong = (
  { instrument, sessionPolicy }: TimedOrder,
  calendar: TradingCalendar,
  market: VenueId,
  window: { readonly startMillis: number; readonly time: ReadonlyArray<TradingSession>; readonly windowMillis: number }
): Reason => {
  if (sessionPolicy === "NEXT_SESSION") return beyondCalendar(calendar, market)
  const { time, startMillis, windowMillis } = window
  const close = time.at(-1)?.closesMillis ?? startMillis
  const minutes = Math.floor(tradingMillisBetween(time, startMillis, close) / 60_000)
  return because(
    "market_closed",
    `duration_minutes: ${windowMillis / 60_000} minutes do not fit before ${instrument} closes at ${indianClock(close)}; ` +
      `${minutes} minutes would fit, or session_policy NEXT_SESSION`
  )
}

const beyondCalendar = (calendar: TradingCalendar, market: VenueId): Reason =>
  because("calendar_ends", calendarEnds(calendar, market).message)

const dayOf = ({ opensMillis }: TradingSession): string => indianDay(DateTime.makeUnsafe(opensMillis))
