import { assert, describe, it } from "@effect/vitest"
import { OrderId } from "../../../src/domain/model/Ids.ts"
import { DueQueue } from "../../../src/workers/executor/DueQueue.ts"
import { sliceDueAt } from "../../support/memoryStores.ts"

const queueOf = (...slices: ReadonlyArray<ReturnType<typeof sliceDueAt>>) => {
  const queue = new DueQueue()
  queue.add(slices)
  return queue
}

describe("DueQueue", () => {
  it("returns slices in due order, whatever the order of their arrival", () => {
    const queue = queueOf(sliceDueAt(3), sliceDueAt(1))
    queue.add([sliceDueAt(2)])
    assert.deepStrictEqual(
      queue.drain().map((slice) => slice.notBeforeMillis),
      [1, 2, 3]
    )
    assert.strictEqual(queue.size, 0)
  })

  it("returns nothing that is not due", () => {
    const queue = queueOf(sliceDueAt(5))
    assert.isUndefined(queue.takeDue(4.999))
    assert.strictEqual(queue.peek()?.notBeforeMillis, 5)
    assert.strictEqual(queue.takeDue(5)?.notBeforeMillis, 5)
    assert.isUndefined(queue.takeDue(5))
  })

  it("removes only the slices of the given orders", () => {
    const queue = queueOf(sliceDueAt(1, "a1", "a"), sliceDueAt(2, "b1", "b"), sliceDueAt(3, "a2", "a"))
    assert.deepStrictEqual(
      queue.removeOrders(new Set([OrderId.make("a")])).map((slice) => slice.id as string),
      ["a1", "a2"]
    )
    assert.deepStrictEqual([...queue.orderIds()], ["b"])
  })
})
