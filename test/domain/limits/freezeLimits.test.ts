import { assert, describe, it } from "@effect/vitest"
import { BigDecimal, DateTime } from "effect"
import { freezeChanges, isSuspicious } from "../../../src/domain/limits/freezeChanges.ts"
import { freezeOf, freezeValue, wholeLots } from "../../../src/domain/limits/freezeLimits.ts"
import type { FreezeQuantity } from "../../../src/domain/market/FreezeQuantity.ts"
import { InstrumentDetails } from "../../../src/domain/market/InstrumentDetails.ts"
import { Instrument } from "../../../src/domain/model/Order.ts"

const november = DateTime.makeUnsafe("2026-11-23T04:00:00Z")
const at = (day: string) => DateTime.makeUnsafe(`${day}T09:15:00+05:30`)

const detailsOf = (instrument: string, name: string) =>
  InstrumentDetails.make({
    instrument: Instrument.make(instrument),
    name,
    lotSize: 65,
    tickSize: BigDecimal.fromStringUnsafe("0.05"),
    instrumentType: "FUT",
    segment: "NFO-FUT",
    expiry: null,
    lastPrice: null,
    token: 1
  })

interface Known {
  readonly name?: string
  readonly imported?: ReadonlyArray<FreezeQuantity>
  readonly when?: DateTime.Utc
}

const limitOf = (instrument: string, { name, imported = [], when = november }: Known = {}) => {
  const details = name === undefined ? null : detailsOf(instrument, name)
  const freeze = freezeOf(Instrument.make(instrument), { details, imported }, when)
  return freeze._tag === "Known" ? freeze.quantity : null
}

const quantity = (changed: Partial<FreezeQuantity>): FreezeQuantity => ({
  exchange: "NFO",
  underlying: "NIFTY",
  quantity: 1500,
  since: "2026-11-02",
  source: "a file",
  ...changed
})

describe("freeze limits", () => {
  it("are those of the underlying for every expiry, and exist for every share", () => {
    assert.strictEqual(limitOf("NFO:NIFTY26NOVFUT"), 1800)
    assert.strictEqual(wholeLots(1800, 65), 1755)
    assert.strictEqual(limitOf("NFO:NIFTY2612724000CE"), 1800)
    assert.strictEqual(limitOf("NFO:NIFTY2612721510CE"), 1800)
    assert.strictEqual(limitOf("NFO:BANKNIFTY26NOV52000PE"), 600)
    assert.strictEqual(limitOf("NFO:NIFTYNXT5026NOVFUT"), 600)
    assert.strictEqual(limitOf("BFO:SENSEX26NOVFUT"), 1000)
    assert.strictEqual(limitOf("NSE:RELIANCE"), 100_000)
  })

  it("change from month to month, at midnight in India, and the last known one goes on", () => {
    const finnifty = (day: string) => limitOf("NFO:FINNIFTY26DECFUT", { when: at(day) })
    assert.deepStrictEqual(
      ["2025-11-30", "2025-12-01", "2026-02-01", "2026-03-02", "2026-03-31", "2026-04-01", "2026-11-30"].map(finnifty),
      [1800, 1200, 1800, 1200, 1200, 1800, 1800]
    )
    const banknifty = (when: DateTime.Utc) => limitOf("NFO:BANKNIFTY26DECFUT", { when })
    const midnight = DateTime.makeUnsafe("2026-03-31T18:30:00Z")
    assert.deepStrictEqual(
      [banknifty(DateTime.subtract(midnight, { milliseconds: 1 })), banknifty(midnight), banknifty(at("2026-07-01"))],
      [600, 900, 600]
    )
    const freeze = freezeOf(Instrument.make("NFO:NIFTY26DECFUT"), { details: null, imported: [] }, november)
    assert.strictEqual(freeze._tag === "Known" ? freeze.since : null, "2026-08-03")
    assert.isNull(limitOf("NFO:NIFTY26NOVFUT", { when: at("2025-08-31") }))
  })

  it("follow the name of the list, and not how the symbol begins", () => {
    assert.isNull(limitOf("BFO:SENSEX5026NOVFUT", { name: "SENSEX50" }))
    assert.isNull(limitOf("BFO:SENSEX5026NOVFUT"))
    assert.isNull(limitOf("BFO:SENSEX502612784000CE"))
    assert.strictEqual(limitOf("BFO:SENSEX2612784000CE"), 1000)
    assert.strictEqual(limitOf("BFO:SENSEX26NOVFUT", { name: "SENSEX" }), 1000)
    assert.strictEqual(limitOf("NFO:ODD", { name: "nifty " }), 1800)
    assert.isNull(limitOf("NFO:NIFTY26NOVFUT", { name: "NIFTYFPI" }))
    // Neither a name nor a symbol of a known form.
    assert.isNull(limitOf("NFO:NIFTY", { name: "" }))
  })

  it("are imported for stocks and MCX, and not known before", () => {
    assert.isNull(limitOf("NFO:RELIANCE26NOVFUT"))
    assert.isNull(limitOf("MCX:GOLD26DECFUT"))
    const imported = [
      quantity({ underlying: "RELIANCE", quantity: 20_000 }),
      quantity({ exchange: "MCX", underlying: "GOLD", quantity: 10 })
    ]
    assert.strictEqual(limitOf("NFO:RELIANCE26NOVFUT", { imported }), 20_000)
    assert.strictEqual(limitOf("MCX:GOLD26DECFUT", { imported }), 10)
    assert.isNull(limitOf("MCX:GOLDM26DECFUT", { imported }))
  })

  it("are replaced by imports from their day on, and by the import of the same day", () => {
    const imported = [quantity({}), quantity({ quantity: 900, since: "2026-08-03" })]
    const nifty = (day: string) => limitOf("NFO:NIFTY26DECFUT", { imported, when: at(day) })
    assert.deepStrictEqual(["2026-08-02", "2026-08-03", "2026-11-01", "2026-11-02"].map(nifty), [1800, 900, 900, 1500])
  })

  it("are ten crore rupees per order for shares", () => {
    const value = (instrument: string) => freezeValue(Instrument.make(instrument))
    assert.deepStrictEqual(value("BSE:TCS"), BigDecimal.fromBigInt(100_000_000n))
    assert.isNull(value("NFO:NIFTY26NOVFUT"))
  })

  it("are suspicious above ten times and below a tenth of those before", () => {
    const suspects = [180, 179, 18_000, 18_001].filter((given) =>
      freezeChanges([quantity({ quantity: given })], []).some(isSuspicious)
    )
    assert.deepStrictEqual(suspects, [179, 18_001])
    const [first] = freezeChanges([quantity({ underlying: "NEW", quantity: 1 })], [])
    assert.isTrue(first !== undefined && first.before === null && !isSuspicious(first))
  })
})
