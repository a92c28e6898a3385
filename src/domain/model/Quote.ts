import type { BigDecimal } from "effect"
import type { Instrument } from "./Order.ts"

/** The last price and the day's volume of an instrument. */
export interface Quote {
  readonly instrument: Instrument
  /** The price of the last trade; above 0. */
  readonly lastPrice: BigDecimal.BigDecimal
  /** Units traded since the trading day began; null if the broker does not tell. */
  readonly dayVolume: number | null
}
