import { BigDecimal } from "effect"
import type { Placement } from "../src/broker/Broker.ts"
import type { OrderQueueStatus } from "../src/domain/model/Order.ts"
import type { Stage } from "../src/domain/model/OrderSlice.ts"
import { type Exchange, exposureOf, type LedgerOrder } from "./Exchange.ts"
import type { RunningProcess } from "./RunningProcess.ts"
import { type Database, readOnlyOperations } from "./store/Database.ts"
import type { OrderRow, SliceRow } from "./store/rows.ts"
import type { World } from "./World.ts"

/** One request to place, from the moment of its last check on. */
export interface Send {
  readonly placement: Placement
  readonly process: RunningProcess
  readonly orderId: string
  readonly claimVersion: number
  state: "under way" | "aborted" | "left" | "refused" | "arrived"
  leftMillis: number | null
  order: LedgerOrder | null
}

/** What a slice was like after the statement before. */
interface Known {
  readonly stage: Stage
  readonly claimVersion: number
  readonly notAfterWhenClaimed: number
  readonly brokerOrderId: string | null
  readonly brokerStatus: string | null
  readonly brokerIsFinal: boolean
  readonly filledQuantity: number
}

/** A process's clock is behind the database's by a round trip and what a suspension may hide, never ahead. */
const clockToleranceMillis = 600

/** Watches a run and says what is wrong, at once where that can be seen. It knows the true time and the true ledger. */
export class Judge {
  readonly problems: Array<string> = []
  readonly sends: Array<Send> = []
  private readonly known = new Map<string, Known>()
  private readonly knownOrders = new Map<string, OrderQueueStatus>()
  private readonly cancelled = new Set<string>()
  private readonly pausedOrders = new Set<string>()
  private readonly sentClaims = new Map<string, Send>()
  private changes: Array<string> = []
  private isHalted = false
  private isHaltRequested = false

  private readonly world: World
  private readonly database: Database
  private readonly exchange: Exchange

  constructor(world: World, database: Database, exchange: Exchange) {
    this.world = world
    this.database = database
    this.exchange = exchange
  }

  reportViolation(problem: string): void {
    this.problems.push(`at ${this.world.seconds.toFixed(3)} s: ${problem}`)
    this.world.traced?.(() => `WRONG: ${problem}`)
  }

  cancelAcknowledged(orderId: string): void {
    this.cancelled.add(orderId)
    this.world.traced?.(() => `operator: the cancel of ${orderId} is acknowledged`)
  }

  paused(orderId: string, isPaused: boolean): void {
    if (isPaused) this.pausedOrders.add(orderId)
    else this.pausedOrders.delete(orderId)
    this.world.traced?.(() => `operator: ${orderId} ${isPaused ? "is quiet" : "goes on"}`)
  }

  haltRequested(isRequested: boolean): void {
    this.isHaltRequested = isRequested
  }

  halted(isHalted: boolean): void {
    this.isHalted = isHalted
    this.world.traced?.(() => `operator: ${isHalted ? "halted, all have acknowledged" : "resumes"}`)
  }

  /** A process has checked for the last time that it may place, and begins to. */
  leaving(process: RunningProcess, placement: Placement): Send {
    const { sliceId, tag } = placement
    const slice = this.database.tables().slices.get(sliceId)
    const send: Send = {
      placement,
      process,
      orderId: slice?.orderId ?? "",
      claimVersion: slice?.claimVersion ?? -1,
      state: "under way",
      leftMillis: null,
      order: null
    }
    this.sends.push(send)
    this.world.traced?.(() => `${process.id} places ${tag} of ${send.orderId}, claim ${send.claimVersion}`)
    if (slice === undefined) this.reportViolation(`${tag} is placed, but belongs to no slice`)
    else this.checkLeaving(process, placement, slice)
    const claim = `${sliceId}:${send.claimVersion}`
    if (this.sentClaims.has(claim)) this.reportViolation(`${tag} is placed twice under one claim`)
    this.sentClaims.set(claim, send)
    this.checkStops(send)
    return send
  }

