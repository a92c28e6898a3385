import { Result } from "effect"
import { type OrderId, type SliceId, sliceIdOf, type Tag, tagOf } from "./Ids.ts"
import { maxSplits } from "./Order.ts"
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

/** How large a slice may be: what the exchange takes (null: anything), and what the desk wants (null: the exchange's). */
export interface QuantityLimits {
  readonly freezeLimit: number | null
  readonly maxSliceQuantity: number | null
}

/**
 * Splits an order into slices within the limits, or says why that cannot be. Only `maxSliceQuantity` makes more slices
 * than were asked for, over the same window: the freeze limit alone refuses the order, because nobody said that more
 * slices are welcome.
 */
export const splitWithin = (
  order: SplitInput,
  { freezeLimit, maxSliceQuantity }: QuantityLimits
): Result.Result<ReadonlyArray<PlannedSlice>, string> => {
  const largest = Math.min(maxSliceQuantity ?? Infinity, freezeLimit ?? Infinity)
  const enough = smallestSplit(order, largest)
  if (enough === order.numSplits) return Result.succeed(split(order))
  if (maxSliceQuantity === null) {
    return Result.fail(
      `num_splits: slices of ${largestQuantity(order, order.numSplits)} would be above the exchange's freeze limit of ` +
        `${largest} an order; ${enough === null ? `${maxSplits} slices are not enough either` : `${enough} slices or more are needed`}, ` +
        "or ORDER_MAX_SLICE_QUANTITY lets the service make them"
    )
  }
  return enough === null
    ? Result.fail(`total_quantity: does not fit into ${maxSplits} slices of at most ${largest}`)
    : Result.succeed(split({ ...order, numSplits: enough }))
}

/** The smallest number of slices, not below the order's own, of which none can be larger; null when there is none. */
const smallestSplit = (order: SplitInput, largest: number): number | null => {
  for (let n = order.numSplits; n <= Math.min(maxSplits, order.totalQuantity); n++) {
    if (largestQuantity(order, n) <= largest) return n
  }
  return null
}

const largestQuantity = ({ totalQuantity, randomize }: SplitInput, n: number): number =>
  randomize && n > 1 ? quantityBounds(totalQuantity / n).most : Math.ceil(totalQuantity / n)

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
  const { least, most } = quantityBounds(average)
  return Math.min(average - least, most - average) / 2
}

const quantityBounds = (average: number): { readonly least: number; readonly most: number } => ({
  least: Math.min(Math.ceil(average * (1 - quantitySpread)), Math.floor(average)),
  most: Math.max(Math.floor(average * (1 + quantitySpread)), Math.ceil(average))
})

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
