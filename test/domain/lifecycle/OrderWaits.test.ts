import { assert, describe, it } from "@effect/vitest"
import { OrderWaits } from "../../../src/domain/lifecycle/OrderWaits.ts"
import { OrderId } from "../../../src/domain/model/Ids.ts"

const [one, other] = [OrderId.make("one"), OrderId.make("other")]

describe("the waits of orders", () => {
  it("grow from 5 s to 5 min while refusals go on, and concern one order", () => {
    const waits = new OrderWaits()
    let now = 0
    const lengths = Array.from({ length: 9 }, () => {
      const until = waits.refused(one, "shut", now, now)
      const length = until - now
      assert.deepInclude(waits.admit(one, until - 1), { words: "shut" })
      assert.isNull(waits.admit(one, until))
      now = until
      return length / 1000
    })
    assert.deepStrictEqual(lengths, [5, 10, 20, 40, 80, 160, 300, 300, 300])
    waits.refused(one, "shut", now, now)
    assert.isNull(waits.admit(other, now))
  })

  it("count placements that were sent together as one, and end with another answer", () => {
    const waits = new OrderWaits()
    const first = waits.refused(one, "shut", 0, 10)
    assert.strictEqual(waits.refused(one, "shut", 1, 20), first)
    waits.ended(one)
    assert.isNull(waits.admit(one, 30))
    assert.strictEqual(waits.refused(one, "shut", 30, 30), 5030)
  })

  it("end with one placement that finds out, while the others wait for its answer", () => {
    const waits = new OrderWaits()
    waits.refused(one, "shut", 0, 0)
    assert.isNull(waits.admit(one, 5000))
    assert.deepStrictEqual(waits.admit(one, 5000), { untilMillis: 6000, words: "shut" })
    waits.unclear(one)
    assert.isNull(waits.admit(one, 5001))
    // It may never be answered.
    assert.isNotNull(waits.admit(one, 35_000))
    assert.isNull(waits.admit(one, 35_001))
    waits.ended(one)
    assert.deepStrictEqual([waits.admit(one, 35_002), waits.admit(one, 35_002)], [null, null])
  })

  it("are void after the clock was set back", () => {
    const waits = new OrderWaits()
    waits.refused(one, "shut", 10_000_000, 10_000_000)
    assert.isNull(waits.admit(one, 0))
  })
})
