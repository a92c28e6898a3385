import { type OrderId, type SliceId, sliceIdOf, type Tag, tagOf } from "./Ids.ts"
import { type SeededRandom, seededRandom } from "./SeededRandom.ts"

/** One planned slice: its place in the order, how much, and when, as milliseconds after the order's start. */
export interface PlannedSlice {
  readonly id: SliceId
  readonly tag: Tag
  readonly sequenceNumber: number
  readonly quantity: number
  readonly offsetMillis: number
}

export interface SplitInput {
  readonly id: OrderId
  readonly totalQuantity: number
  readonly numSplits: number
  readonly durationMinutes: number
  readonly randomize: boolean
}

const quantitySpread = 0.2
const timeSpread = 0.3

/**
 * Splits an order into exactly `numSplits` slices whose quantities, each at least 1, sum to the total. Needs
 * 1 ≤ numSplits ≤ totalQuantity. The same order always gives the same slices.
 */
export const split = (order: SplitInput): ReadonlyArray<PlannedSlice> => {
  const random = order.randomize ? seededRandom(order.id) : undefined
  const quantities = splitQuantity(order.totalQuantity, order.numSplits, random)
  const offsets = splitTime(order.durationMinutes * 60_000, order.numSplits, random)
  return quantities.map((quantity, index) => {
    const sequenceNumber = index + 1
    const id = sliceIdOf(order.id, sequenceNumber)
    return { id, tag: tagOf(id), sequenceNumber, quantity, offsetMillis: offsets[index] ?? 0 }
  })
}

/**
 * Cuts the total at n − 1 points along the straight line from 0 to the total. Without randomization each point is
 * rounded down, so quantities differ by at most one. With it each point first moves by up to `play` to either side:
 * the points move, not the quantities, so no deviation ever adds up and none is dumped on the last slice.
 */
const splitQuantity = (total: number, n: number, random: SeededRandom | undefined): ReadonlyArray<number> => {
  const average = total / n
  const play = random === undefined ? 0 : quantityPlay(average)
  const cut = (k: number) =>
    k === 0 || k === n || random === undefined
      ? Math.floor((total * k) / n)
      : Math.round((total * k) / n + play * (2 * random() - 1))
  return differences(Array.from({ length: n + 1 }, (_, k) => cut(k)))
}

/** How far a cut may move so that every quantity stays within ±20 % of the average, or as near as whole numbers allow. */
const quantityPlay = (average: number): number => {
  const least = Math.min(Math.ceil(average * (1 - quantitySpread)), Math.floor(average))
  const most = Math.max(Math.floor(average * (1 + quantitySpread)), Math.ceil(average))
  return Math.min(average - least, most - average) / 2
}

/** Due times: the first at 0, the last at the window's end, inner ones moved by up to ±30 % of the interval. */
const splitTime = (windowMillis: number, n: number, random: SeededRandom | undefined): ReadonlyArray<number> => {
  if (n === 1) return [0]
  const interval = windowMillis / (n - 1)
  return Array.from({ length: n }, (_, k) => {
    const onTheLine = (windowMillis * k) / (n - 1)
    const isInner = k > 0 && k < n - 1
    return Math.round(
      isInner && random !== undefined ? onTheLine + interval * timeSpread * (2 * random() - 1) : onTheLine
    )
  })
}

const differences = (points: ReadonlyArray<number>): ReadonlyArray<number> =>
  points.slice(1).map((point, index) => point - (points[index] ?? 0))
