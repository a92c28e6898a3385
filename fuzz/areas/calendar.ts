import { Result, Schema } from "effect"
import type { SeededChoices } from "../../simulation/SeededChoices.ts"
import { Announcements, marketsOf } from "../../src/domain/market/Announcements.ts"
import { announced } from "../../src/domain/market/data/announced.ts"
import { readCalendarText } from "../../src/domain/market/forms/readCalendarText.ts"
import { damaged, withOddPart } from "../harness/json.ts"
import { pureArea } from "../harness/pureArea.ts"

/** The text of a calendar file. */
export interface CalendarText {
  readonly json: string
}

const own = {
  until: "2028-12-31",
  hours: [{ market: "EQUITY", since: "2027-01-01", hours: ["09:15", "15:30"] }],
  days: [
    { day: "2027-01-26", markets: "all", sessions: [], name: "Republic Day" },
    { day: "2027-03-22", markets: ["EQUITY", "COMMODITIES"], sessions: [["18:00", "19:00"]], name: "Muhurat" }
  ]
}

const nse = {
  CM: [
    { tradingDate: "26-Jan-2027", weekDay: "Tuesday", description: "Republic Day", Sr_no: 1 },
    { tradingDate: "29-Oct-2027", weekDay: "Friday", description: "Diwali Laxmi Pujan", Sr_no: 2 }
  ],
  COM: [
    { tradingDate: "22-Mar-2027", description: "Holi", morning_session: "Closed", evening_session: "Open" },
    { tradingDate: "29-Oct-2027", description: "Diwali", morning_session: null, evening_session: "6:15 PM to 7:15 PM" }
  ]
}

const broker = {
  status: "success",
  data: [
    {
      date: "2027-03-22",
      description: "Holi",
      closed_exchanges: ["NSE", "BSE", "CDS"],
      open_exchanges: [{ exchange: "MCX", start_time: 1805715000000, end_time: 1805738400000 }]
    },
    { date: "2027-04-01", description: "Annual closing", closed_exchanges: [], open_exchanges: [] }
  ]
}

/** The text of a calendar in one of its forms, right or wrong in any way. */
export const calendarText = (choices: SeededChoices): string => {
  const plain = choices.oneOf<object>([own, nse, broker])
  const once = choices.hits(0.9) ? withOddPart(choices, plain) : plain
  const text = JSON.stringify(choices.hits(0.3) ? withOddPart(choices, once) : once) ?? ""
  return choices.hits(0.3) ? damaged(choices, text) : text
}

const isValid = Schema.is(Announcements)

/** Calendar files: a misread holiday would become a trading day, so that a file is right in full or refused in full. */
export const calendar = pureArea({
  name: "calendar",
  weight: 0.5,
  generate: (choices): CalendarText => ({ json: calendarText(choices) }),
  read: ({ json }) => readCalendarText(json, [announced]),
  verdict: ({ json }, answer) => {
    if (Result.isFailure(answer)) {
      const longest = answer.failure.reduce((max, problem) => Math.max(max, problem.length), 0)
      if (answer.failure.length === 0) return "it is refused without a problem"
      return longest > 2000 ? `a problem has ${longest} characters` : null
    }
    const { announcements, form } = answer.success
    if (!isValid(announcements)) return "what was read could not be read from the database again"
    const said = announcements.days.flatMap((day) => marketsOf(day).map((market) => `${market} on ${day.day}`))
    const twice = said.find((what, index) => said.indexOf(what) !== index)
    if (twice !== undefined) return `it says twice of ${twice}`
    if (form !== "own") return null
    const given: unknown = JSON.parse(json)
    const days = typeof given === "object" && given !== null && "days" in given ? given.days : null
    return Array.isArray(days) && days.length === announcements.days.length
      ? null
      : "not every day of the file was read"
  }
})
