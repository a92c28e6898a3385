import { assert, describe, it } from "@effect/vitest"
import { DateTime, Result } from "effect"
import { announced } from "../../../src/domain/market/data/announced.ts"
import { defaultProduct } from "../../../src/domain/market/productRules.ts"
import { calendarOf } from "../../../src/domain/market/TradingCalendar.ts"
import type { VenueId } from "../../../src/domain/market/Venue.ts"
import type { ProductType } from "../../../src/domain/model/Order.ts"
import { planOrder } from "../../../src/domain/planning/planOrder.ts"
import { instrumentOf, marketWith, noLimits } from "../../support/generatedOrders.ts"
import { anOrder } from "../../support/orders.ts"

const muhurat = {
  day: "2026-11-08",
  markets: ["EQUITY", "COMMODITIES"],
  sessions: [["18:15", "19:15"]],
  name: "Muhurat"
} as const
const calendar = calendarOf([announced, { days: [muhurat] }])

/** Null if there is a plan, or why there is none. */
const refusal = (venue: VenueId, from: string, minutes: number, productType: ProductType = "MIS"): string | null => {
  const order = anOrder({ instrument: instrumentOf(venue), productType, numSplits: 2, durationMinutes: minutes })
  const at = DateTime.makeUnsafe(`${from}:00+05:30`)
  return Result.match(planOrder(order, { ...noLimits, calendar }, marketWith(venue, 1, null), at), {
    onFailure: ({ text }) => text,
    onSuccess: () => null
  })
}

describe("the square-off of MIS", () => {
  for (const [venue, from, fitting] of [
    ["EQUITY", "2026-11-23T15:00", 20],
    ["EQUITY_WITH_DERIVATIVES", "2026-11-23T15:00", 12],
    // The last day without a closing auction.
    ["EQUITY_WITH_DERIVATIVES", "2026-07-31T15:00", 20],
    ["EQUITY_DERIVATIVES", "2026-11-23T15:00", 25],
    ["CURRENCY_DERIVATIVES", "2026-11-23T16:00", 45],
    ["COMMODITIES", "2026-11-23T23:00", 30],
    ["COMMODITIES", "2026-07-21T23:00", 5],
    // A Sunday, outside the ordinary hours.
    ["EQUITY", "2026-11-08T18:45", 20]
  ] as const) {
    it(`ends what fits: ${venue} on ${from}`, () => {
      assert.isNull(refusal(venue, from, fitting))
      const refused = refusal(venue, from, fitting + 1)
      assert.include(refused, "the broker squares off MIS and takes no new MIS orders")
      assert.include(refused, `; ${fitting} minutes would fit, or product_type `)
      assert.isNull(refusal(venue, from, fitting + 1, defaultProduct(instrumentOf(venue))))
    })
  }

  it("refuses an order that begins after it, with the product that would do", () => {
    assert.strictEqual(
      refusal("EQUITY", "2026-11-23T15:21", 2),
      "duration_minutes: from 2026-11-23 15:20 IST on the broker squares off MIS and takes no new MIS orders, and the window ends at 2026-11-23 15:23 IST; product_type CNC would do"
    )
  })
})
