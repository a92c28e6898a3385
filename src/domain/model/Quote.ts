import type { BigDecimal } from "effect"
import type { Instrument } from "./Order.ts"

/** What an instrument costs now, and how much of it has been traded. */
export interface Quote {
  readonly instrument: Instrument
  /** Of its last trade; above 0. */
  readonly lastPrice: BigDecimal.BigDecimal
  /** In units, since the trading day began; null where the broker does not say. */
  readonly dayVolume: number | null
}
