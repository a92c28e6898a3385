import { type Announcements, type Hours, marketsOf, regularHoursOf, specialDaysOf } from "./Announcements.ts"
import type { CalendarSource } from "./calendarSources.ts"
import { calendarOf, endsOf, hoursOn } from "./TradingCalendar.ts"
import { forEachVenue, type PerVenue, type VenueId, venueIds } from "./Venue.ts"

/** A day on which venues get other hours. */
export interface DayChange {
  readonly day: string
  readonly markets: ReadonlyArray<VenueId>
  /** `09:15–15:30`, `closed`, or `not known` beyond the end. */
  readonly before: string
  readonly after: string
  /** Why, if it is a special day. */
  readonly name: string
}

/** What differs between two calendars. */
export interface CalendarChanges {
  /** Those of other ends, with the last known day before and after. */
  readonly ends: Partial<PerVenue<{ readonly before: string; readonly after: string }>>
  /** In order. Of days that were not known before only the special ones. */
  readonly days: ReadonlyArray<DayChange>
}

/** What announcements change that replace others. */
export const changesBetween = (
  before: ReadonlyArray<Announcements>,
  after: ReadonlyArray<Announcements>
): CalendarChanges => {
  const [old, next] = [calendarOf(before), calendarOf(after)]
  const [oldEnds, ends] = [endsOf(old), endsOf(next)]
  const special = forEachVenue((market) => specialDaysOf(after, market))
  const found = venueIds.flatMap((market) =>
    [...next.markets[market].whyClosed.keys()].flatMap((day) => {
      const isNew = day > oldEnds[market]
      const [was, is] = [isNew ? "not known" : hoursOn(old, market, day), hoursOn(next, market, day)]
      const its = special[market].get(day)?.special
      if (isNew ? its === undefined : was === is) return []
      return [{ day, market, before: was, after: is, name: its?.name ?? "" }]
    })
  )
  const known = forEachVenue((market) => specialDaysOf(before, market))
  const gone = venueIds.flatMap((market) =>
    [...old.markets[market].whyClosed.keys()].flatMap((day) =>
      day <= ends[market] || !known[market].has(day)
        ? []
        : [{ day, market, before: hoursOn(old, market, day), after: "not known", name: "" }]
    )
  )
  return {
    ends: Object.fromEntries(
      venueIds
        .filter((market) => oldEnds[market] !== ends[market])
        .map((market) => [market, { before: oldEnds[market], after: ends[market] }])
    ),
    days: grouped([...found, ...gone])
  }
}

/** Days with the venues whose hours change in the same way. */
const grouped = (
  changes: ReadonlyArray<Omit<DayChange, "markets"> & { readonly market: VenueId }>
): ReadonlyArray<DayChange> => {
  const groups = new Map<string, DayChange>()
  for (const { market, ...change } of changes) {
    const key = JSON.stringify(change)
    groups.set(key, { ...change, markets: [...(groups.get(key)?.markets ?? []), market] })
  }
  return [...groups.values()].toSorted((a, b) => (a.day < b.day ? -1 : a.day > b.day ? 1 : 0))
}

/** What new announcements say otherwise than known ones have said; hours that were to come contradict nothing. */
export const contradictionsOf = (known: ReadonlyArray<CalendarSource>, next: Announcements): ReadonlyArray<string> => {
  const before = forEachVenue((market) => specialDaysOf(known, market))
  const days = next.days.flatMap((special) =>
    marketsOf(special).flatMap((market) => {
      const said = before[market].get(special.day)
      const isNew = said === undefined || said.special.hoursToCome === true || special.hoursToCome === true
      const [was, is] = [hoursText(said?.special.sessions ?? []), hoursText(special.sessions)]
      return isNew || was === is
        ? []
        : [{ what: `${special.day}: ${was} by ${said.from.source} (${said.special.name}), ${is} here`, market }]
    })
  )
  const hours = (next.hours ?? []).flatMap(({ closesInUsWinter, hours, market, since }) => {
    const said = known.findLast((source) => regularHoursOf([source], market).some((one) => one.since === since))
    const its = regularHoursOf(said === undefined ? [] : [said], market).find((one) => one.since === since)
    const isSame = hoursText([its?.hours ?? hours]) === hoursText([hours]) && its?.closesInUsWinter === closesInUsWinter
    return said === undefined || isSame
      ? []
      : [
          {
            what: `since ${since}: ${hoursText([its?.hours ?? hours])} by ${said.source}, ${hoursText([hours])} here`,
            market
          }
        ]
  })
  const groups = new Map<string, ReadonlyArray<VenueId>>()
  for (const { market, what } of [...days, ...hours]) groups.set(what, [...(groups.get(what) ?? []), market])
  return [...groups].map(([what, markets]) => `${markets.join(", ")} ${what}`)
}

/** Known special days that a list of whole years leaves out, of the venues of which it says anything. */
export const leftOutOf = (known: ReadonlyArray<CalendarSource>, list: Announcements): ReadonlyArray<string> => {
  const years = new Set(list.days.map(({ day }) => day.slice(0, 4)))
  const found = new Map<string, ReadonlyArray<VenueId>>()
  for (const market of venueIds) {
    const listed = specialDaysOf([list], market)
    if (listed.size === 0) continue
    for (const [day, { from, special }] of specialDaysOf(known, market)) {
      if (!years.has(day.slice(0, 4)) || listed.has(day) || special.hoursToCome === true) continue
      const what = `${day}: ${hoursText(special.sessions)} by ${from.source} (${special.name})`
      found.set(what, [...(found.get(what) ?? []), market])
    }
  }
  return [...found]
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(([what, markets]) => `${what}, for ${markets.join(", ")}`)
}

/** `09:15–15:30`, several with commas between, or `closed`. */
export const hoursText = (sessions: ReadonlyArray<Hours>): string =>
  sessions.length === 0 ? "closed" : sessions.map(([opens, closes]) => `${opens}–${closes}`).join(", ")
