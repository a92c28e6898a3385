import { assert, describe, it } from "@effect/vitest"
import { Result, Schema } from "effect"
import { OrderId } from "../../../src/domain/model/Ids.ts"
import { split, type SplitRequest, type SplitRules } from "../../../src/domain/planning/Split.ts"
import { aRequest, noRules } from "../../support/orders.ts"

const slicesOf = (changed: Partial<SplitRequest> = {}, rules: Partial<SplitRules> = {}) =>
  Result.getOrThrow(split(aRequest(changed), { ...noRules, ...rules })).slices

const quantitiesOf = (changed: Partial<SplitRequest>, rules: Partial<SplitRules> = {}) =>
  slicesOf(changed, rules).map(({ quantity }) => quantity)

const problemOf = (changed: Partial<SplitRequest>, rules: Partial<SplitRules>) => {
  const refused = split(aRequest(changed), { ...noRules, ...rules })
  return Result.isFailure(refused) ? refused.failure.message : assert.fail("the order was split")
}

const frozenAt = (quantity: number): Partial<SplitRules> => ({
  sliceLimits: [{ quantity, name: "the exchange's freeze limit of an order" }]
})

/** Two limits on a slice's quantity: the operator's setting and the exchange's freeze limit. */
const atMost = (quantity: number, frozen = Infinity): Partial<SplitRules> => ({
  sliceLimits: [
    { quantity: frozen, name: "the freeze limit" },
    { quantity, name: "ORDER_MAX_SLICE_QUANTITY" }
  ],
  mayAddSlices: true
})

const range = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, index) => from + index)

