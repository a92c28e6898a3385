import type { Announcements, Hours, RegularHours, SpecialDay } from "../Announcements.ts"
import { regularHoursOf } from "../Announcements.ts"
import { isWeekend, usualHours } from "../regularHours.ts"
import { forEachVenue, type PerVenue, type VenueId, venueIds } from "../Venue.ts"

/**
 * What the published lists have in common: each has the holidays of one calendar year, an entry for each day, and says of a day
 * either that it is closed, or its hours, or that it trades at hours to come.
 */

/** What a list says of a venue on a day. */
export interface ListedDay {
  readonly day: string
  readonly market: VenueId
  readonly name: string
  readonly says: "closed" | "hours to come" | ReadonlyArray<Hours>
}

/** A day of special trading whose hours the lists do not tell. */
export const isMuhurat = (name: string): boolean => /muhu?rat|la(x|ks)h?mi\s*-?pu?ja/i.test(name)

/** The regular hours of each venue, as they are known without the list. */
export const hoursKnown = (known: ReadonlyArray<Announcements>): PerVenue<ReadonlyArray<RegularHours>> =>
  forEachVenue((market) => regularHoursOf(known, market))

/** Fewer holidays on Mondays to Fridays have been in no year's list, nor has one lacked these. */
const minHolidays = 8
const nationalHolidays = ["01-26", "08-15", "10-02", "12-25"]

/** Why a list does not look like that of a whole year; null if it does. */
const whyNotWhole = (days: ReadonlySet<string>, year: string): string | null => {
  const missing = nationalHolidays.map((day) => `${year}-${day}`).filter((day) => !isWeekend(day) && !days.has(day))
  if (missing.length > 0) return `${missing.join(" and ")} ${missing.length === 1 ? "is" : "are"} not in it`
  const count = [...days].filter((day) => !isWeekend(day)).length
  return count < minHolidays ? `it has only ${count} of Mondays to Fridays` : null
}

/**
 * The announcements of a list of one year. It is the end of the year for the venues whose list looks whole. What it says of
 * weekends that are closed anyway, and of days with their regular hours, is left out.
 */
export const announcementsOf = (
  listed: ReadonlyArray<ListedDay>,
  year: string,
  hours: PerVenue<ReadonlyArray<RegularHours>>
): { readonly announcements: Announcements; readonly remarks: ReadonlyArray<string> } => {
  const until: Partial<Record<VenueId, string>> = {}
  const remarks: Array<string> = []
  for (const market of venueIds) {
    const days = new Set(listed.filter((one) => one.market === market).map(({ day }) => day))
    const why = days.size === 0 ? "it has none" : whyNotWhole(days, year)
    if (why === null) until[market] = `${year}-12-31`
    else remarks.push(`${market}: this is not taken for the whole list of ${year}, and its end stays: ${why}`)
  }
  const toCome = listed.filter(({ says }) => says === "hours to come")
  return {
    announcements: { until, days: grouped(listed.filter((one) => !isRegular(one, hours[one.market]))) },
    remarks: [
      ...remarks,
      ...[...new Map(toCome.map(({ day, name }) => [day, name]))].map(
        ([day, name]) =>
          `${day} (${name}) trades at hours that are not in the list: nothing is placed on it until they are imported`
      )
    ]
  }
}

/** Whether a listed day has the hours that its venue has anyway. */
const isRegular = ({ day, says }: ListedDay, hours: ReadonlyArray<RegularHours>): boolean => {
  if (says === "hours to come") return false
  if (says === "closed" || isWeekend(day)) return says === "closed" && isWeekend(day)
  const [usual, session] = [usualHours(hours, day), says[0]]
  return usual !== null && says.length === 1 && session !== undefined && contains(session, usual)
}

const contains = ([opens, closes]: Hours, [itsOpen, itsClose]: Hours): boolean => opens <= itsOpen && closes >= itsClose

/** Days with the venues for which a list says the same of them. */
const grouped = (listed: ReadonlyArray<ListedDay>): ReadonlyArray<SpecialDay> => {
  const groups = new Map<string, readonly [ListedDay, ...Array<ListedDay>]>()
  for (const one of listed) {
    const key = JSON.stringify([one.day, one.name, one.says])
    const group = groups.get(key)
    groups.set(key, group === undefined ? [one] : [...group, one])
  }
  return [...groups.values()]
    .toSorted(([a], [b]) => (a.day < b.day ? -1 : a.day > b.day ? 1 : 0))
    .map((group) => {
      const [{ day, name, says }, ...others] = group
      const markets = [group[0].market, ...others.map(({ market }) => market)] as const
      const isToCome = says === "hours to come"
      const sessions = typeof says === "string" ? [] : says
      return { day, markets, sessions, name, ...(isToCome ? { hoursToCome: true } : {}) }
    })
}

/** Closing auctions are as long on special days as on others (SEBI, 2026-01-16), so continuous trading ends as much earlier. */
export const beforeAuction = (
  [opens, closes]: Hours,
  day: string,
  hours: PerVenue<ReadonlyArray<RegularHours>>
): ReadonlyArray<Hours> => {
  const [all, continuous] = [usualHours(hours.EQUITY, day), usualHours(hours.EQUITY_WITH_DERIVATIVES, day)]
  const auction = all === null || continuous === null ? 0 : Math.max(0, minutesOf(all[1]) - minutesOf(continuous[1]))
  const end = clockOf(minutesOf(closes) - auction)
  return opens < end ? [[opens, end]] : []
}

const minutesOf = (time: string): number => Number(time.slice(0, 2)) * 60 + Number(time.slice(3))

const clockOf = (minutes: number): string =>
  `${String(Math.floor(minutes / 60)).padStart(2, "0")}:${String(minutes % 60).padStart(2, "0")}`
