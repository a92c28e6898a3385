import { Result, Schema, SchemaIssue } from "effect"
import { shortened } from "../text/shortened.ts"
import { Announcements, endsAfter, marketsOf } from "./Announcements.ts"
import type { PerVenue } from "./Venue.ts"

/**
 * Reads announcements that a person wrote in JSON. The failure lists every problem with its entry, such as
 * `days, entry 2 (2027-01-26): sessions, entry 1: must open before it closes, not 15:30 to 09:15`.
 *
 * `knownUntil` is the last day of each venue that is known without the file.
 */
export const readCalendarFile = (
  json: string,
  knownUntil: PerVenue<string>
): Result.Result<Announcements, ReadonlyArray<string>> =>
  Result.gen(function* () {
    const content = yield* Result.mapError(parseJson(json), (error) => [`is not JSON: ${error.message}`])
    const announcements = yield* Result.mapError(decode(content), ({ issue }) =>
      listProblems(issue).issues.map(({ message, path }) => located(content, path ?? [], message))
    )
    const problems = contradictions(announcements, knownUntil)
    return problems.length > 0 ? yield* Result.fail(problems) : announcements
  }).pipe(Result.mapError((problems) => problems.map((problem) => shortened(problem, maxProblem))))

/** The characters of a problem that are shown: it quotes the file's days, times and keys, which may be of any length. */
const maxProblem = 500

const parseJson = (json: string): Result.Result<unknown, Error> =>
  Result.try({
    try: (): unknown => JSON.parse(json),
    catch: (error) => (error instanceof Error ? error : new Error(String(error)))
  })

/** Unknown keys are errors: a misspelt key would be a holiday that is not observed. */
const decode = Schema.decodeUnknownResult(Announcements, { errors: "all", onExcessProperty: "error" })

const listProblems = SchemaIssue.makeFormatterStandardSchemaV1()

type Path = NonNullable<ReturnType<typeof listProblems>["issues"][number]["path"]>

const located = (content: unknown, path: Path, message: string): string => {
  const keys = path.map((step) => (typeof step === "object" ? step.key : step))
  const place = keys.map((key, index) => {
    if (typeof key !== "number") return index === 0 ? String(key) : `: ${String(key)}`
    return index === 1 ? entry(key, dayOfEntry(content, keys)) : entry(key)
  })
  return place.length === 0 ? message : `${place.join("")}: ${message}`
}

const entry = (index: number, day: string | null = null): string =>
  `, entry ${index + 1}${day === null ? "" : ` (${day})`}`

/** The day that an entry names, valid or not, so that people find the entry. */
const dayOfEntry = (content: unknown, [list, index]: ReadonlyArray<PropertyKey>): string | null => {
  const found = [list, index, "day"].reduce<unknown>(
    (value, key) => (typeof value === "object" && value !== null && key !== undefined ? Reflect.get(value, key) : null),
    content
  )
  return typeof found === "string" ? found : null
}

/** Problems between entries that are valid on their own. */
const contradictions = (announcements: Announcements, knownUntil: PerVenue<string>): ReadonlyArray<string> => {
  const { days, hours = [] } = announcements
  const ends = endsAfter(knownUntil, announcements)
  const tooLate = days.flatMap(({ day, markets }, index) => {
    const late = marketsOf({ markets }).find((market) => day > ends[market])
    return late === undefined
      ? []
      : [
          `days${entry(index, day)}: is after the last day of ${late} that is known, ${ends[late]}: set until to a later one`
        ]
  })
  const saidOfDays = days.flatMap(({ day, markets }, index) =>
    marketsOf({ markets }).map((market) => ({ place: `days${entry(index, day)}`, what: `${market} on ${day}` }))
  )
  const saidOfHours = hours.map(({ market, since }, index) => ({
    place: `hours${entry(index)}`,
    what: `the hours of ${market} since ${since}`
  }))
  return [...tooLate, ...doubles(saidOfDays), ...doubles(saidOfHours)]
}

const doubles = (said: ReadonlyArray<{ readonly place: string; readonly what: string }>): ReadonlyArray<string> => {
  const before = new Map<string, string>()
  return said.flatMap(({ place, what }) => {
    const earlier = before.get(what)
    before.set(what, earlier ?? place)
    return earlier === undefined ? [] : [`${place}: says again of ${what} what ${earlier} has said`]
  })
}
