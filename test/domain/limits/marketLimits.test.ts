import { assert, describe, it } from "@effect/vitest"
import { BigDecimal, DateTime, Option, Schema } from "effect"
import { mockInstruments } from "../../../src/broker/mock/mockInstruments.ts"
import { breachesNow, knownPrice, needsQuotes, outsideCollar } from "../../../src/domain/limits/marketLimits.ts"
import { unknownFacts } from "../../../src/domain/model/MarketFacts.ts"
import { type InstrumentFacts, unknownInstrument } from "../../../src/domain/planning/planOrder.ts"
import { unlimited } from "../../support/limits.ts"

const decimal = BigDecimal.fromStringUnsafe
const collar = (percent: string) => ({ ...unlimited, collarPercent: Option.some(decimal(percent)) })
const share = (percent: string) => ({ ...unlimited, volumeSharePercent: Option.some(decimal(percent)) })

describe("the price collar", () => {
  it("allows a price exactly at its edge, on either side, and none beyond", () => {
    const isAllowed = (limit: string, last: string, percent: string) =>
      outsideCollar(decimal(limit), decimal(last), collar(percent)).length === 0
    for (const [limit, last, percent, expected] of [
      ["105", "100", "5", true],
      ["105.0001", "100", "5", false],
      ["95", "100", "5", true],
      ["94.9999", "100", "5", false],
      ["100", "100", "0.0001", true],
      ["0.05", "99999.95", "100", true],
      // Computed with doubles, 0.1 + 0.2 would be outside.
      ["0.3", "0.1", "100", false],
      ["0.2", "0.1", "100", true],
      ["1416.4724", "1412.95", "0.2493", true],
      ["1416.4725", "1412.95", "0.2493", false]
    ] as const) {
      assert.strictEqual(isAllowed(limit, last, percent), expected, `${limit} at ${last} within ${percent} %`)
    }
  })

  it("names both prices and the distance that is allowed", () => {
    assert.deepStrictEqual(outsideCollar(decimal("106"), decimal("100.50"), collar("5")), [
      "the limit price of 106 is more than LIMIT_PRICE_COLLAR_PERCENT (5) away from the last price of 100.5"
    ])
  })

  it("does not apply to a MARKET order, without a known price, or when it is not set", () => {
    assert.deepStrictEqual(outsideCollar(null, decimal("100"), collar("5")), [])
    assert.deepStrictEqual(outsideCollar(decimal("900"), null, collar("5")), [])
    assert.deepStrictEqual(outsideCollar(decimal("900"), decimal("100"), unlimited), [])
  })

  it.prop(
    "treats equal distances above and below the last price alike",
    [
      Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 1_000_000 })),
      Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 100 }))
    ],
    ([last, percent]) => {
      const price = BigDecimal.make(BigInt(last) * 100n, 2)
      const distance = BigDecimal.make(BigInt(last) * BigInt(percent), 2)
      const far = (limit: BigDecimal.BigDecimal) => outsideCollar(limit, price, collar("50")).length > 0
      assert.strictEqual(far(BigDecimal.sum(price, distance)), percent > 50)
      assert.strictEqual(far(BigDecimal.subtract(price, distance)), percent > 50)
    }
  )
})

describe("the market limits right before a placement", () => {
  const slice = {
    ...unknownFacts,
    limitPrice: decimal("110"),
    lastPrice: decimal("100"),
    lastPriceMillis: 1_000_000
  }

  it("ignore prices that are stale", () => {
    const count = (nowMillis: number, limits: Parameters<typeof breachesNow>[2]) =>
      breachesNow(slice, nowMillis, limits).length
    assert.strictEqual(count(1_060_000, collar("5")), 1)
    assert.strictEqual(count(1_060_001, collar("5")), 0)
    assert.deepStrictEqual(breachesNow({ ...slice, ...unknownFacts }, 1_000_000, collar("5")), [])
  })

  it("need quotes for the price and for the volume", () => {
    assert.deepStrictEqual([collar("1"), share("1"), unlimited].map(needsQuotes), [true, true, false])
  })
})

describe("the price that a plan uses", () => {
  const at = DateTime.makeUnsafe(1_000_000)
  const [details] = mockInstruments
  if (details === undefined) throw new Error("there are mock instruments")
  const listed = (lastPrice: string | null): InstrumentFacts => ({
    ...unknownInstrument,
    listing: {
      _tag: "Listed",
      hasFutures: false,
      details: { ...details, lastPrice: lastPrice === null ? null : decimal(lastPrice) }
    }
  })
  const quoted = (market: InstrumentFacts, ageMillis: number): InstrumentFacts => ({
    ...market,
    quote: { lastPrice: decimal("101.000049"), at: DateTime.makeUnsafe(1_000_000 - ageMillis) }
  })
  const price = (market: InstrumentFacts) => {
    const known = knownPrice(market, at, unlimited)
    return known === null ? null : BigDecimal.format(BigDecimal.normalize(known))
  }

  it("is that of a fresh quote, otherwise that of the instrument list, otherwise none", () => {
    assert.strictEqual(price(quoted(listed("99"), 60_000)), "101")
    assert.strictEqual(price(quoted(listed("99"), 60_001)), "99")
    assert.strictEqual(price(quoted(listed(null), 60_001)), null)
    assert.strictEqual(price(unknownInstrument), null)
    // A quote from the future: one of the clocks is wrong.
    assert.strictEqual(price(quoted(listed("99"), -60_001)), "99")
  })
})
