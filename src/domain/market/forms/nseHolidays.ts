import { Result, Schema } from "effect"
import { type Announcements, Day, type Hours, type RegularHours } from "../Announcements.ts"
import { doubles, entry, problemsOf, propertyOf } from "../entryProblems.ts"
import { isWeekend, usualHours } from "../regularHours.ts"
import type { PerVenue, VenueId } from "../Venue.ts"
import type { CalendarReading } from "./CalendarReading.ts"
import { announcementsOf, beforeAuction, hoursKnown, isMuhurat, type ListedDay } from "./listedDays.ts"

/**
 * NSE's holiday-master for trading: an object with an array of rows for each segment, of one calendar year. Known from a sample and
 * from public code that reads it, not from a published contract; so what is not known is a problem or a remark.
 */

const segments = ["CM", "FO", "CD", "COM"] as const
type Segment = (typeof segments)[number]

/** NSE's list for commodities stands for MCX: in 2026 both had the same days. */
const venuesOf: Readonly<Record<Segment, ReadonlyArray<VenueId>>> = {
  CM: ["EQUITY", "EQUITY_WITH_DERIVATIVES"],
  FO: ["EQUITY_DERIVATIVES"],
  CD: ["CURRENCY_DERIVATIVES"],
  COM: ["COMMODITIES"]
}

const months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
const weekdays = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"]

/** `26-Jan-2026` as 2026-01-26; null if there is no such day. */
const dayOf = (text: string): string | null => {
  const [, date, month, year] = /^(\d\d)-([A-Z][a-z]{2})-(20\d\d)$/.exec(text) ?? []
  const day = `${year}-${String(months.indexOf(month ?? "") + 1).padStart(2, "0")}-${date}`
  return Schema.is(Day)(day) ? day : null
}

const Session = Schema.optionalKey(Schema.NullOr(Schema.String))

const Row = Schema.Struct({
  tradingDate: Schema.String.check(
    Schema.makeFilter(
      (text) => dayOf(text) !== null || `must be a day such as 26-Jan-2026, not ${JSON.stringify(text)}`
    )
  ),
  weekDay: Schema.optionalKey(Schema.NullOr(Schema.String)),
  description: Schema.String.check(
    Schema.makeFilter((text) => (text.trim() !== "" && text.length <= 200) || "must have 1 to 200 characters")
  ),
  morning_session: Session,
  evening_session: Session
})
type Row = typeof Row.Type

const Rows = Schema.optionalKey(Schema.Array(Row))
const decode = Schema.decodeUnknownResult(Schema.Struct({ CM: Rows, FO: Rows, CD: Rows, COM: Rows }), { errors: "all" })

export const isNseHolidays = (content: unknown): boolean =>
  segments.some((segment) => Array.isArray(propertyOf(content, segment)))

/** Reads NSE's list. `known` are the announcements so far, for the regular hours. */
export const readNseHolidays = (
  content: unknown,
  known: ReadonlyArray<Announcements>
): Result.Result<CalendarReading, ReadonlyArray<string>> =>
  Result.gen(function* () {
    const hours = hoursKnown(known)
    const lists = yield* Result.mapError(decode(content), (error) => problemsOf(content, error))
    const rows = segments.flatMap((segment) => (lists[segment] ?? []).map((row, index) => placed(segment, row, index)))
    const years = new Set(rows.map(({ day }) => day.slice(0, 4)))
    const [year = ""] = years
    const said = rows.map((row) => ({ ...row, meaning: meaningOf(row, hours) }))
    const problems = [
      ...rows.flatMap(wrongWeekday),
      ...said.flatMap(({ meaning, place }) => (Result.isFailure(meaning) ? [`${place}: ${meaning.failure}`] : [])),
      ...doubles(rows.map(({ day, place, segment }) => ({ place, what: `${segment} on ${day}` }))),
      ...(years.size === 1
        ? []
        : [`must have the days of one calendar year, not of ${[...years].join(", ") || "none"}`])
    ]
    if (problems.length > 0) return yield* Result.fail(problems)
    const listed = said.flatMap(({ meaning, ...row }) =>
      Result.isSuccess(meaning) ? listedDays(row, meaning.success.says, hours) : []
    )
    const { announcements, remarks } = announcementsOf(listed, year, hours)
    const ownRemarks = said.flatMap(({ meaning, place }) =>
      Result.isSuccess(meaning) && meaning.success.remark !== null ? [`${place}: ${meaning.success.remark}`] : []
    )
    return {
      form: "nse" as const,
      announcements,
      remarks: [...(lists.COM === undefined ? [] : [aboutCommodities]), ...ownRemarks, ...remarks]
    }
  })

const aboutCommodities =
  "COM is NSE's own list for commodities, taken for MCX, which publishes none in this form: compare it with MCX's circular"

