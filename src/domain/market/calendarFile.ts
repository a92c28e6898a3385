import { Result, Schema } from "effect"
import { Announcements, endsAfter, marketsOf } from "./Announcements.ts"
import { doubles, entry, parseJson, problemsOf, shortProblems } from "./entryProblems.ts"
import type { PerVenue } from "./Venue.ts"

/**
 * Reads announcements that a person wrote in JSON. The failure lists every problem with its entry, such as
 * `days, entry 2 (2027-01-26): sessions, entry 1: must open before it closes, not 15:30 to 09:15`.
 *
 * `knownUntil` is the last day of each venue that is known without the file; null if that is not known yet.
 */
export const readCalendarFile = (
  json: string,
  knownUntil: PerVenue<string> | null
): Result.Result<Announcements, ReadonlyArray<string>> =>
  Result.flatMap(Result.mapError(parseJson(json), shortProblems), (content) => readCalendar(content, knownUntil))

/** Reads announcements in our own form, as {@link readCalendarFile} does. */
export const readCalendar = (
  content: unknown,
  knownUntil: PerVenue<string> | null
): Result.Result<Announcements, ReadonlyArray<string>> =>
  Result.gen(function* () {
    const announcements = yield* Result.mapError(decode(content), (error) => problemsOf(content, error))
    const problems = [
      ...(knownUntil === null ? [] : daysTooLate(announcements, knownUntil)),
      ...doublesIn(announcements)
    ]
    return problems.length > 0 ? yield* Result.fail(problems) : announcements
  }).pipe(Result.mapError(shortProblems))

/** Unknown keys are errors: a misspelt key would be a holiday that is not observed. */
const decode = Schema.decodeUnknownResult(Announcements, { errors: "all", onExcessProperty: "error" })

/** Days that have no effect, because they are after the end of their venue. */
export const daysTooLate = (announcements: Announcements, knownUntil: PerVenue<string>): ReadonlyArray<string> => {
  const ends = endsAfter(knownUntil, announcements)
  return announcements.days.flatMap(({ day, markets }, index) => {
    const late = marketsOf({ markets }).find((market) => day > ends[market])
    return late === undefined
      ? []
      : [
          `days${entry(index, day)}: is after the last day of ${late} that is known, ${ends[late]}: set until to a later one`
        ]
  })
}

/** Entries that are valid on their own, and say twice of one thing. */
const doublesIn = ({ days, hours = [] }: Announcements): ReadonlyArray<string> => [
  ...doubles(
    days.flatMap(({ day, markets }, index) =>
      marketsOf({ markets }).map((market) => ({ place: `days${entry(index, day)}`, what: `${market} on ${day}` }))
    )
  ),
  ...doubles(
    hours.map(({ market, since }, index) => ({
      place: `hours${entry(index)}`,
      what: `the hours of ${market} since ${since}`
    }))
  )
]
