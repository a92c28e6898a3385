import { assert, describe, it } from "@effect/vitest"
import { isLate, nextTurn, recentMillis } from "../../../src/domain/lifecycle/turns.ts"

const dueAt = (...millis: ReadonlyArray<number>) => millis.map((notBeforeMillis) => ({ notBeforeMillis }))

/** The due times in the order of their turns, from the first turn on. */
const inTurn = (millis: ReadonlyArray<number>, nowMillis: number) => {
  const left = dueAt(...millis)
  return millis.map((_, index) => {
    const next = nextTurn(left, nowMillis, index + 1) ?? assert.fail()
    return left.splice(next, 1)[0]?.notBeforeMillis
  })
}

describe("turns", () => {
  it("go to what became due last, and every fifth to what has waited longest", () => {
    assert.deepStrictEqual(inTurn([1, 2, 3, 4, 5, 6, 7], 10), [7, 6, 5, 4, 1, 2, 3])
  })

  it("go in the order of due times while few wait", () => {
    assert.deepStrictEqual(inTurn([1, 2, 3], 10), [1, 2, 3])
  })

  it("go in the order of due times to what is more than a minute late", () => {
    const now = recentMillis + 100
    assert.deepStrictEqual(inTurn([1, 2, 3, 200, 300], now), [300, 200, 1, 2, 3])
  })

  it("go to nobody who is not due, and to the first of those with one due time", () => {
    assert.isNull(nextTurn([], 10, 1))
    assert.isNull(nextTurn(dueAt(11, 12), 10, 1))
    assert.isNull(nextTurn(dueAt(11, 12), 10, 5))
    assert.strictEqual(nextTurn(dueAt(3, 10, 10, 10, 11), 10, 1), 1)
  })

  it("count a slice as late that is due for more than a second", () => {
    assert.isFalse(isLate({ notBeforeMillis: 0 }, 1000))
    assert.isTrue(isLate({ notBeforeMillis: 0 }, 1001))
  })
})
