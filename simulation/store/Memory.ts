import type { DateTime } from "effect"
import type { DifferenceKind } from "../../src/domain/lifecycle/settlement.ts"
import type { BrokerOrderId, Tag } from "../../src/domain/model/Ids.ts"
import type { Reason } from "../../src/domain/model/reason.ts"
import type {
  DifferenceRow,
  EventRow,
  HaltRow,
  HistoryRow,
  OrderRow,
  PlanRow,
  SliceRow,
  Tables,
  WorkerRow
} from "./rows.ts"

/** A time rounded to microseconds, as PostgreSQL keeps it. */
export const micros = (millis: number): number => Math.round(millis * 1000) / 1000

/** A time as statements get it, in whole milliseconds since 1970. */
export const millisOf = (at: DateTime.Utc): number => at.epochMilliseconds

export const millisOrNull = (at: DateTime.Utc | null): number | null => (at === null ? null : at.epochMilliseconds)

/** The service's tables in memory. */
export class Memory implements Tables {
  readonly orders = new Map<string, OrderRow>()
  readonly slices = new Map<string, SliceRow>()
  readonly events = new Map<string, EventRow>()
  readonly doubles = new Map<Tag, ReadonlyArray<BrokerOrderId>>()
  readonly differences = new Map<string, DifferenceRow>()
  readonly halts: Array<HaltRow> = []
  readonly workers = new Map<string, WorkerRow>()
  /** What is known of the cancels of open broker orders, by the slice's id. */
  readonly cancels = new Map<string, { readonly tries: number; readonly refusal: Reason | null }>()
  /** Broker orders with tags that no slice had. */
  readonly orphans = new Map<Tag, { readonly brokerOrderIds: ReadonlyArray<BrokerOrderId>; isTold: boolean }>()
  readonly history: HistoryRow = {
    timeline: "00000001",
    recordedTimeline: "00000001",
    logPosition: 0,
    versionBase: 0,
    unsettled: null
  }
  private readonly plans = new Map<string, Array<PlanRow>>()
  private readonly byOrder = new Map<string, Array<SliceRow>>()

  plansOf(orderId: string): Array<PlanRow> {
    const plans = this.plans.get(orderId)
    if (plans !== undefined) return plans
    const none: Array<PlanRow> = []
    this.plans.set(orderId, none)
    return none
  }

  slicesOf(orderId: string): ReadonlyArray<SliceRow> {
    return this.byOrder.get(orderId) ?? []
  }

  addSlice(slice: SliceRow): void {
    this.slices.set(slice.id, slice)
    const others = this.byOrder.get(slice.orderId)
    if (others === undefined) this.byOrder.set(slice.orderId, [slice])
    else others.push(slice)
  }

  get isHistorySettled(): boolean {
    return this.history.unsettled === null && this.history.recordedTimeline === this.history.timeline
  }

  /** A copy of everything as it is now. */
  clone(): Memory {
    const copy = new Memory()
    copy.becomes(this)
    return copy
  }

  /** Takes over everything that another memory holds. */
  becomes(other: Memory): void {
    refill(this.orders, other.orders, (order) => ({ ...order }))
    this.slices.clear()
    this.byOrder.clear()
    for (const slice of other.slices.values()) this.addSlice({ ...slice })
    refill(this.events, other.events, (event) => event)
    refill(this.doubles, other.doubles, (ids) => ids)
    refill(this.orphans, other.orphans, (orphan) => ({ ...orphan }))
    refill(this.differences, other.differences, (difference) => ({ ...difference }))
    refill(this.cancels, other.cancels, (cancel) => cancel)
    refill(this.workers, other.workers, (worker) => ({ ...worker }))
    refill(this.plans, other.plans, (plans) => [...plans])
    this.halts.splice(0, this.halts.length, ...other.halts)
    Object.assign(this.history, other.history)
  }

  get isHalted(): boolean {
    return this.halts.at(-1)?.isHalted ?? false
  }

  /** The difference that people were told of is on record; null if they were told of none. */
  isOnRecord(tag: Tag, noted: DifferenceKind | null): boolean {
    return noted === null || this.differences.has(`${tag} ${noted}`)
  }

  /** Puts an order and its SCHEDULED slices on hold. */
  hold(orderId: string, reason: Reason, at: number): void {
    const order = this.orders.get(orderId)
    if (order === undefined) return
    order.heldAt = at
    order.holdReason = reason.text
    order.holdReasonCode = reason.code
    for (const slice of this.slicesOf(orderId)) if (slice.stage === "SCHEDULED") slice.isHeld = true
  }
}

const refill = <A>(map: Map<string, A>, from: ReadonlyMap<string, A>, copy: (value: A) => A): void => {
  map.clear()
  for (const [key, value] of from) map.set(key, copy(value))
}
