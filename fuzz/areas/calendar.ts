import { Result } from "effect"
import type { SeededChoices } from "../../simulation/SeededChoices.ts"
import { readCalendarFile } from "../../src/domain/market/calendarFile.ts"
import { builtInCalendar } from "../../src/domain/market/data/builtInCalendar.ts"
import { endsOf } from "../../src/domain/market/TradingCalendar.ts"
import { damaged, withOddPart } from "../harness/json.ts"
import { pureArea } from "../harness/pureArea.ts"

/** The text of a calendar file. */
export interface CalendarText {
  readonly json: string
}

const plain = {
  until: "2028-12-31",
  hours: [{ market: "NSE", since: "2027-01-01", hours: ["09:15", "15:30"] }],
  days: [
    { day: "2027-01-26", markets: "all", sessions: [], name: "Republic Day" },
    { day: "2027-03-22", markets: ["NSE", "BSE"], sessions: [["18:00", "19:00"]], name: "Muhurat" }
  ]
}

/** The text of a calendar file, right or wrong in any way. */
export const calendarText = (choices: SeededChoices): string => {
  const once = choices.hits(0.9) ? withOddPart(choices, plain) : plain
  const text = JSON.stringify(choices.hits(0.3) ? withOddPart(choices, once) : once) ?? ""
  return choices.hits(0.3) ? damaged(choices, text) : text
}

/** Calendar files: a misread holiday would become a trading day, so that a file is right in full or refused in full. */
export const calendar = pureArea({
  name: "calendar",
  weight: 0.5,
  generate: (choices): CalendarText => ({ json: calendarText(choices) }),
  read: ({ json }) => readCalendarFile(json, endsOf(builtInCalendar)),
  verdict: ({ json }, answer) => {
    if (Result.isFailure(answer)) {
      const longest = answer.failure.reduce((max, problem) => Math.max(max, problem.length), 0)
      if (answer.failure.length === 0) return "it is refused without a problem"
      return longest > 2000 ? `a problem has ${longest} characters` : null
    }
    const given: unknown = JSON.parse(json)
    const days = typeof given === "object" && given !== null && "days" in given ? given.days : null
    if (!Array.isArray(days) || days.length !== answer.success.days.length) return "not every day of the file was read"
    const bad = answer.success.days.find(({ day }) => {
      const time = Date.parse(`${day}T00:00:00Z`)
      return Number.isNaN(time) || new Date(time).toISOString().slice(0, 10) !== day
    })
    return bad === undefined ? null : `${bad.day} is no day`
  }
})
