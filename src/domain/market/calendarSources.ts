import { Result, Schema } from "effect"
import { Announcements, type SpecialDay, specialDaysOf } from "./Announcements.ts"
import { problemsOf } from "./entryProblems.ts"
import type { VenueId } from "./Venue.ts"

/** Announcements with where they come from, such as `the built-in calendar` or `import 3 (holidays.json)`. */
export interface CalendarSource extends Announcements {
  readonly source: string
}

/** An import as it is stored. Its announcements may be of another version of this service. */
export interface StoredImport {
  /** Later numbers apply after earlier ones. */
  readonly number: number
  /** The file's name, or the URL. */
  readonly source: string
  readonly announcements: unknown
}

const decode = Schema.decodeUnknownResult(Announcements, { errors: "all", onExcessProperty: "error" })

/** What was imported, in order; fails with the first import that cannot be read, because no calendar may lack one. */
export const readImports = (
  imports: ReadonlyArray<StoredImport>
): Result.Result<ReadonlyArray<CalendarSource>, string> =>
  imports.reduce<Result.Result<ReadonlyArray<CalendarSource>, string>>(
    (before, { announcements, number, source }) =>
      Result.flatMap(before, (sources) =>
        Result.mapBoth(decode(announcements), {
          onSuccess: (read) => [...sources, { ...read, source: `import ${number} (${source})` }],
          onFailure: (error) =>
            `import ${number} (${source}) of the trading calendar cannot be read: ${problemsOf(announcements, error).slice(0, 3).join("; ")}. ` +
            `Use the version that imported it, or: calendar remove ${number}`
        })
      ),
    Result.succeed([])
  )

/** The special day of a venue, with its source; null if the day has its regular hours. */
export const specialDayOf = (
  sources: ReadonlyArray<CalendarSource>,
  market: VenueId,
  day: string
): { readonly special: SpecialDay; readonly source: string } | null => {
  const found = specialDaysOf(sources, market).get(day)
  return found === undefined ? null : { special: found.special, source: found.from.source }
}
