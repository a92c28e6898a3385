import { Result, type Schema, SchemaIssue } from "effect"
import { shortened } from "../text/shortened.ts"

/** The characters of a problem that are shown: it quotes days, times and keys of a file, which may be of any length. */
const maxProblem = 500

export const shortProblems = (problems: ReadonlyArray<string>): ReadonlyArray<string> =>
  problems.map((problem) => shortened(problem, maxProblem))

export const parseJson = (json: string): Result.Result<unknown, ReadonlyArray<string>> =>
  Result.try({
    try: (): unknown => JSON.parse(json),
    catch: (error) => [`is not JSON: ${error instanceof Error ? error.message : String(error)}`]
  })

const listProblems = SchemaIssue.makeFormatterStandardSchemaV1()

type Path = NonNullable<ReturnType<typeof listProblems>["issues"][number]["path"]>

/** Every problem of a content with its entry, such as `days, entry 2 (2027-01-26): name: Missing key`. */
export const problemsOf = (content: unknown, { issue }: Schema.SchemaError): ReadonlyArray<string> =>
  listProblems(issue).issues.map(({ message, path }) => located(content, path ?? [], message))

const located = (content: unknown, path: Path, message: string): string => {
  const keys = path.map((step) => (typeof step === "object" ? step.key : step))
  const place = keys.map((key, index) => {
    if (typeof key !== "number") return index === 0 ? String(key) : `: ${String(key)}`
    return index === 1 ? entry(key, dayOfEntry(content, keys)) : entry(key)
  })
  return place.length === 0 ? message : `${place.join("")}: ${message}`
}

export const entry = (index: number, day: string | null = null): string =>
  `, entry ${index + 1}${day === null ? "" : ` (${day})`}`

/** The day that an entry names, valid or not, so that people find the entry. */
const dayOfEntry = (content: unknown, [list, index]: ReadonlyArray<PropertyKey>): string | null => {
  const found = [list, index].reduce<unknown>(
    (value, key) => (key === undefined ? null : propertyOf(value, key)),
    content
  )
  const day = ["day", "tradingDate", "date"].map((key) => propertyOf(found, key)).find((named) => named !== undefined)
  return typeof day === "string" ? day : null
}

export const propertyOf = (value: unknown, key: PropertyKey): unknown =>
  typeof value === "object" && value !== null ? Reflect.get(value, key) : undefined

/** What a place of a file says of something, such as of EQUITY on a day. */
export interface Said {
  readonly place: string
  readonly what: string
}

/** Places that say again what an earlier one has said. */
export const doubles = (said: ReadonlyArray<Said>): ReadonlyArray<string> => {
  const before = new Map<string, string>()
  return said.flatMap(({ place, what }) => {
    const earlier = before.get(what)
    before.set(what, earlier ?? place)
    return earlier === undefined ? [] : [`${place}: says again of ${what} what ${earlier} has said`]
  })
}
