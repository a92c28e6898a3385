import { Duration, Option } from "effect"
import type { PreTradeLimits } from "../../src/domain/limits/preTradeLimits.ts"

/** Pre-trade limits that allow everything. */
export const unlimited: PreTradeLimits = {
  orderQuantity: Option.none(),
  orderValue: Option.none(),
  sliceQuantity: Option.none(),
  sliceValue: Option.none(),
  instruments: [],
  sides: [],
  ordersPerDay: Option.none(),
  valuePerDay: Option.none(),
  collarPercent: Option.none(),
  volumeSharePercent: Option.none(),
  volumePeriod: Duration.minutes(5),
  quoteAge: Duration.seconds(60)
}