  private checkLeaving(process: RunningProcess, placement: Placement, slice: Readonly<SliceRow>): void {
    const now = this.world.nowMillis
    const say = (problem: string) =>
      this.reportViolation(`${slice.tag} of ${slice.orderId} is placed by ${process.id} ${problem}`)
    if (now < slice.notBefore) say(`${(slice.notBefore - now).toFixed(3)} ms early`)
    const notAfter = Math.max(slice.notAfter, this.known.get(slice.id)?.notAfterWhenClaimed ?? 0)
    if (now > notAfter + clockToleranceMillis) say(`${Math.round(now - notAfter)} ms after its window`)
    if (slice.stage !== "IN_PROGRESS") say(`while it is ${slice.stage}`)
    else if (slice.claimedBy !== process.id) say(`while ${slice.claimedBy} owns it`)
    else if (slice.outcomeUnknownAt !== null) say("while its outcome is unknown")
    if (slice.leaseExpiresAt !== null && now > slice.leaseExpiresAt) {
      say(`${Math.round(now - slice.leaseExpiresAt)} ms after its lease`)
    }
    if (!isAsPlanned(placement, slice)) say("with other parameters than planned")
  }

  private checkStops({ orderId, placement }: Send): void {
    if (this.cancelled.has(orderId)) this.reportViolation(`${placement.tag} is placed after the cancel of ${orderId}`)
    if (this.pausedOrders.has(orderId)) this.reportViolation(`${placement.tag} is placed while ${orderId} is paused`)
    if (this.isHalted) this.reportViolation(`${placement.tag} of ${orderId} is placed after the halt`)
  }

  /** The request leaves the process. */
  left(send: Send): void {
    send.state = "left"
    send.leftMillis = this.world.nowMillis
    this.checkStops(send)
  }

  aborted(send: Send): void {
    send.state = "aborted"
  }

  refused(send: Send): void {
    send.state = "refused"
    this.world.traced?.(() => `the exchange refuses ${send.placement.tag}`)
  }

  arrived(send: Send, order: LedgerOrder): void {
    send.state = "arrived"
    send.order = order
    const { tag } = send.placement
    this.world.traced?.(() => `the exchange has ${tag} as ${order.brokerOrderId}`)
    const orders = this.exchange.ordersOf(tag)
    if (orders.length > 1) this.reportViolation(`DOUBLE: ${tag} of ${send.orderId} has ${orders.length} broker orders`)
    const total = this.database.tables().orders.get(send.orderId)?.totalQuantity ?? 0
    const exposure = this.sends
      .filter(({ orderId }) => orderId === send.orderId)
      .reduce((sum, { order }) => sum + (order === null ? 0 : exposureOf(order, this.world.seconds)), 0)
    if (exposure > total) this.reportViolation(`${send.orderId} wants ${total}, but ${exposure} may be filled`)
  }

  /** A statement has taken effect. */
  committed(operation: string): void {
    if (readOnlyOperations.has(operation)) return
    const { slices, orders } = this.database.tables()
    for (const slice of slices.values()) this.checkChange(slice, operation)
    for (const change of this.changes.toSorted()) this.world.traced?.(() => change)
    this.changes = []
    const sums = new Map<string, number>()
    for (const { orderId, replacedBy, quantity, carriedQuantity } of slices.values()) {
      if (replacedBy === null) sums.set(orderId, (sums.get(orderId) ?? 0) + quantity - carriedQuantity)
    }
    for (const order of orders.values()) {
      this.checkOrder(order, operation)
      const sum = sums.get(order.id) ?? 0
      // What is planned, sent, filled and given up of an order is what was ordered, at every moment.
      if (order.orderQueueStatus !== "DONE" || sum === order.totalQuantity) continue
      this.reportViolation(`${operation}: the slices of ${order.id} come to ${sum}, not ${order.totalQuantity}`)
    }
  }

  private checkOrder({ id, orderQueueStatus }: Readonly<OrderRow>, operation: string): void {
    const before = this.knownOrders.get(id)
    if (before === orderQueueStatus) return
    const isFinal = before === "DONE" || before === "FAILED" || before === "SKIPPED"
    if (isFinal) this.reportViolation(`${operation}: ${id} was ${before} and is ${orderQueueStatus}`)
    this.knownOrders.set(id, orderQueueStatus)
  }

