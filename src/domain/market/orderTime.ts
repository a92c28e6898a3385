import { DateTime, Result } from "effect"
import type { Instrument, SessionPolicy } from "../model/Order.ts"
import { because, type Reason } from "../model/reason.ts"
import { indianClock, indianDay } from "./indianTime.ts"
import { type SessionMargins, sessionsBetween, withinMargins } from "./SessionMargins.ts"
import { calendarEnds, endsBefore, endsOf, sessionAt, sessionsFrom, type TradingCalendar } from "./TradingCalendar.ts"
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

/** The trading days of all venues, null for placements at any time, and how near to an open or a close nothing is due. */
export interface TimeRules {
  readonly calendar: TradingCalendar | null
  readonly margins: SessionMargins
}

/** The venue of an order, and the sessions that it may use from a moment on; all null without a calendar. */
export interface OpenTime {
  readonly market: VenueId | null
  /** The whole sessions: an order's window is counted in them. */
  readonly hours: TradingTime
  /** What the margins leave of them: slices are due in it. */
  readonly time: TradingTime
}

/**
 * When an order that begins at a moment may trade: with SAME_DAY in the sessions of that day in India, with NEXT_SESSION in all
 * following sessions too, and without a calendar at any time. Fails if no hours are known for its exchange.
 */
export const openTimeOf = (
  order: TimedOrder,
  { calendar, margins }: TimeRules,
  at: DateTime.Utc
): Result.Result<OpenTime, Reason> => {
  if (calendar === null) return Result.succeed({ market: null, hours: null, time: null })
  const market = venueOf(order.instrument, order.hasDerivatives)
  if (market === null) {
    return Result.fail(because("hours_unknown", `instrument: no trading hours are known for ${order.instrument}`))
  }
  const sessions = sessionsFrom(calendar, market, DateTime.toEpochMillis(at), daysAhead)
  const day = indianDay(at)
  const hours = order.sessionPolicy === "SAME_DAY" ? sessions.filter((session) => dayOf(session) === day) : sessions
  return Result.succeed({ market, hours, time: withinMargins(hours, margins) })
}

/** The last day of a venue that a calendar knows, YYYY-MM-DD. What is planned beyond it waits for a calendar that knows more. */
export interface KnownEnd {
  readonly market: VenueId
  readonly until: string
}

/** Where the calendar of an order's venue ends; null without a calendar, or if no hours are known for its exchange. */
export const knownEndFor = (
  order: Omit<TimedOrder, "sessionPolicy">,
  calendar: TradingCalendar | null
): KnownEnd | null => {
  const market = venueOf(order.instrument, order.hasDerivatives)
  return calendar === null || market === null ? null : { market, until: endsOf(calendar)[market] }
}

/** What is planned beyond the end of the calendar is neither refused nor given up, and people are told why. */
export const waitingForCalendar = ({ text }: Reason): Reason =>
  because("calendar_ends", `it waits, and goes on by itself when more days are known: ${text}`)

/** The time that a plan takes. */
export interface PlanTime {
  readonly market: VenueId | null
  /** The first moment at which a slice may be due. */
  readonly startMillis: number
  /** The end of the window, which may be the venue's close. */
  readonly endMillis: number
  /** The part of the window in which slices may be due; null without a calendar. */
  readonly time: TradingTime
  /** How long that part is. */
  readonly scheduleMillis: number
  /** The whole sessions in which it begins and ends; null without a calendar. */
  readonly sessions: { readonly first: TradingSession; readonly last: TradingSession } | null
}

/**
 * Fits a window of trading time into the venue's sessions; fails with what would fit. The window may begin at an open and end at a
 * close, which the margins leave out.
 */
