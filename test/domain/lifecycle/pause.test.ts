import { assert, describe, it } from "@effect/vitest"
import { isPausedUntil } from "../../../src/domain/lifecycle/pause.ts"

describe("a pause", () => {
  it("lasts until its end", () => {
    assert.deepStrictEqual(
      [1000, 1500, 1999, 2000, 2001].map((now) => isPausedUntil(now, 2000, 1000)),
      [true, true, true, false, false]
    )
  })

  it("is void where it would last longer than any of its kind: the clock was set back", () => {
    assert.deepStrictEqual(
      [999, 0, -3_600_000].map((now) => isPausedUntil(now, 2000, 1000)),
      [false, false, false]
    )
  })

  it("has not begun without an end", () => {
    assert.isFalse(isPausedUntil(0, 0, 1000))
    assert.isFalse(isPausedUntil(0, -Infinity, 1000))
  })
})
