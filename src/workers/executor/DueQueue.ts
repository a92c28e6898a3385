import { countDue, nextTurn } from "../../domain/lifecycle/turns.ts"
import type { OrderId } from "../../domain/model/Ids.ts"
import type { ClaimedSlice } from "../../domain/model/OrderSlice.ts"

/** Claimed slices in the order of their due times. Plain memory, owned by one executor. */
export class DueQueue {
  private slices: Array<ClaimedSlice> = []
  /** The index of the first slice; those before it are taken. */
  private head = 0
  /** The number of the next turn. */
  private turn = 1

  get size(): number {
    return this.slices.length - this.head
  }

  /** The slice with the earliest due time; it stays in the queue. */
  peek(): ClaimedSlice | undefined {
    return this.slices[this.head]
  }

  /** How many of the slices are due by now, in milliseconds since 1970. */
  dueBy(nowMillis: number): number {
    return countDue(this.slices, nowMillis, this.head)
  }

  /** Takes one of the slices that are due by now, in milliseconds since 1970: the one whose turn it is. */
  takeDue(nowMillis: number): ClaimedSlice | undefined {
    const index = nextTurn(this.slices, nowMillis, this.turn, this.head)
    if (index === null) return undefined
    this.turn += 1
    if (index > this.head) return this.slices.splice(index, 1)[0]
    this.head += 1
    return this.slices[index]
  }

  add(claimed: ReadonlyArray<ClaimedSlice>): void {
    this.keep([...this.waiting(), ...claimed].toSorted((a, b) => a.notBeforeMillis - b.notBeforeMillis))
  }

  orderIds(): ReadonlySet<OrderId> {
    return new Set(this.waiting().map((slice) => slice.orderId))
  }

  /** Removes and returns every slice of these orders. */
  removeOrders(orderIds: ReadonlySet<OrderId>): ReadonlyArray<ClaimedSlice> {
    if (orderIds.size === 0) return []
    const all = this.waiting()
    this.keep(all.filter((slice) => !orderIds.has(slice.orderId)))
    return all.filter((slice) => orderIds.has(slice.orderId))
  }

  /** Removes and returns all slices. */
  drain(): ReadonlyArray<ClaimedSlice> {
    const all = this.waiting()
    this.keep([])
    return all
  }

  private waiting(): ReadonlyArray<ClaimedSlice> {
    return this.slices.slice(this.head)
  }

  private keep(slices: Array<ClaimedSlice>): void {
    this.slices = slices
    this.head = 0
  }
}
