import { assert, describe, it } from "@effect/vitest"
import { Schema } from "effect"
import { OrderId } from "../../src/domain/Ids.ts"
import { split, type SplitInput } from "../../src/domain/Split.ts"

/** Any valid order: the total is at least one for each slice. */
const AnyOrder = Schema.Struct({
  id: Schema.String.check(Schema.isMinLength(1), Schema.isMaxLength(64)),
  numSplits: Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 1000 })),
  extra: Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 1_000_000 })),
  durationMinutes: Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 1440 })),
  randomize: Schema.Boolean
})

const orderOf = (any: typeof AnyOrder.Type): SplitInput => ({
  id: OrderId.make(any.id),
  numSplits: any.numSplits,
  totalQuantity: any.numSplits + any.extra,
  durationMinutes: any.durationMinutes,
  randomize: any.randomize
})

const example: SplitInput = {
  id: OrderId.make("order-1"),
  totalQuantity: 1000,
  numSplits: 10,
  durationMinutes: 60,
  randomize: true
}

const sum = (numbers: ReadonlyArray<number>) => numbers.reduce((total, number) => total + number, 0)
const range = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, index) => from + index)

describe("split", () => {
  it.prop("gives exactly numSplits slices of at least 1 that sum to the total", [AnyOrder], ([any]) => {
    const order = orderOf(any)
    const slices = split(order)
    assert.strictEqual(slices.length, order.numSplits)
    assert.isTrue(slices.every((slice) => Number.isInteger(slice.quantity) && slice.quantity >= 1))
    assert.strictEqual(sum(slices.map((slice) => slice.quantity)), order.totalQuantity)
    assert.deepStrictEqual(
      slices.map((slice) => slice.sequenceNumber),
      range(1, order.numSplits)
    )
  })

  it.prop("keeps quantities within ±20 % of the average, or as near as whole numbers allow", [AnyOrder], ([any]) => {
    const order = orderOf(any)
    const average = order.totalQuantity / order.numSplits
    const least = order.randomize ? Math.min(Math.ceil(average * 0.8), Math.floor(average)) : Math.floor(average)
    const most = order.randomize ? Math.max(Math.floor(average * 1.2), Math.ceil(average)) : Math.ceil(average)
    for (const { quantity } of split(order)) {
      assert.isAtLeast(quantity, least)
      assert.isAtMost(quantity, most)
    }
  })

  it.prop("starts at the start, ends at the end, and rises strictly in between", [AnyOrder], ([any]) => {
    const order = orderOf(any)
    const offsets = split(order).map((slice) => slice.offsetMillis)
    const window = order.durationMinutes * 60_000
    assert.strictEqual(offsets[0], 0)
    if (order.numSplits > 1) assert.strictEqual(offsets.at(-1), window)
    for (const [index, offset] of offsets.entries()) {
      if (index > 0 && window > 0) assert.isAbove(offset, offsets[index - 1] ?? 0)
      if (window === 0) assert.strictEqual(offset, 0)
    }
  })

  it.prop("moves inner slices by at most 30 % of the interval, and only when randomized", [AnyOrder], ([any]) => {
    const order = orderOf(any)
    if (order.numSplits < 3) return
    const interval = (order.durationMinutes * 60_000) / (order.numSplits - 1)
    const play = (order.randomize ? 0.3 * interval : 0) + 0.5
    for (const [index, slice] of split(order).entries()) {
      assert.isAtMost(Math.abs(slice.offsetMillis - index * interval), play + 1e-6)
    }
  })

  it.prop("never strays from the straight line by more than a fraction of a slice", [AnyOrder], ([any]) => {
    const order = orderOf(any)
    const average = order.totalQuantity / order.numSplits
    let cumulative = 0
    for (const slice of split(order)) {
      cumulative += slice.quantity
      const deviation = Math.abs(cumulative - slice.sequenceNumber * average)
      assert.isAtMost(deviation, 0.1 * average + 1)
    }
  })

  it.prop("gives the same slices for the same order", [AnyOrder], ([any]) => {
    assert.deepStrictEqual(split(orderOf(any)), split(orderOf(any)))
  })

  it("gives every slice its own id and an alphanumeric tag of at most 20 characters", () => {
    const slices = split({ ...example, numSplits: 1000 })
    assert.strictEqual(new Set(slices.map((slice) => slice.id)).size, 1000)
    assert.strictEqual(new Set(slices.map((slice) => slice.tag)).size, 1000)
    assert.isTrue(slices.every((slice) => /^[A-Za-z0-9]{1,20}$/.test(slice.tag)))
  })

  it("stays the same from version to version", () => {
    const slices = split(example)
    assert.deepStrictEqual(
      slices.map((slice) => [slice.quantity, slice.offsetMillis]),
      [
        [104, 0],
        [100, 392_048],
        [101, 744_337],
        [93, 1_319_164],
        [95, 1_602_643],
        [113, 1_995_754],
        [97, 2_286_483],
        [95, 2_811_480],
        [94, 3_319_322],
        [108, 3_600_000]
      ]
    )
    assert.strictEqual(slices[0]?.id, "sh3whp3kcmtnswjx96r3netjlk0a5or")
    assert.strictEqual(slices[0]?.tag, "PB13R9XMDCV1OVMV24C6")
  })

  it("really varies when randomized, and differs from order to order", () => {
    const quantities = (id: string) => split({ ...example, id: OrderId.make(id) }).map((slice) => slice.quantity)
    assert.isAbove(new Set(quantities("order-1")).size, 3)
    assert.notDeepEqual(quantities("order-1"), quantities("order-2"))
  })

  it("splits evenly without randomization", () => {
    const slices = split({ ...example, totalQuantity: 103, randomize: false })
    assert.deepStrictEqual(
      slices.map((slice) => slice.quantity),
      [10, 10, 10, 11, 10, 10, 11, 10, 10, 11]
    )
    assert.deepStrictEqual(
      slices.map((slice) => slice.offsetMillis / 1000),
      range(0, 9).map((k) => k * 400)
    )
  })

  it("handles the edges: one slice, quantity = splits, 1000 slices, duration 0", () => {
    const quantities = (order: Partial<SplitInput>) => split({ ...example, ...order }).map((slice) => slice.quantity)
    assert.deepStrictEqual(quantities({ numSplits: 1 }), [1000])
    assert.deepStrictEqual(
      quantities({ numSplits: 1000 }),
      range(1, 1000).map(() => 1)
    )
    assert.strictEqual(sum(quantities({ totalQuantity: 2_147_483_647, numSplits: 1000 })), 2_147_483_647)
    assert.deepStrictEqual(
      split({ ...example, durationMinutes: 0 }).map((slice) => slice.offsetMillis),
      range(1, 10).map(() => 0)
    )
  })
})
