import { DateTime, Result, Schema } from "effect"
import { type Announcements, Day, type Hours, type RegularHours } from "../Announcements.ts"
import { doubles, entry, problemsOf, propertyOf } from "../entryProblems.ts"
import { indianDay, indianTimeOfDay } from "../indianTime.ts"
import { isWeekend, usualHours } from "../regularHours.ts"
import type { PerVenue, VenueId } from "../Venue.ts"
import { venueIds } from "../Venue.ts"
import type { CalendarReading } from "./CalendarReading.ts"
import { announcementsOf, beforeAuction, hoursKnown, isMuhurat, type ListedDay } from "./listedDays.ts"

/**
 * The public list of holidays of Indian broker APIs, as Upstox documents it: the days of one calendar year, each with the exchanges
 * that are closed and the hours of those that are open. What kind of holiday it is says nothing: on a settlement holiday all trade.
 */

const exchangesOf: PerVenue<ReadonlyArray<string>> = {
  EQUITY: ["NSE", "BSE"],
  EQUITY_WITH_DERIVATIVES: ["NSE", "BSE"],
  EQUITY_DERIVATIVES: ["NFO", "BFO"],
  CURRENCY_DERIVATIVES: ["CDS", "BCD"],
  COMMODITIES: ["MCX"]
}

/** Milliseconds since 1970 at a whole minute. */
const Moment = Schema.Int.check(
  Schema.makeFilter((millis) => millis % 60_000 === 0 || "must be milliseconds since 1970 at a whole minute")
)

const Row = Schema.Struct({
  date: Day,
  description: Schema.String.check(
    Schema.makeFilter((text) => (text.trim() !== "" && text.length <= 200) || "must have 1 to 200 characters")
  ),
  closed_exchanges: Schema.Array(Schema.String),
  open_exchanges: Schema.Array(Schema.Struct({ exchange: Schema.String, start_time: Moment, end_time: Moment }))
})
type Row = typeof Row.Type

const decode = Schema.decodeUnknownResult(
  Schema.Struct({ status: Schema.optionalKey(Schema.Literal("success")), data: Schema.Array(Row) }),
  { errors: "all" }
)

export const isBrokerHolidays = (content: unknown): boolean => Array.isArray(propertyOf(content, "data"))

/** Reads a broker's list. `known` are the announcements so far, for the regular hours. */
export const readBrokerHolidays = (
  content: unknown,
  known: ReadonlyArray<Announcements>
): Result.Result<CalendarReading, ReadonlyArray<string>> =>
  Result.gen(function* () {
    const hours = hoursKnown(known)
    const { data } = yield* Result.mapError(decode(content), (error) => problemsOf(content, error))
    const named = new Set(
      data.flatMap(({ closed_exchanges, open_exchanges }) => [
        ...closed_exchanges,
        ...open_exchanges.map(({ exchange }) => exchange)
      ])
    )
    const years = new Set(data.map(({ date }) => date.slice(0, 4)))
    const [year = ""] = years
    const place = (row: Row, index: number) => `data${entry(index, row.date)}`
    const problems = [
      ...data.flatMap((row, index) => wrongHours(row).map((problem) => `${place(row, index)}: ${problem}`)),
      ...doubles(data.map((row, index) => ({ place: place(row, index), what: row.date }))),
      ...(years.size === 1
        ? []
        : [`must have the days of one calendar year, not of ${[...years].join(", ") || "none"}`])
    ]
    if (problems.length > 0) return yield* Result.fail(problems)
    const said = data.flatMap((row, index) =>
      venueIds.flatMap((market) => {
        const exchanges = exchangesOf[market].filter((exchange) => named.has(exchange))
        const found = saidOf(row, market, exchanges, hours)
        return found === null ? [] : [{ ...found, place: place(row, index) }]
      })
    )
    const { announcements, remarks } = announcementsOf(
      said.map(({ listed }) => listed),
      year,
      hours
    )
    const ownRemarks = said.flatMap(({ place, remark }) => (remark === null ? [] : [`${place}: ${remark}`]))
    return { form: "broker" as const, announcements, remarks: [...ownRemarks, ...remarks] }
  })

const clockOf = (millis: number): string => indianTimeOfDay(DateTime.makeUnsafe(millis)).slice(0, 5)

const wrongHours = ({ date, open_exchanges }: Row): ReadonlyArray<string> =>
  open_exchanges.flatMap(({ end_time, exchange, start_time }, index) => {
    const isOfDay = [start_time, end_time].every((millis) => indianDay(DateTime.makeUnsafe(millis)) === date)
    if (!isOfDay) return [`open_exchanges${entry(index)}: ${exchange} must open and close on ${date} in India`]
    return start_time < end_time ? [] : [`open_exchanges${entry(index)}: ${exchange} must open before it closes`]
  })

interface SaidOfVenue {
  readonly listed: ListedDay
  readonly remark: string | null
}

/** What a day's entry says of a venue by its exchanges; null if it names none of them. */
const saidOf = (
  row: Row,
  market: VenueId,
  exchanges: ReadonlyArray<string>,
  hours: PerVenue<ReadonlyArray<RegularHours>>
): SaidOfVenue | null => {
  const windows = exchanges.map((exchange) => windowsOf(row, exchange))
  const isNamed = windows.some((one) => one !== null)
  const says = (says: ListedDay["says"], remark: string | null = null): SaidOfVenue => ({
    listed: { day: row.date, market, name: row.description.trim(), says },
    remark
  })
  if (exchanges.length > 0 && isMuhurat(row.description) && windows.every((one) => (one ?? []).length === 0)) {
    return says("hours to come")
  }
  if (!isNamed) return null
  const usual = isWeekend(row.date)
    ? null
    : usualHours(hours[market === "EQUITY_WITH_DERIVATIVES" ? "EQUITY" : market], row.date)
  const all = windows.map((one) => one ?? (usual === null ? [] : [usual]))
  const common = all.reduce(intersection)
  const isAgreed = all.every((one) => JSON.stringify(one) === JSON.stringify(all[0]))
  const sessions =
    market === "EQUITY_WITH_DERIVATIVES" ? common.flatMap((session) => beforeAuction(session, row.date, hours)) : common
  return says(
    sessions.length === 0 ? "closed" : sessions,
    isAgreed ? null : `${exchanges.join(" and ")} differ: ${market} is taken to trade only when both do`
  )
}

/** The hours of an exchange, none if it is closed; null if the entry does not name it. */
const windowsOf = ({ closed_exchanges, open_exchanges }: Row, exchange: string): ReadonlyArray<Hours> | null => {
  const open = open_exchanges
    .filter((one) => one.exchange === exchange)
    .toSorted((a, b) => a.start_time - b.start_time)
    .map(({ end_time, start_time }): Hours => [clockOf(start_time), clockOf(end_time)])
  return open.length === 0 && !closed_exchanges.includes(exchange) ? null : open
}

const intersection = (some: ReadonlyArray<Hours>, others: ReadonlyArray<Hours>): ReadonlyArray<Hours> =>
  some.flatMap(([opens, closes]) =>
    others.flatMap(([itsOpen, itsClose]): ReadonlyArray<Hours> => {
      const [from, to] = [opens > itsOpen ? opens : itsOpen, closes < itsClose ? closes : itsClose]
      return from < to ? [[from, to]] : []
    })
  )
