const offsetMillis = 19_800_000
const dayMillis = 86_400_000

/** The calendar day in India, counted from 1970. */
export const indianDayOf = (millis: number): number => Math.floor((millis + offsetMillis) / dayMillis)

/** The end of the day in India of `millis`, less a minute: the time at which open orders are cancelled. */
export const endOfIndianDay = (millis: number): number => (indianDayOf(millis) + 1) * dayMillis - offsetMillis - 60_000

/** The next 06:00 in India after `millis`, in milliseconds since 1970. */
export const nextSixInIndia = (millis: number): number => {
  const shift = offsetMillis - 6 * 3_600_000
  return (Math.floor((millis + shift) / dayMillis) + 1) * dayMillis - shift
}

/** `yyyy-mm-dd hh:mm:ss` in India without an offset: Kite's format. */
export const indianTimestamp = (millis: number): string =>
  new Date(millis + offsetMillis).toISOString().slice(0, 19).replace("T", " ")

/** The day in India, YYYY-MM-DD. */
export const indianDate = (millis: number): string => indianTimestamp(millis).slice(0, 10)
