import { DateTime } from "effect"
import { indianDay } from "./indianTime.ts"
import { defaultMaxLatenessSeconds } from "./Order.ts"

/** How many order requests a broker account takes. */
export interface OrderRate {
  readonly perSecond: number
  readonly perMinute: number
  readonly perDay: number
  /** Kept beside each window, since requests take different times on their way. */
  readonly marginMillis: number
}

/** Of the day's requests: what is in the market must be able to be taken back. */
const shareForCancels = 0.1

/** How many of the day's requests placements may use. */
export const placementsPerDay = (perDay: number): number => perDay - Math.floor(perDay * shareForCancels)

/** Why slices due at these times, in order, cannot keep to them at a rate; null when none is later than the order allows. */
export const tooFastForRate = (
  dueMillis: ReadonlyArray<number>,
  rate: OrderRate,
  maxLatenessSeconds: number | null
): string | null => {
  const allowedMillis = (maxLatenessSeconds ?? defaultMaxLatenessSeconds) * 1000
  const sentMillis = sendTimes(dueMillis, rate)
  const isLate = sentMillis.some((sent, index) => sent - (dueMillis[index] ?? sent) > allowedMillis)
  if (!isLate) return null
  const all = dueMillis.map(() => 0)
  const neededMillis = (sendTimes(all, rate).at(-1) ?? 0) - allowedMillis
  const windowMillis = dueMillis.at(-1) ?? 0
  const fitting = sendTimes(all, rate).filter((millis) => millis <= windowMillis + allowedMillis).length
  return (
    `duration_minutes: the broker takes ${rate.perSecond} orders a second and ${rate.perMinute} a minute: slices would be more than ` +
    `${allowedMillis / 1000} s late; at most ${fitting} slices, or ${Math.ceil(neededMillis / 60_000)} minutes, would fit`
  )
}

/** When each could be sent, were nothing else: at its time, or when the windows of a second and of a minute let it. */
const sendTimes = (dueMillis: ReadonlyArray<number>, rate: OrderRate): ReadonlyArray<number> => {
  const sent: Array<number> = []
  for (const due of dueMillis) {
    const index = sent.length
    sent.push(
      Math.max(
        due,
        (sent[index - rate.perSecond] ?? -Infinity) + 1000 + rate.marginMillis,
        (sent[index - rate.perMinute] ?? -Infinity) + 60_000 + rate.marginMillis
      )
    )
  }
  return sent
}

/** How many slices are due on each day in India, YYYY-MM-DD. */
export const requestsByDay = (startMillis: number, dueMillis: ReadonlyArray<number>): ReadonlyMap<string, number> => {
  const counts = new Map<string, number>()
  for (const due of dueMillis) {
    const day = indianDay(DateTime.makeUnsafe(startMillis + due))
    counts.set(day, (counts.get(day) ?? 0) + 1)
  }
  return counts
}

/** Why a day has no room for so many more requests; null when it has. `spokenFor` are those sent already and those planned. */
export const dayIsFull = (day: string, wanted: number, spokenFor: number, { perDay }: OrderRate): string | null => {
  const left = placementsPerDay(perDay) - spokenFor
  if (wanted <= left) return null
  return (
    `num_splits: the broker takes ${perDay} order requests a day, a tenth of them kept for cancels, and ${spokenFor} of ${day} ` +
    `are sent or planned; ${left > 0 ? `at most ${left} slices` : "none"} would fit on that day`
  )
}
