import { assert, describe, it } from "@effect/vitest"
import { quantile } from "../../../src/domain/numbers/quantile.ts"

const upTo = (count: number) => Array.from({ length: count }, (_, index) => index + 1)

describe("a quantile", () => {
  it("is the nearest rank, so that p99 of 100 values is not their maximum", () => {
    assert.strictEqual(quantile(upTo(100), 0.5), 50)
    assert.strictEqual(quantile(upTo(100), 0.99), 99)
    assert.strictEqual(quantile(upTo(100), 1), 100)
    assert.strictEqual(quantile(upTo(101), 0.99), 100)
  })

  it("is always one of the values, the minimum and the maximum at the ends", () => {
    assert.strictEqual(quantile([1, 2], 0.5), 1)
    assert.strictEqual(quantile([1, 2, 3], 0.5), 2)
    assert.strictEqual(quantile([3, 7], 0), 3)
    assert.strictEqual(quantile([3, 7], 1), 7)
    assert.strictEqual(quantile([7], 0.99), 7)
  })

  it("of no values is null", () => assert.isNull(quantile([], 0.5)))
})