describe("split", () => {
  it("gives every slice its own id and an alphanumeric tag of at most 20 characters", () => {
    const slices = slicesOf({ numSlices: 1000 })
    assert.strictEqual(new Set(slices.map((slice) => slice.id)).size, 1000)
    assert.strictEqual(new Set(slices.map((slice) => slice.tag)).size, 1000)
    assert.isTrue(slices.every((slice) => /^[A-Za-z0-9]{1,20}$/.test(slice.tag)))
    assert.deepStrictEqual(
      slices.map(({ sequenceNumber }) => sequenceNumber),
      range(1, 1000)
    )
  })

  it("keeps the ids and tags that earlier versions gave to the same order", () => {
    const [first] = slicesOf()
    assert.strictEqual(first?.id, "sh3whp3kcmtnswjx96r3netjlk0a5or")
    assert.strictEqual(first?.tag, "PB13R9XMDCV1OVMV24C6")
  })

  it("gives different orders different quantities, and orders with the same seed the same", () => {
    const of = (id: string, seed: string) => quantitiesOf({ orderId: OrderId.make(id), seed })
    assert.notDeepEqual(of("one", "one"), of("other", "other"))
    assert.deepStrictEqual(of("one", "seed"), of("other", "seed"))
  })

  it("places a single slice at the start, but the last slice of a running order within the window", () => {
    for (const seed of range(1, 20).map(String)) {
      assert.deepStrictEqual(
        slicesOf({ seed, numSlices: 1 }).map(({ quantity, offsetMillis }) => [quantity, offsetMillis]),
        [[1000, 0]]
      )
      const [last] = slicesOf({ seed, numSlices: 1, firstSequence: 10 })
      assert.isAbove(last?.offsetMillis ?? 0, 0)
    }
    const more = slicesOf({ numSlices: 1 }, atMost(500))
    assert.isAbove(more[0]?.offsetMillis ?? 0, 0)
  })

  it("keeps randomized sizes within a limit just above the average, for every seed", () => {
    for (const seed of range(1, 300).map(String)) {
      const quantities = quantitiesOf({ seed }, { sliceLimits: [{ quantity: 105, name: "a limit" }] })
      assert.isAtMost(Math.max(...quantities), 105)
    }
  })

  it("splits evenly without randomization", () => {
    const slices = slicesOf({ totalQuantity: 103, randomize: false })
    assert.deepStrictEqual(
      slices.map((slice) => slice.quantity),
      [10, 10, 10, 11, 10, 10, 11, 10, 10, 11]
    )
    assert.deepStrictEqual(
      slices.map((slice) => slice.offsetMillis / 1000),
      range(0, 9).map((k) => k * 400)
    )
  })

  const four = { totalQuantity: 4000, numSlices: 2, windowMillis: 600_000, randomize: false } as const

  it("refuses slices above the freeze limit, and says how many slices would fit", () => {
    assert.strictEqual(
      problemOf(four, frozenAt(1755)),
      "num_splits: 2 slices of at most 1755 do not hold 4000; 3 slices or more would fit " +
        "(1755 is the exchange's freeze limit of an order; ORDER_MAX_SLICE_QUANTITY lets the service make more slices)"
    )
    assert.deepStrictEqual(quantitiesOf({ ...four, numSlices: 3 }, frozenAt(1755)), [1333, 1333, 1334])
    assert.deepStrictEqual(quantitiesOf(four, frozenAt(2000)), [2000, 2000])
  })

  it("adds slices when allowed, over the same window, within the smaller of both limits", () => {
    assert.deepStrictEqual(quantitiesOf(four, atMost(1000)), [1000, 1000, 1000, 1000])
    assert.deepStrictEqual(quantitiesOf(four, atMost(5000, 1755)), [1333, 1333, 1334])
    assert.deepStrictEqual(
      slicesOf(four, atMost(1000)).map(({ offsetMillis }) => offsetMillis),
      [0, 200_000, 400_000, 600_000]
    )
  })

  it("adds enough slices for sizes to vary, when there are enough lots", () => {
    const varied = quantitiesOf({ ...four, randomize: true }, atMost(100))
    assert.strictEqual(varied.length, 52)
    assert.isAbove(new Set(varied).size, 10)
    assert.strictEqual(quantitiesOf({ totalQuantity: 10, numSlices: 1 }, atMost(1)).length, 10)
  })

  it("says when a thousand slices are not enough", () => {
    assert.include(
      problemOf(four, atMost(3)),
      "num_splits: 2 slices of at most 3 do not hold 4000; a total_quantity of 3000 would fit (3 is ORDER_MAX_SLICE_QUANTITY"
    )
  })

  it("keeps the minimum gap before it adds slices for variation", () => {
    const randomized = { totalQuantity: 1000, numSlices: 2, windowMillis: 110_000 }
    assert.strictEqual(quantitiesOf(randomized, { ...atMost(10), leastGapMillis: 1000 }).length, 100)
    assert.strictEqual(
      problemOf(randomized, { ...atMost(5), leastGapMillis: 1000 }),
      "duration_minutes: 200 slices at least 1 s apart do not fit into 110 s; 4 minutes would fit"
    )
    assert.strictEqual(
      problemOf(randomized, { ...atMost(5), leastGapMillis: 600_000 }),
      "duration_minutes: 200 slices at least 600 s apart do not fit into 110 s; a total_quantity of 5 would fit"
    )
  })

  it("names the order's column in refusals about lots and gaps", () => {
    assert.strictEqual(
      problemOf({ totalQuantity: 100 }, { lotSize: 65 }),
      "total_quantity: 100 is not a multiple of the lot of 65; 65 or 130 would fit"
    )
    assert.strictEqual(
      problemOf({ totalQuantity: 40, numSlices: 1 }, { lotSize: 65 }),
      "total_quantity: 40 is not a multiple of the lot of 65; 65 would fit"
    )
    assert.strictEqual(
      problemOf({ totalQuantity: 130, numSlices: 3 }, { lotSize: 65 }),
      "num_splits: 130 is only 2 lots of 65, less than one for each of 3 slices; at most 2 slices would fit"
    )
    assert.strictEqual(
      problemOf({ windowMillis: 60_000, numSlices: 100 }, { leastGapMillis: 1000 }),
      "duration_minutes: 100 slices at least 1 s apart do not fit into 60 s; at most 60 slices, or 2 minutes, would fit"
    )
    assert.strictEqual(
      problemOf({ totalQuantity: 100, numSlices: 1 }, { lotSize: 50, ...frozenAt(49) }),
      "num_splits: 1 slice of at most 49 do not hold 100; no slice of whole lots of 50 is that small " +
        "(49 is the exchange's freeze limit of an order; ORDER_MAX_SLICE_QUANTITY lets the service make more slices)"
    )
  })

  const Any = Schema.Struct({
    seed: Schema.String,
    numSlices: Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 20 })),
    totalQuantity: Schema.Int.check(Schema.isBetween({ minimum: 20, maximum: 20_000 })),
    randomize: Schema.Boolean
  })
  const MaxSlice = Schema.Int.check(Schema.isBetween({ minimum: 50, maximum: 3000 }))
  it.prop("keeps every slice within the limit, and the total quantity", [Any, MaxSlice], ([any, maxSliceQuantity]) => {
    const quantities = quantitiesOf(any, atMost(maxSliceQuantity))
    assert.isTrue(quantities.every((quantity) => quantity >= 1 && quantity <= maxSliceQuantity))
    assert.strictEqual(
      quantities.reduce((sum, quantity) => sum + quantity, 0),
      any.totalQuantity
    )
    assert.isAtLeast(quantities.length, any.numSlices)
  })
})