interface PlacedRow extends Row {
  readonly segment: Segment
  readonly day: string
  readonly place: string
}

const placed = (segment: Segment, row: Row, index: number): PlacedRow => ({
  ...row,
  segment,
  day: dayOf(row.tradingDate) ?? "",
  place: `${segment}${entry(index, row.tradingDate)}`
})

const wrongWeekday = ({ day, place, weekDay }: PlacedRow): ReadonlyArray<string> => {
  const weekday = weekdays[new Date(day).getUTCDay()]
  return typeof weekDay !== "string" || weekDay.trim() === weekday
    ? []
    : [`${place}: weekDay: ${day} is a ${weekday}, not a ${JSON.stringify(weekDay)}`]
}

/** A half of a day: free text, which is mostly null. */
type Half = "unsaid" | "closed" | "open" | Hours

const halfOf = (text: string | null | undefined): Half | null => {
  const words = (text ?? "").trim().toLowerCase()
  if (/^-?$/.test(words)) return "unsaid"
  if (/^(closed?|holiday)$/.test(words)) return "closed"
  if (words === "open") return "open"
  const [from, to, rest] = words.split(/ to |-|–/).map(timeOf)
  return from && to && rest === undefined && from < to ? [from, to] : null
}

/** `6:15 PM` or `18:15` as 18:15; null if it is no time. */
const timeOf = (text: string): string | null => {
  const [, hour = "", minute = "", half] = /^(\d{1,2}):([0-5]\d)(?: ?([ap]m))?$/.exec(text.trim()) ?? []
  const number = Number(hour)
  if (hour === "" || number > (half === undefined ? 23 : 12) || (half !== undefined && number === 0)) return null
  const hours = half === undefined ? number : (number % 12) + (half === "pm" ? 12 : 0)
  return `${String(hours).padStart(2, "0")}:${minute}`
}

/** When the morning of a day with halves ends, and its evening begins. */
const noon = "17:00"

interface Meaning {
  readonly says: ListedDay["says"]
  readonly remark: string | null
}

const meaningOf = (row: PlacedRow, hours: PerVenue<ReadonlyArray<RegularHours>>): Result.Result<Meaning, string> => {
  const [morning, evening] = [halfOf(row.morning_session), halfOf(row.evening_session)]
  if (morning === null) return Result.fail(unreadable("morning_session", row.morning_session))
  if (evening === null) return Result.fail(unreadable("evening_session", row.evening_session))
  const means = (says: Meaning["says"], remark: string | null = null) => Result.succeed({ says, remark })
  const isCommodity = row.segment === "COM"
  if (morning === "unsaid" && evening === "unsaid") {
    if (isMuhurat(row.description)) return means("hours to come")
    return means("closed", isCommodity && !isWeekend(row.day) ? "names no session: taken as closed all day" : null)
  }
  if (morning === "open" || evening === "open") {
    if (!isCommodity) return Result.fail(`only COM has halves of a day that are open, not ${row.segment}`)
    // The usual hours are not those of a special session on a weekend.
    if (isWeekend(row.day)) return means("hours to come")
  }
  const usual = usualHours(hours.COMMODITIES, row.day)
  if (usual === null) return Result.fail(`the regular hours of ${row.day} are not known`)
  const sessions = [sessionOf(morning, [usual[0], noon]), sessionOf(evening, [noon, usual[1]])].flatMap(
    (one) => one ?? []
  )
  const isHalfUnsaid = morning === "unsaid" || evening === "unsaid"
  const remark = isHalfUnsaid ? "names one session only: the other is taken as closed" : null
  const [first, second] = sessions
  if (first === undefined) return means("closed", remark)
  if (second === undefined) return means([first], remark)
  if (second[0] < first[1]) return Result.fail("evening_session: begins before the morning's ends")
  return means(second[0] === first[1] ? [[first[0], second[1]]] : [first, second], remark)
}

const sessionOf = (half: Half, whole: Hours): ReadonlyArray<Hours> | null =>
  typeof half !== "string" ? [half] : half === "open" ? [whole] : null

const unreadable = (name: string, text: string | null | undefined): string =>
  `${name}: must be Closed, Open or a time such as 6:15 PM to 7:15 PM, not ${JSON.stringify(text)}`

const listedDays = (
  { day, description, segment }: PlacedRow,
  says: ListedDay["says"],
  hours: PerVenue<ReadonlyArray<RegularHours>>
): ReadonlyArray<ListedDay> =>
  venuesOf[segment].map((market) => ({
    day,
    market,
    name: description.trim(),
    says:
      typeof says === "string" || market !== "EQUITY_WITH_DERIVATIVES"
        ? says
        : says.flatMap((session) => beforeAuction(session, day, hours))
  }))
