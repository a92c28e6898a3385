import { Effect } from "effect"
import { answers } from "./areas/answers.ts"
import { book } from "./areas/book.ts"
import { calendar } from "./areas/calendar.ts"
import { chat } from "./areas/chat.ts"
import { dump } from "./areas/dump.ts"
import { files } from "./areas/files.ts"
import { flagsArea } from "./areas/flags.ts"
import { frames } from "./areas/frames.ts"
import { http } from "./areas/http.ts"
import { quotes } from "./areas/quotes.ts"
import { settings } from "./areas/settings.ts"
import { cases } from "./cases.ts"
import { type AreaOptions, type AreaReport, fuzzArea } from "./fuzzArea.ts"
import type { Area } from "./harness/Area.ts"
import type { Case } from "./harness/Case.ts"
import { rows } from "./rows/rows.ts"

/** An area with its cases, ready to run. */
export interface AreaRunner {
  readonly name: string
  readonly weight: number
  /** Judges `indexes` of a seed; its cases first, if `areCasesReplayed`. */
  readonly run: (
    given: { readonly seed: number; readonly indexes: Iterable<number>; readonly areCasesReplayed: boolean },
    options: AreaOptions
  ) => Effect.Effect<AreaReport, unknown>
}

const runnerOf = <Input>(area: Area<Input>, known: ReadonlyArray<Case<Input>>): AreaRunner => ({
  name: area.name,
  weight: area.weight,
  run: ({ seed, indexes, areCasesReplayed }, options) =>
    Effect.scoped(
      fuzzArea(area, { seed, indexes, cases: areCasesReplayed ? known.map(({ input }) => input) : [] }, options)
    )
})

/** Every area of the fuzzers, in the order in which they run. */
export const areaRunners: ReadonlyArray<AreaRunner> = [
  runnerOf(rows, cases.rows),
  runnerOf(answers, cases.answers),
  runnerOf(http, cases.http),
  runnerOf(quotes, cases.quotes),
  runnerOf(dump, cases.dump),
  runnerOf(calendar, cases.calendar),
  runnerOf(settings, cases.settings),
  runnerOf(chat, cases.chat),
  runnerOf(book, cases.book),
  runnerOf(frames, cases.frames),
  runnerOf(files, cases.files),
  runnerOf(flagsArea, cases.flags)
]

/** How many inputs each area gets of `count` over all of them: its weight's share, at least one. */
export const sharesOf = (runners: ReadonlyArray<AreaRunner>, count: number): ReadonlyMap<string, number> => {
  const total = runners.reduce((sum, { weight }) => sum + weight, 0)
  return new Map(runners.map(({ name, weight }) => [name, Math.max(1, Math.round((count * weight) / total))]))
}

/** The whole numbers from 0, below `end`. */
export function* below(end: number): Iterable<number> {
  for (let index = 0; index < end; index++) yield index
}
