import { assert, describe, it } from "@effect/vitest"
import { DateTime } from "effect"
import { freezeLimit } from "../../src/domain/freezeLimits.ts"
import { Instrument } from "../../src/domain/Order.ts"

const november = DateTime.makeUnsafe("2026-11-23T04:00:00Z")
const limitOf = (instrument: string, at = november) => freezeLimit(Instrument.make(instrument), at)

describe("freeze limits", () => {
  it("are those of the underlying, whatever the expiry, and of every share", () => {
    assert.strictEqual(limitOf("NFO:NIFTY26NOVFUT"), 1755)
    assert.strictEqual(limitOf("NFO:NIFTY2612724000CE"), 1755)
    assert.strictEqual(limitOf("NFO:BANKNIFTY26NOV52000PE"), 600)
    assert.strictEqual(limitOf("NFO:NIFTYNXT5026NOVFUT"), 600)
    assert.strictEqual(limitOf("BFO:SENSEX26NOVFUT"), 1000)
    assert.strictEqual(limitOf("NSE:RELIANCE"), 100_000)
  })

  it("are not guessed", () => {
    assert.isNull(limitOf("NFO:RELIANCE26NOVFUT"))
    assert.isNull(limitOf("MCX:GOLD26DECFUT"))
    assert.isNull(limitOf("NFO:NIFTY26NOVFUT", DateTime.makeUnsafe("2026-01-31T00:00:00Z")))
  })
})
