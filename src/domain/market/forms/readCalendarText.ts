import { Result } from "effect"
import type { Announcements } from "../Announcements.ts"
import { readCalendar } from "../calendarFile.ts"
import { parseJson, propertyOf, shortProblems } from "../entryProblems.ts"
import { calendarOf, endsOf } from "../TradingCalendar.ts"
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
    return Result.map(readCalendar(content, endsOf(calendarOf(known))), (announcements): CalendarReading => ({
      form: "own",
      announcements,
      remarks: []
    }))
  }).pipe(Result.mapError(shortProblems))

const unknown =
  "is in none of the forms that are known: our own (days, until, hours), NSE's holiday-master (CM, FO, CD, COM), or a broker's " +
  "list of holidays (data)"
