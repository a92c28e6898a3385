import type { Hours, RegularHours } from "./Announcements.ts"

/** A venue's hours on a day, YYYY-MM-DD, that has no special hours: none on Saturdays and Sundays. */
export const regularHours = (all: ReadonlyArray<RegularHours>, day: string): ReadonlyArray<Hours> => {
  const hours = ordinaryHours(all, day)
  return hours === null || weekday(day) === saturday || weekday(day) === sunday ? [] : [hours]
}

/** The hours that a day would have if it were an ordinary weekday; null before the first known ones. */
export const ordinaryHours = (all: ReadonlyArray<RegularHours>, day: string): Hours | null => {
  const regular = all.filter(({ since }) => since <= day).reduce(later, undefined)
  if (regular === undefined) return null
  const [opens, closes] = regular.hours
  return [opens, isSummerInUs(day) ? closes : (regular.closesInUsWinter ?? closes)]
}

/** The later of two hours; if both begin on the same day, the one announced later. */
const later = (found: RegularHours | undefined, next: RegularHours): RegularHours =>
  found === undefined || found.since <= next.since ? next : found

/** US daylight saving time: from the second Sunday of March to the first Sunday of November (Energy Policy Act of 2005). */
const isSummerInUs = (day: string): boolean => {
  const year = day.slice(0, 4)
  return day >= sundayFrom(`${year}-03-08`) && day < sundayFrom(`${year}-11-01`)
}

const [sunday, saturday] = [0, 6]

const weekday = (day: string): number => new Date(day).getUTCDay()

const sundayFrom = (day: string): string => {
  const [year, month, date] = [day.slice(0, 4), day.slice(5, 7), Number(day.slice(8))]
  return `${year}-${month}-${String(date + ((7 - weekday(day)) % 7)).padStart(2, "0")}`
}
