import { assert, describe, it } from "@effect/vitest"
import { BigDecimal, DateTime, Schema } from "effect"
import { indianDay } from "../../../src/domain/market/indianTime.ts"
import { editDistance, isExpired, nearestNames, roundToTick } from "../../../src/domain/market/InstrumentDetails.ts"
import { Side } from "../../../src/domain/model/Order.ts"

const decimal = BigDecimal.fromStringUnsafe
const text = (price: BigDecimal.BigDecimal | null) => (price === null ? null : BigDecimal.format(price))

describe("roundToTick", () => {
  const cases = [
    { price: "100.07", tick: "0.05", buy: "100.05", sell: "100.1" },
    { price: "100.05", tick: "0.05", buy: "100.05", sell: "100.05" },
    { price: "100.0501", tick: "0.05", buy: "100.05", sell: "100.1" },
    { price: "100.0499", tick: "0.05", buy: "100", sell: "100.05" },
    { price: "2500", tick: "0.05", buy: "2500", sell: "2500" },
    { price: "2503", tick: "5", buy: "2500", sell: "2505" },
    { price: "83.1234", tick: "0.0025", buy: "83.1225", sell: "83.125" },
    { price: "71234", tick: "1", buy: "71234", sell: "71234" },
    { price: "0.01", tick: "0.05", buy: null, sell: "0.05" },
    { price: "0", tick: "0.05", buy: null, sell: null },
    { price: "-3", tick: "0.05", buy: null, sell: null },
    { price: "100", tick: "0", buy: null, sell: null },
    { price: "99999999999.9999", tick: "0.05", buy: "99999999999.95", sell: "100000000000" },
    { price: "1e3", tick: "1e2", buy: "1000", sell: "1000" }
  ]
  for (const { price, tick, buy, sell } of cases) {
    it(`${price} on a tick of ${tick}: ${buy} to buy, ${sell} to sell`, () => {
      assert.strictEqual(text(roundToTick(decimal(price), decimal(tick), "BUY")), buy)
      assert.strictEqual(text(roundToTick(decimal(price), decimal(tick), "SELL")), sell)
    })
  }

  const Any = Schema.Struct({
    price: Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 2_000_000_000 })),
    priceScale: Schema.Int.check(Schema.isBetween({ minimum: -2, maximum: 4 })),
    tick: Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 1000 })),
    tickScale: Schema.Int.check(Schema.isBetween({ minimum: -2, maximum: 4 })),
    side: Side
  })
  it.prop("gives a multiple of the tick, no worse than the limit, less than a tick away", [Any], ([any]) => {
    const price = BigDecimal.make(BigInt(any.price), any.priceScale)
    const tick = BigDecimal.make(BigInt(any.tick), any.tickScale)
    const rounded = roundToTick(price, tick, any.side)
    if (rounded === null) {
      assert.strictEqual(any.side, "BUY")
      assert.isTrue(BigDecimal.isLessThan(price, tick))
      return
    }
    assert.isTrue(BigDecimal.isPositive(rounded))
    assert.isTrue(BigDecimal.isZero(BigDecimal.remainderUnsafe(rounded, tick)), "is a multiple of the tick")
    const better = any.side === "BUY" ? BigDecimal.subtract(price, rounded) : BigDecimal.subtract(rounded, price)
    assert.isFalse(BigDecimal.isNegative(better), "is no worse than the limit")
    assert.isTrue(BigDecimal.isLessThan(better, tick), "is less than a tick away")
    assert.isTrue(BigDecimal.equals(roundToTick(rounded, tick, any.side) ?? tick, rounded), "stays what it is")
  })
})

describe("isExpired", () => {
  it("is true from the day after the expiry on", () => {
    const future = { expiry: "2026-11-24" }
    assert.isFalse(isExpired(future, "2026-11-23"))
    assert.isFalse(isExpired(future, "2026-11-24"))
    assert.isTrue(isExpired(future, "2026-11-25"))
    assert.isTrue(isExpired(future, "2027-01-01"))
    assert.isFalse(isExpired({ expiry: null }, "2999-01-01"))
  })

  it("goes by the day in India, which begins at 18:30 UTC", () => {
    assert.strictEqual(indianDay(DateTime.makeUnsafe("2026-11-24T18:29:59.999Z")), "2026-11-24")
    assert.strictEqual(indianDay(DateTime.makeUnsafe("2026-11-24T18:30:00Z")), "2026-11-25")
    assert.strictEqual(indianDay(DateTime.makeUnsafe("2026-12-31T20:00:00Z")), "2027-01-01")
  })
})

describe("nearestNames", () => {
  const all = [
    "NSE:INFY",
    "NSE:INFRA",
    "NSE:RELIANCE",
    "BSE:RELIANCE",
    "BSE:INFY",
    "NSE:TCS",
    "NFO:NIFTY26NOVFUT",
    "NFO:NIFTY26DECFUT",
    "NFO:BANKNIFTY26DECFUT"
  ]

  it("finds swapped, wrong, missing and superfluous letters", () => {
    for (const wanted of ["NSE:RELAINCE", "NSE:RELIANSE", "NSE:RELANCE", "NSE:RELIIANCE", "NSE:ELIANCE"]) {
      assert.deepStrictEqual(nearestNames(wanted, all), ["NSE:RELIANCE", "BSE:RELIANCE"])
    }
  })

  it("puts the same exchange first, then the fewest typos", () => {
    assert.deepStrictEqual(nearestNames("NSE:INFI", all), ["NSE:INFY", "NSE:INFRA", "BSE:INFY"])
    assert.deepStrictEqual(nearestNames("BSE:TCS", all), ["NSE:TCS"])
    assert.deepStrictEqual(nearestNames("RELIANCE", all), ["BSE:RELIANCE", "NSE:RELIANCE"])
    assert.deepStrictEqual(nearestNames("NFO:NIFTY26OCTFUT", all), ["NFO:NIFTY26DECFUT", "NFO:NIFTY26NOVFUT"])
  })

  it("finds names that continue the wanted one", () => {
    assert.deepStrictEqual(nearestNames("NFO:BANKNIFTY", all), ["NFO:BANKNIFTY26DECFUT"])
    assert.deepStrictEqual(nearestNames("NSE:REL", all, 1), ["NSE:RELIANCE"])
  })

  it("gives nothing for a name without similar ones, never the name itself, and at most the wanted number", () => {
    assert.deepStrictEqual(nearestNames("NSE:QQQQQQQ", all), [])
    assert.notInclude(nearestNames("NSE:INFY", all), "NSE:INFY")
    assert.lengthOf(nearestNames("NSE:INFI", all, 2), 2)
    assert.deepStrictEqual(nearestNames("NSE:INFI", []), [])
    assert.deepStrictEqual(nearestNames("", all), [])
  })
})

describe("editDistance", () => {
  it("counts letters, and a swap of neighbours as one", () => {
    const cases: ReadonlyArray<readonly [string, string, number]> = [
      ["", "", 0],
      ["", "ABC", 3],
      ["ABC", "ABC", 0],
      ["ABC", "ACB", 1],
      ["KITTEN", "SITTING", 3],
      ["CA", "ABC", 3]
    ]
    for (const [a, b, distance] of cases) {
      assert.strictEqual(editDistance(a, b), distance, `${a} ${b}`)
      assert.strictEqual(editDistance(b, a), distance, `${b} ${a}`)
    }
  })
})
