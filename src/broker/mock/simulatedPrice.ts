import { BigDecimal } from "effect"
import type { Instrument, Side } from "../../domain/model/Order.ts"
import { seededRandom } from "../../domain/planning/schedule/SeededRandom.ts"

const lowestTicks = 2_000
const highestTicks = 60_000
const tickPaise = 5n

/** How far the price swings around its base (one part in `parts`), and how often it changes direction. */
const swings = [
  { parts: 50, everyMillis: 1_800_000 },
  { parts: 1_000, everyMillis: 20_000 }
] as const

/**
 * The price for one side at a moment, in rupees on a tick of 0.05: the last price, plus a tick for a buyer and minus a tick for
 * a seller.
 */
export const simulatedPrice = (
  seed: string,
  instrument: Instrument,
  side: Side,
  atMillis: number
): BigDecimal.BigDecimal => priceOf(lastTicks(seed, instrument, atMillis) + (side === "BUY" ? 1 : -1))

/**
 * The last traded price: a base between 100 and 3,000 that swings by about 2 %. The same seed, instrument and moment always
 * give the same price. Computed in whole ticks, so that no floating-point fraction enters a price.
 */
export const simulatedLastPrice = (seed: string, instrument: Instrument, atMillis: number): BigDecimal.BigDecimal =>
  priceOf(lastTicks(seed, instrument, atMillis))

const priceOf = (ticks: number): BigDecimal.BigDecimal => BigDecimal.make(BigInt(ticks) * tickPaise, 2)

const lastTicks = (seed: string, instrument: Instrument, atMillis: number): number => {
  const base = wholeBetween(`${seed}\n${instrument}`, lowestTicks, highestTicks)
  const swing = swings.reduce((sum, { parts, everyMillis }) => {
    const limit = Math.floor(base / parts)
    const turn = Math.floor(atMillis / everyMillis)
    const at = (index: number) => wholeBetween(`${seed}\n${instrument}\n${everyMillis}\n${index}`, -limit, limit)
    const elapsed = Math.floor(atMillis) - turn * everyMillis
    return sum + Math.floor((at(turn) * (everyMillis - elapsed) + at(turn + 1) * elapsed) / everyMillis)
  }, 0)
  return base + swing
}

const wholeBetween = (seed: string, min: number, max: number): number =>
  min + Math.floor(seededRandom(seed)() * (max - min + 1))
