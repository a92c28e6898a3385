import { Option } from "effect"
import type { PreTradeLimits } from "../../src/domain/preTradeLimits.ts"

/** A desk that allows everything. */
export const unlimited: PreTradeLimits = {
  orderQuantity: Option.none(),
  orderValue: Option.none(),
  sliceQuantity: Option.none(),
  sliceValue: Option.none(),
  instruments: [],
  sides: []
}
