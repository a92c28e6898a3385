import { assert, describe, it } from "@effect/vitest"
import { BigDecimal, Option } from "effect"
import { breachesOfOrder, breachesOfSlice, type Exposure } from "../../../src/domain/limits/preTradeLimits.ts"
import { Instrument } from "../../../src/domain/model/Order.ts"
import { unlimited } from "../../support/limits.ts"

const amount = (text: string) => Option.some(BigDecimal.fromStringUnsafe(text))
const order: Exposure = {
  instrument: Instrument.make("NFO:NIFTY26NOVFUT"),
  side: "SELL",
  quantity: 100,
  price: BigDecimal.fromStringUnsafe("100.05")
}

describe("pre-trade limits", () => {
  it("allow everything when none is set", () => {
    assert.deepStrictEqual(breachesOfOrder(order, unlimited), [])
    assert.deepStrictEqual(breachesOfSlice({ ...order, price: null }, unlimited), [])
  })

  it("allow a value exactly at a limit, and name the limit that a larger one breaks", () => {
    const limits = { ...unlimited, orderQuantity: Option.some(100), orderValue: amount("10005") }
    assert.deepStrictEqual(breachesOfOrder(order, limits), [])
    assert.deepStrictEqual(breachesOfOrder({ ...order, quantity: 101 }, limits), [
      "the order's quantity of 101 is above LIMIT_ORDER_QUANTITY (100)",
      "the order's value of 10105.05 is above LIMIT_ORDER_VALUE (10005)"
    ])
    assert.deepStrictEqual(breachesOfSlice({ ...order, quantity: 101 }, limits), [])
  })

  it("refuse a MARKET order that cannot be valued because no price is known", () => {
    assert.deepStrictEqual(breachesOfSlice({ ...order, price: null }, { ...unlimited, sliceValue: amount("1") }), [
      "no price of its instrument is known to value the slice by, and LIMIT_SLICE_VALUE is set: use a LIMIT order"
    ])
  })

  it("match instruments by name or prefix, and by side", () => {
    const allows = (...instruments: ReadonlyArray<string>) =>
      breachesOfOrder(order, { ...unlimited, instruments }).length === 0
    assert.isTrue(allows("NSE:INFY", "NFO:NIFTY26NOVFUT"))
    assert.isTrue(allows("NFO:NIFTY*"))
    assert.isTrue(allows("NFO:*"))
    assert.isFalse(allows("NSE:*", "NFO:NIFTY", "NFO:BANKNIFTY*"))
    assert.deepStrictEqual(breachesOfOrder(order, { ...unlimited, sides: ["BUY"] }), [
      "SELL is not allowed by LIMIT_SIDES"
    ])
    assert.deepStrictEqual(breachesOfOrder(order, { ...unlimited, sides: ["BUY", "SELL"] }), [])
  })
})