export const planTimeOf = (
  order: TimedOrder,
  rules: TimeRules,
  at: DateTime.Utc,
  windowMillis: number
): Result.Result<PlanTime, Reason> =>
  Result.flatMap(openTimeOf(order, rules, at), ({ market, hours, time }): Result.Result<PlanTime, Reason> => {
    const { calendar } = rules
    const atMillis = DateTime.toEpochMillis(at)
    if (calendar === null || market === null || hours === null || time === null) {
      const endMillis = atMillis + windowMillis
      const whole = { market: null, startMillis: atMillis, endMillis, time: null, sessions: null }
      return Result.succeed({ ...whole, scheduleMillis: windowMillis })
    }
    const startMillis = firstOpen(time, Math.ceil(atMillis))
    if (startMillis === null) return Result.fail(closedForIt(order, { ...rules, calendar }, market, at))
    const first = sessionWith(hours, startMillis)
    const endFrom = (fromMillis: number) => cutTo(hours, fromMillis, Math.max(1, windowMillis))?.at(-1)?.closesMillis
    const fromMillis = Math.max(first.opensMillis, Math.ceil(atMillis))
    const closesMillis = endFrom(fromMillis)
    if (closesMillis === undefined) {
      return Result.fail(tooLong(order, calendar, market, { at, fromMillis, hours, windowMillis }))
    }
    // A window of which the margin after the open would take half or more begins after it.
    const isShort = closesMillis - startMillis <= windowMillis / 2
    const endMillis = Math.max((isShort ? endFrom(startMillis) : null) ?? closesMillis, startMillis + 1)
    const within = sessionsBetween(time, startMillis, endMillis)
    return Result.succeed({
      market,
      startMillis,
      endMillis,
      time: within,
      scheduleMillis: windowMillis === 0 ? 0 : tradingMillisBetween(within, startMillis, endMillis),
      sessions: { first, last: sessionWith(hours, endMillis - 1) }
    })
  })

/** The session that contains a moment at which a slice may be due, or at which a window of its sessions ends. */
const sessionWith = (hours: ReadonlyArray<TradingSession>, millis: number): TradingSession =>
  hours.find(({ opensMillis, closesMillis }) => opensMillis <= millis && millis < closesMillis) ?? {
    opensMillis: millis,
    closesMillis: millis + 1
  }

const closedForIt = (
  { instrument, sessionPolicy }: TimedOrder,
  { calendar, margins }: TimeRules & { readonly calendar: TradingCalendar },
  market: VenueId,
  at: DateTime.Utc
): Reason => {
  // An order within the last millisecond of a session is as late as one at its close.
  const now = sessionAt(calendar, market, Math.ceil(DateTime.toEpochMillis(at)))
  const after = now._tag === "Open" ? sessionAt(calendar, market, now.session.closesMillis) : now
  const next = after._tag === "Open" ? after.session : after.next
  if (endsBefore(calendar, market, lastMillisFor(sessionPolicy, at))) return beyondCalendar(calendar, market)
  const why =
    now._tag === "Closed"
      ? `: ${now.reason}`
      : `: nothing is due in the last ${margins.closeMillis / 1000} s before the close (SESSION_CLOSE_MARGIN_SECONDS)`
  const otherwise = sessionPolicy === "NEXT_SESSION" ? ` or the ${daysAhead} days after it` : ""
  const start = next === null ? "it would wait for the next one" : `it would start on ${indianClock(next.opensMillis)}`
  return because(
    "market_closed",
    `session_policy: ${instrument} is not traded any more on ${indianDay(at)}${otherwise}${why}` +
      (sessionPolicy === "NEXT_SESSION" ? "" : `; with NEXT_SESSION ${start}`)
  )
}

const tooLong = (
  { instrument, sessionPolicy }: TimedOrder,
  calendar: TradingCalendar,
  market: VenueId,
  window: {
    readonly at: DateTime.Utc
    readonly fromMillis: number
    readonly hours: ReadonlyArray<TradingSession>
    readonly windowMillis: number
  }
): Reason => {
  const { at, fromMillis, hours, windowMillis } = window
  if (endsBefore(calendar, market, lastMillisFor(sessionPolicy, at))) return beyondCalendar(calendar, market)
  const close = hours.at(-1)?.closesMillis ?? fromMillis
  const minutes = Math.floor(tradingMillisBetween(hours, fromMillis, close) / 60_000)
  return because(
    "market_closed",
    `duration_minutes: ${windowMillis / 60_000} minutes do not fit before ${instrument} closes at ${indianClock(close)}; ` +
      `${minutes} minutes would fit` +
      (sessionPolicy === "NEXT_SESSION" ? "" : ", or session_policy NEXT_SESSION")
  )
}

/** A moment on the last day on which an order that begins at a moment may trade. */
const lastMillisFor = (policy: SessionPolicy, at: DateTime.Utc): number =>
  DateTime.toEpochMillis(policy === "SAME_DAY" ? at : DateTime.add(at, { days: daysAhead }))

const beyondCalendar = (calendar: TradingCalendar, market: VenueId): Reason =>
  because("calendar_ends", calendarEnds(calendar, market).message)

const dayOf = ({ opensMillis }: TradingSession): string => indianDay(DateTime.makeUnsafe(opensMillis))
