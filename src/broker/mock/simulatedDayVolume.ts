import { DateTime } from "effect"
import { nextIndianHour } from "../../domain/market/indianTime.ts"
import type { Instrument } from "../../domain/model/Order.ts"
import { seededRandom } from "../../domain/planning/schedule/SeededRandom.ts"

const minPerMinute = 2_000
const maxPerMinute = 50_000
const minuteMillis = 60_000

/**
 * The volume of an instrument since midnight in India: on average 2,000 to 50,000 units a minute, varying, and never
 * decreasing. The same seed, instrument and moment always give the same volume.
 */
export const simulatedDayVolume = (seed: string, instrument: Instrument, atMillis: number): number => {
  const random = seededRandom(`${seed}\n${instrument}\nvolume`)
  const perMinute = minPerMinute + Math.floor(random() * (maxPerMinute - minPerMinute + 1))
  const midnight = DateTime.toEpochMillis(nextIndianHour(DateTime.makeUnsafe(atMillis), 0)) - 24 * 60 * minuteMillis
  const minutes = (atMillis - midnight) / minuteMillis
  // The volume of each pair of minutes is fixed and only its split is random, so that no earlier minutes have to be summed.
  const pair = Math.floor(minutes / 2)
  const share = 0.25 + 0.5 * seededRandom(`${seed}\n${instrument}\nvolume\n${midnight}\n${pair}`)()
  const elapsed = minutes - 2 * pair
  const done = elapsed <= 1 ? share * elapsed : share + (1 - share) * (elapsed - 1)
  return Math.floor(2 * perMinute * (pair + done))
}
