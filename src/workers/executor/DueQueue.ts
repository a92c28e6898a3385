import type { OrderId } from "../../domain/model/Ids.ts"
import type { ClaimedSlice } from "../../domain/model/OrderSlice.ts"

/** Claimed slices in the order of their due times. Plain memory, owned by one executor. */
export class DueQueue {
  private slices: Array<ClaimedSlice> = []

  get size(): number {
    return this.slices.length
  }

  /** The slice that is due next; it stays in the queue. */
  peek(): ClaimedSlice | undefined {
    return this.slices[0]
  }

  /** Takes the next slice if it is due by now, in milliseconds since 1970. */
  takeDue(nowMillis: number): ClaimedSlice | undefined {
    const next = this.slices[0]
    return next !== undefined && next.notBeforeMillis <= nowMillis ? this.slices.shift() : undefined
  }

  add(claimed: ReadonlyArray<ClaimedSlice>): void {
    this.slices = [...this.slices, ...claimed].toSorted((a, b) => a.notBeforeMillis - b.notBeforeMillis)
  }

  orderIds(): ReadonlySet<OrderId> {
    return new Set(this.slices.map((slice) => slice.orderId))
  }

  /** Removes and returns every slice of these orders. */
  removeOrders(orderIds: ReadonlySet<OrderId>): ReadonlyArray<ClaimedSlice> {
    const removed = this.slices.filter((slice) => orderIds.has(slice.orderId))
    this.slices = this.slices.filter((slice) => !orderIds.has(slice.orderId))
    return removed
  }

  /** Removes and returns all slices. */
  drain(): ReadonlyArray<ClaimedSlice> {
    const all = this.slices
    this.slices = []
    return all
  }
}
