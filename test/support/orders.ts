import { defaultProduct } from "../../src/domain/market/productRules.ts"
import { OrderId } from "../../src/domain/model/Ids.ts"
import { Instrument, type SplittableOrder } from "../../src/domain/model/Order.ts"
import { wholeMinutes } from "../../src/domain/planning/schedule/Schedule.ts"
import type { SplitRequest, SplitRules } from "../../src/domain/planning/Split.ts"

/** A valid order with the test's changes. */
export const anOrder = (changed: Partial<SplittableOrder> = {}): SplittableOrder => ({
  id: OrderId.make("order-1"),
  instrument: Instrument.make("NSE:RELIANCE"),
  side: "BUY",
  orderType: "MARKET",
  limitPrice: null,
  productType: defaultProduct(changed.instrument ?? "NSE:RELIANCE"),
  validity: "DAY",
  totalQuantity: 1000,
  numSplits: 10,
  durationMinutes: 60,
  randomize: true,
  strategy: "TWAP",
  riskAversion: null,
  weights: null,
  planSeed: null,
  latenessPolicy: "SEND",
  maxLatenessSeconds: null,
  cancelUnfilledAfterSeconds: null,
  carryUnfilled: false,
  carryRejected: false,
  completion: "REPORT",
  sessionPolicy: "SAME_DAY",
  algoId: null,
  ...changed
})

/** No limits: single units, any size, any gap. */
export const noRules: SplitRules = {
  lotSize: 1,
  sliceLimits: [],
  mayAddSlices: false,
  leastGapMillis: 0,
  hiding: "tight",
  minutesFor: wholeMinutes
}

export const aRequest = (changed: Partial<SplitRequest> = {}): SplitRequest => ({
  orderId: OrderId.make("order-1"),
  seed: "order-1",
  totalQuantity: 1000,
  numSlices: 10,
  windowMillis: 3_600_000,
  randomize: true,
  curve: { _tag: "Even" },
  firstSequence: 1,
  ...changed
})
