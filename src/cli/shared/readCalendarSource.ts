import { Effect, Result } from "effect"
import { readTextFile } from "../../config/readTextFile.ts"
import type { Announcements } from "../../domain/market/Announcements.ts"
import type { CalendarReading } from "../../domain/market/forms/CalendarReading.ts"
import { readCalendarText } from "../../domain/market/forms/readCalendarText.ts"
import { downloadText } from "../../http/downloadText.ts"
import { CommandFailed } from "./environment.ts"

/** Far more than a year of announcements has. */
const maxBytes = 1_048_576
/** The problems of a file that are named one by one. */
const maxNamed = 50
/** As long as the column is. */
const maxSource = 500

/** What a file, or the answer of an http(s) URL, says of the calendar, with its name for the record. */
export const readCalendarSource = Effect.fnUntraced(function* (from: string, known: ReadonlyArray<Announcements>) {
  const url = /^https?:\/\//i.test(from) ? yield* urlOf(from) : null
  // A query may have a key in it, so it is not recorded.
  const source = (url === null ? from : `${url.origin}${url.pathname}`).slice(0, maxSource)
  const failed = (problems: ReadonlyArray<string>) => {
    const more = problems.length > maxNamed ? [`there are ${problems.length - maxNamed} more problems`] : []
    const named = [...problems.slice(0, maxNamed), ...more].map((problem) => `${source}: ${problem}`)
    return new CommandFailed({ message: [...named, "Nothing was changed."] })
  }
  const text = yield* Effect.mapError(
    url === null ? readTextFile(from, maxBytes) : downloadText(url, maxBytes),
    (problem) => failed([problem])
  )
  const read: CalendarReading = yield* Effect.fromResult(Result.mapError(readCalendarText(text, known), failed))
  return { ...read, source }
})

const urlOf = (text: string) => {
  const url = URL.canParse(text) ? new URL(text) : null
  return url === null || url.username !== "" || url.password !== ""
    ? Effect.fail(new CommandFailed({ message: "The URL must be complete, and without a name or a password in it" }))
    : Effect.succeed(url)
}