  private checkChange(slice: Readonly<SliceRow>, operation: string): void {
    const before = this.known.get(slice.id)
    const isNewClaim = before === undefined || before.claimVersion !== slice.claimVersion
    if (before !== undefined)
      this.compare(before, slice, operation, (problem) => this.reportViolation(`${operation}: ${slice.tag} ${problem}`))
    if (isNewClaim && before !== undefined && slice.stage === "IN_PROGRESS") this.checkClaim(slice)
    if (slice.outcomeUnknownAt !== null) this.checkDoubt(slice, slice.outcomeUnknownAt)
    if (before !== undefined && !isNewClaim && isSame(before, slice)) return
    const notAfterWhenClaimed = isNewClaim ? slice.notAfter : before.notAfterWhenClaimed
    const { stage, claimVersion, brokerOrderId, brokerStatus, brokerIsFinal, filledQuantity } = slice
    if (this.world.traced !== null && before?.stage !== stage) {
      this.changes.push(`${slice.orderId} ${slice.tag} is ${stage}, claim ${claimVersion}`)
    }
    this.known.set(slice.id, {
      stage,
      claimVersion,
      notAfterWhenClaimed,
      brokerOrderId,
      brokerStatus,
      brokerIsFinal,
      filledQuantity
    })
  }

  /** From the commit of a cancel, a hold or a halt on nothing is claimed, long before it is acknowledged. */
  private checkClaim({ tag, orderId }: Readonly<SliceRow>): void {
    const order = this.database.tables().orders.get(orderId)
    if (order !== undefined && order.cancelRequestedAt !== null)
      this.reportViolation(`${tag} is claimed after the cancel of ${orderId}`)
    if (order !== undefined && order.holdReason !== null)
      this.reportViolation(`${tag} is claimed while ${orderId} is on hold`)
    if (this.isHaltRequested) this.reportViolation(`${tag} is claimed after the halt`)
  }

  /** The quarantine is counted from there: not from before the request left. */
  private checkDoubt({ id, tag, claimVersion }: Readonly<SliceRow>, unknownAt: number): void {
    const leftMillis = this.sentClaims.get(`${id}:${claimVersion}`)?.leftMillis ?? null
    if (leftMillis === null || unknownAt >= leftMillis - clockToleranceMillis) return
    this.reportViolation(`${tag} is in doubt since ${Math.round(leftMillis - unknownAt)} ms before its request left`)
  }

  private compare(before: Known, slice: Readonly<SliceRow>, operation: string, say: (problem: string) => void): void {
    if (slice.claimVersion < before.claimVersion) say("has a lower claim_version than before")
    const isFinal = before.stage === "PROCESSED" || before.stage === "FAILED" || before.stage === "SKIPPED"
    // What was given up may turn up in the book after all.
    const isTakenOver = operation === "RecoveryStore.takeOver" && before.stage !== "PROCESSED"
    if (isFinal && slice.stage !== before.stage && !isTakenOver) say(`was ${before.stage} and is ${slice.stage}`)
    if (slice.filledQuantity > slice.quantity) say(`is filled beyond its quantity`)
    if (before.stage !== "PROCESSED") return
    if (slice.brokerOrderId !== before.brokerOrderId) say(`was ${before.brokerOrderId} and is ${slice.brokerOrderId}`)
    if (slice.filledQuantity < before.filledQuantity) say("has less filled than before")
    if (before.brokerIsFinal && slice.brokerStatus !== before.brokerStatus) say("changed after its broker order's end")
  }
}

const isSame = (before: Known, slice: Readonly<SliceRow>): boolean =>
  before.stage === slice.stage &&
  before.brokerOrderId === slice.brokerOrderId &&
  before.brokerStatus === slice.brokerStatus &&
  before.brokerIsFinal === slice.brokerIsFinal &&
  before.filledQuantity === slice.filledQuantity

const isAsPlanned = (placement: Placement, slice: Readonly<SliceRow>): boolean =>
  placement.tag === slice.tag &&
  placement.instrument === slice.instrument &&
  placement.side === slice.side &&
  placement.quantity === slice.quantity &&
  placement.orderType === slice.orderType &&
  samePrice(placement.limitPrice, slice.limitPrice)

export const samePrice = (a: BigDecimal.BigDecimal | null, b: BigDecimal.BigDecimal | null): boolean =>
  a === null || b === null ? a === b : BigDecimal.equals(a, b)
