import { DateTime } from "effect"
import { indianDay } from "../market/indianTime.ts"
import { defaultMaxLatenessSeconds, maxDurationMinutes } from "../model/Order.ts"
import { counted } from "../text/plural.ts"
import { placementsPerDay } from "./requestShares.ts"

/** How many order requests a broker account may send. */
export interface OrderRate {
  readonly perSecond: number
  readonly perMinute: number
  readonly perDay: number
  /** Added to each window, because requests take different times on their way. */
  readonly marginMillis: number
}

/** The slices of an order: their number and window as requested, and their due times from the plan's start. */
interface DueSlices {
  readonly dueMillis: ReadonlyArray<number>
  readonly numSlices: number
  readonly minutes: number
}

/**
 * Why slices cannot keep to their times at a rate; null if none would be later than the order allows. `duesOf` gives the due times
 * for another number of slices or minutes, null if that cannot be planned; every suggestion is tried with it.
 */
export const tooFastForRate = (
  { dueMillis, numSlices, minutes }: DueSlices,
  duesOf: (numSlices: number, minutes: number) => ReadonlyArray<number> | null,
  rate: OrderRate,
  maxLatenessSeconds: number | null
): string | null => {
  const allowedMillis = (maxLatenessSeconds ?? defaultMaxLatenessSeconds) * 1000
  const lateness = maxLateness(dueMillis, rate)
  if (lateness <= allowedMillis) return null
  const isTooFast = (dues: ReadonlyArray<number> | null) => dues !== null && maxLateness(dues, rate) > allowedMillis
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

/** Binary search: the first count between `from` and `to` for which `isSo` is false. */
const boundary = (from: number, to: number, isSo: (count: number) => boolean): number => {
  let [so, not] = [from, to]
  while (Math.abs(not - so) > 1) {
    const middle = Math.trunc((so + not) / 2)
    if (isSo(middle)) so = middle
    else not = middle
  }
  return not
}

const maxLateness = (dueMillis: ReadonlyArray<number>, rate: OrderRate): number =>
  Math.max(...sendTimes(dueMillis, rate).map((sent, index) => sent - (dueMillis[index] ?? sent)))

/** When each slice could be sent if the account had nothing else to send: when due, or when the rate allows it. */
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

/** The number of slices due on each day in India, YYYY-MM-DD. */
export const requestsByDay = (startMillis: number, dueMillis: ReadonlyArray<number>): ReadonlyMap<string, number> => {
  const counts = new Map<string, number>()
  for (const due of dueMillis) {
    const day = indianDay(DateTime.makeUnsafe(startMillis + due))
    counts.set(day, (counts.get(day) ?? 0) + 1)
  }
  return counts
}

/** Why a day has no room for the wanted requests; null if it has. `committedRequests` counts those that are sent or planned. */
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
