import { Result, Schema } from "effect"
import { Announcements } from "../Announcements.ts"
import { readCalendar } from "../calendarFile.ts"
import { parseJson, problemsOf, propertyOf, shortProblems } from "../entryProblems.ts"
import { knownEnds } from "../TradingCalendar.ts"
import { isBrokerHolidays, readBrokerHolidays } from "./brokerHolidays.ts"
import type { CalendarReading } from "./CalendarReading.ts"
import { isNseHolidays, readNseHolidays } from "./nseHolidays.ts"

/**
 * Reads a calendar in any form that is known, which its content tells. The failure lists every problem with its entry. `known` are
 * the announcements so far: what a list leaves open, such as the regular close, follows from them.
 */
export const readCalendarText = (
  text: string,
  known: ReadonlyArray<Announcements>
): Result.Result<CalendarReading, ReadonlyArray<string>> =>
  Result.flatMap(parseJson(text), (content) => {
    if (isNseHolidays(content)) return readNseHolidays(content, known)
    if (isBrokerHolidays(content)) return readBrokerHolidays(content, known)
    if (["days", "until", "hours"].every((key) => propertyOf(content, key) === undefined)) return Result.fail([unknown])
    return Result.map(readCalendar(content, knownEnds(known)), (announcements): CalendarReading => ({
      form: "own",
      announcements,
      remarks: []
    }))
  }).pipe(Result.flatMap(checked), Result.mapError(shortProblems))

/** What could not be read again from the database would stop all daemons. */
const checked = (reading: CalendarReading): Result.Result<CalendarReading, ReadonlyArray<string>> =>
  Result.mapBoth(decode(reading.announcements), {
    onSuccess: () => reading,
    onFailure: (error) => problemsOf(reading.announcements, error)
  })

const decode = Schema.decodeUnknownResult(Announcements, { errors: "all", onExcessProperty: "error" })

const unknown =
  "is in none of the forms that are known: our own (days, until, hours), NSE's holiday-master (CM, FO, CD, COM), or a broker's " +
  "list of holidays (data)"
