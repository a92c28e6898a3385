import { DateTime } from "effect"
import { indianDay } from "../market/indianTime.ts"
import { defaultMaxLatenessSeconds, maxDurationMinutes } from "../model/Order.ts"
import { counted } from "../text/plural.ts"

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

/** The slices of an order, as they were asked for and as they would be due. */
interface DueSlices {
  readonly dueMillis: ReadonlyArray<number>
  readonly numSlices: number
  readonly minutes: number
}

/**
 * Why slices cannot keep to their times at a rate; null when none is later than the order allows. `duesOf` tells when they would
 * be due, were there so many, or were there so many minutes for them; what is named as fitting is tried with it.
 */
export const tooFastForRate = (
  { dueMillis, numSlices, minutes }: DueSlices,
  duesOf: (numSlices: number, minutes: number) => ReadonlyArray<number> | null,
  rate: OrderRate,
  maxLatenessSeconds: number | null
): string | null => {
  const allowedMillis = (maxLatenessSeconds ?? defaultMaxLatenessSeconds) * 1000
  const lateness = largestLateness(dueMillis, rate)
  if (lateness <= allowedMillis) return null
  const isTooFast = (dues: ReadonlyArray<number> | null) => dues !== null && largestLateness(dues, rate) > allowedMillis
  const slices = boundary(numSlices, 0, (count) => isTooFast(duesOf(count, minutes)))
  const longer = boundary(Math.floor(minutes), maxDurationMinutes + 1, (count) => isTooFast(duesOf(numSlices, count)))
  const ways = [
    ...(slices > 0 && duesOf(slices, minutes) !== null ? [`at most ${counted(slices, "slice")}`] : []),
    ...(longer <= maxDurationMinutes && duesOf(numSlices, longer) !== null ? [counted(longer, "minute")] : [])
  ]
  if (ways.length === 0) ways.push(`max_lateness_seconds of ${Math.ceil(lateness / 1000)}`)
  return (
    `duration_minutes: the broker takes ${rate.perSecond} orders a second and ${rate.perMinute} a minute: slices would be more than ` +
    `${allowedMillis / 1000} s late; ${ways.join(", or ")}${ways.length > 1 ? "," : ""} would fit`
  )
}

/** The number nearest to `from`, on the way to `to`, of which something is not so any more, where it is so up to there. */
const boundary = (from: number, to: number, isSo: (count: number) => boolean): number => {
  let [so, not] = [from, to]
  while (Math.abs(not - so) > 1) {
    const middle = Math.trunc((so + not) / 2)
    if (isSo(middle)) so = middle
    else not = middle
  }
  return not
}

const largestLateness = (dueMillis: ReadonlyArray<number>, rate: OrderRate): number =>
  Math.max(...sendTimes(dueMillis, rate).map((sent, index) => sent - (dueMillis[index] ?? sent)))

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

/** Why a day has no room for so many more requests; null when it has. `committedRequests` are those sent already and those planned. */
export const dayIsFull = (
  day: string,
  wanted: number,
  committedRequests: number,
  { perDay }: OrderRate
): string | null => {
  const left = placementsPerDay(perDay) - committedRequests
  if (wanted <= left) return null
  return (
    `num_splits: the broker takes ${perDay} order requests a day, a tenth of them kept for cancels, and ${committedRequests} of ${day} ` +
    `are sent or planned; ${left > 0 ? `at most ${left} slices` : "none"} would fit on that day`
  )
}
