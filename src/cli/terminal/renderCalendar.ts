import type { CalendarChanges } from "../../domain/market/calendarChanges.ts"
import type { CalendarDay } from "../../domain/market/calendarDays.ts"
import type { PerVenue, VenueId } from "../../domain/market/Venue.ts"
import type { CalendarImport } from "../../stores/operations/CalendarStore.ts"
import { timeText } from "./moments.ts"
import { table } from "./table.ts"
import type { Lines } from "./text.ts"

/** What changes, by end and by day. */
export const changesText = ({ days, ends }: CalendarChanges): ReadonlyArray<string> => [
  ...Object.entries(ends).map(
    ([market, { after, before }]) => `${market}: known until ${after}, before until ${before}`
  ),
  ...(days.length === 0
    ? []
    : table(
        ["DAY", "BEFORE", "AFTER", "WHY", "MARKETS"],
        days.map(({ after, before, day, markets, name }) => [day, before, after, name, markets.join(", ")])
      ))
]

/** One day, a line for each market. */
export const dayText = (days: ReadonlyArray<CalendarDay>): Lines =>
  table(
    ["DAY", "MARKET", "HOURS (IST)", "WHY", "SOURCE"],
    days.map(({ day, hours, market, source, why }) => [day, market, hours, why, source])
  )

/** A month, a line for each day with a column for each market. */
export const monthText = (days: ReadonlyArray<CalendarDay>, markets: ReadonlyArray<VenueId>): Lines =>
  table(
    ["DAY", ...markets, "WHY", "SOURCE"],
    [...new Set(days.map(({ day }) => day))].map((day) => {
      const its = days.filter((one) => one.day === day)
      const all = (of: (one: CalendarDay) => string) =>
        [...new Set(its.map(of))].filter((text) => text !== "" && text !== "regular hours").join("; ")
      return [
        day,
        ...markets.map((market) => its.find((one) => one.market === market)?.hours ?? ""),
        all(({ why }) => why),
        all(({ source }) => source)
      ]
    })
  )

/** Until when the calendar is known, and what was imported into it. */
export const calendarText = (ends: PerVenue<string>, imports: ReadonlyArray<CalendarImport>): ReadonlyArray<string> => [
  ...table(
    ["MARKET", "KNOWN UNTIL"],
    Object.entries(ends).map(([market, until]) => [market, until])
  ),
  ...(imports.length === 0
    ? ["Nothing was imported"]
    : [
        "",
        ...table(
          ["IMPORT", "FORM", "AT (UTC)", "BY", "REMOVED", "SOURCE"],
          imports.map(({ form, importedAt, importedBy, number, removedAt, removedBy, source }) => [
            String(number),
            form,
            timeText(importedAt),
            importedBy,
            removedAt === null ? "" : `${timeText(removedAt)} by ${removedBy}`,
            source
          ])
        )
      ])
]
