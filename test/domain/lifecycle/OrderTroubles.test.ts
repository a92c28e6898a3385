import { assert, describe, it } from "@effect/vitest"
import { OrderTroubles } from "../../../src/domain/lifecycle/OrderTroubles.ts"
import { OrderId } from "../../../src/domain/model/Ids.ts"

const [poisoned, healthy] = [OrderId.make("poisoned"), OrderId.make("healthy")]

describe("an order without clear answers", () => {
  it("waits by itself, longer each time, while another order gets clear answers", () => {
    const troubles = new OrderTroubles()
    troubles.answered(healthy, 0)
    assert.deepStrictEqual(
      [1000, 1001].map((at) => troubles.unclear(poisoned, at)),
      [true, true]
    )
    assert.isNull(troubles.waitsUntil(poisoned, 1002, null))
    assert.isFalse(troubles.unclear(poisoned, 2000))
    assert.strictEqual(troubles.waitsUntil(poisoned, 2001, null), 17_000)
    assert.isNull(troubles.waitsUntil(healthy, 2001, null))
    assert.isNull(troubles.waitsUntil(poisoned, 17_000, null))
    assert.isFalse(troubles.unclear(poisoned, 17_500))
    assert.strictEqual(troubles.waitsUntil(poisoned, 17_501, null), 47_500)
    troubles.answered(poisoned, 50_000)
    assert.isNull(troubles.waitsUntil(poisoned, 50_001, null))
  })

  it("counts as a sign of a broken broker while no other order was answered within a minute", () => {
    const troubles = new OrderTroubles()
    troubles.answered(poisoned, 0)
    for (const at of [1, 2, 3, 4]) assert.isTrue(troubles.unclear(poisoned, at))
    troubles.answered(healthy, 5)
    assert.isFalse(troubles.unclear(poisoned, 60_000))
    assert.isTrue(troubles.unclear(poisoned, 60_005))
  })

  it("leaves the circuit breaker's probe to others for a second", () => {
    const troubles = new OrderTroubles()
    troubles.unclear(poisoned, 0)
    assert.isNull(troubles.waitsUntil(poisoned, 15_000, 15_000))
    troubles.answered(healthy, 1)
    assert.strictEqual(troubles.waitsUntil(poisoned, 15_000, 15_000), 16_000)
    assert.isNull(troubles.waitsUntil(healthy, 15_000, 15_000))
    assert.isNull(troubles.waitsUntil(poisoned, 16_000, 15_000))
  })

  it("does not wait longer because the clock was set back, nor takes the broker for well by an answer of the future", () => {
    const troubles = new OrderTroubles()
    const ahead = 3_600_000
    troubles.answered(healthy, ahead)
    for (const at of [1, 2, 3]) troubles.unclear(poisoned, ahead + at)
    assert.isNotNull(troubles.waitsUntil(poisoned, ahead + 4, null))
    assert.isNull(troubles.waitsUntil(poisoned, 4, null))
    assert.isNull(troubles.waitsUntil(poisoned, 4, ahead))
    assert.isTrue(troubles.unclear(poisoned, 4))
  })
})
