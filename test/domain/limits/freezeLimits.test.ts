import { assert, describe, it } from "@effect/vitest"
import { BigDecimal, DateTime } from "effect"
import { freezeLimit, freezeValue } from "../../../src/domain/limits/freezeLimits.ts"
import { Instrument } from "../../../src/domain/model/Order.ts"

const november = DateTime.makeUnsafe("2026-11-23T04:00:00Z")
const limitOf = (instrument: string, at = november) => freezeLimit(Instrument.make(instrument), at)

describe("freeze limits", () => {
  it("are those of the underlying for every expiry, and exist for every share", () => {
    assert.strictEqual(limitOf("NFO:NIFTY26NOVFUT"), 1755)
    assert.strictEqual(limitOf("NFO:NIFTY2612724000CE"), 1755)
    assert.strictEqual(limitOf("NFO:BANKNIFTY26NOV52000PE"), 600)
    assert.strictEqual(limitOf("NFO:NIFTYNXT5026NOVFUT"), 600)
    assert.strictEqual(limitOf("BFO:SENSEX26NOVFUT"), 1000)
    assert.strictEqual(limitOf("NSE:RELIANCE"), 100_000)
  })

  it("apply from midnight in India", () => {
    const midnight = DateTime.makeUnsafe("2026-01-31T18:30:00Z")
    assert.strictEqual(limitOf("NFO:NIFTY26NOVFUT", midnight), 1755)
    assert.isNull(limitOf("NFO:NIFTY26NOVFUT", DateTime.subtract(midnight, { milliseconds: 1 })))
  })

  it("are ten crore rupees per order for shares", () => {
    const value = (instrument: string) => freezeValue(Instrument.make(instrument))
    assert.deepStrictEqual(value("BSE:TCS"), BigDecimal.fromBigInt(100_000_000n))
    assert.isNull(value("NFO:NIFTY26NOVFUT"))
  })

  it("are not guessed", () => {
    assert.isNull(limitOf("NFO:RELIANCE26NOVFUT"))
    assert.isNull(limitOf("MCX:GOLD26DECFUT"))
    assert.isNull(limitOf("NFO:NIFTY26NOVFUT", DateTime.makeUnsafe("2026-01-31T00:00:00Z")))
  })
})
