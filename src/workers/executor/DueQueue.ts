import { countDue, nextTurn } from "../../domain/lifecycle/turns.ts"
import type { OrderId } from "../../domain/model/Ids.ts"
import type { ClaimedSlice } from "../../domain/model/OrderSlice.ts"

/** Claimed slices in the order of their due times. Plain memory, owned by one executor. */
export class DueQueue {
  private slices: Array<ClaimedSlice> = []
  /** The number of the next turn. */
  private turn = 1

  get size(): number {
    return this.slices.length
  }

  /** The slice with the earliest due time; it stays in the queue. */
  peek(): ClaimedSlice | undefined {
    return this.slices[0]
  }

  /** How many of the slices are due by now, in milliseconds since 1970. */
  dueBy(nowMillis: number): number {
    return countDue(this.slices, nowMillis)
  }

  /** Takes one of the slices that are due by now, in milliseconds since 1970: the one whose turn it is. */
  takeDue(nowMillis: number): ClaimedSlice | undefined {
    const index = nextTurn(this.slices, nowMillis, this.turn)
    if (index === null) return undefined
    this.turn += 1
    return this.slices.splice(index, 1)[0]
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
