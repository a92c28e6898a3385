import { assert, describe, it } from "@effect/vitest"
import { DateTime, Result, Schema } from "effect"
import { freezeLimit } from "../../src/domain/freezeLimits.ts"
import { OrderId } from "../../src/domain/Ids.ts"
import { Instrument } from "../../src/domain/Order.ts"
import { splitWithin, type QuantityLimits } from "../../src/domain/Split.ts"

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

describe("splitWithin", () => {
  const order = { id: OrderId.make("o1"), totalQuantity: 4000, numSplits: 2, durationMinutes: 10, randomize: false }
  const quantities = (limits: QuantityLimits, changed: Partial<typeof order> = {}) =>
    Result.map(splitWithin({ ...order, ...changed }, limits), (slices) => slices.map(({ quantity }) => quantity))

  it("is the plain split when every slice fits", () => {
    assert.deepStrictEqual(quantities({ freezeLimit: 2000, maxSliceQuantity: null }), Result.succeed([2000, 2000]))
    assert.deepStrictEqual(quantities({ freezeLimit: null, maxSliceQuantity: null }), Result.succeed([2000, 2000]))
  })

  it("refuses what is above the freeze limit, and says how many slices would do", () => {
    const refused = quantities({ freezeLimit: 1755, maxSliceQuantity: null })
    assert.isTrue(Result.isFailure(refused))
    assert.include(
      Result.isFailure(refused) ? refused.failure : "",
      "slices of 2000 would be above the exchange's freeze limit of 1755"
    )
    assert.include(Result.isFailure(refused) ? refused.failure : "", "3 slices or more are needed")
    assert.deepStrictEqual(
      quantities({ freezeLimit: 1755, maxSliceQuantity: null }, { numSplits: 3 }),
      Result.succeed([1333, 1333, 1334])
    )
  })

  it("makes more slices when it may, over the same window, within the smaller of both limits", () => {
    assert.deepStrictEqual(
      quantities({ freezeLimit: null, maxSliceQuantity: 1000 }),
      Result.succeed([1000, 1000, 1000, 1000])
    )
    assert.deepStrictEqual(
      quantities({ freezeLimit: 1755, maxSliceQuantity: 5000 }),
      Result.succeed([1333, 1333, 1334])
    )
    const slices = Result.getOrThrow(splitWithin(order, { freezeLimit: null, maxSliceQuantity: 1000 }))
    assert.deepStrictEqual(
      slices.map(({ offsetMillis }) => offsetMillis),
      [0, 200_000, 400_000, 600_000]
    )
  })

  const Any = Schema.Struct({
    id: OrderId,
    numSplits: Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 20 })),
    totalQuantity: Schema.Int.check(Schema.isBetween({ minimum: 20, maximum: 20_000 })),
    maxSliceQuantity: Schema.Int.check(Schema.isBetween({ minimum: 50, maximum: 3000 })),
    randomize: Schema.Boolean
  })
  it.prop("keeps every slice within the limit, and the sum", [Any], ([any]) => {
    const slices = splitWithin(
      { ...any, durationMinutes: 10 },
      { freezeLimit: null, maxSliceQuantity: any.maxSliceQuantity }
    )
    const quantities = Result.getOrThrow(slices).map(({ quantity }) => quantity)
    assert.isTrue(quantities.every((quantity) => quantity >= 1 && quantity <= any.maxSliceQuantity))
    assert.strictEqual(
      quantities.reduce((sum, quantity) => sum + quantity, 0),
      any.totalQuantity
    )
    assert.isAtLeast(quantities.length, any.numSplits)
  })

  it("says when a thousand slices are not enough", () => {
    const refused = quantities({ freezeLimit: null, maxSliceQuantity: 3 })
    assert.deepStrictEqual(refused, Result.fail("total_quantity: does not fit into 1000 slices of at most 3"))
  })
})
