import type { OrderQueueStatus } from "../src/domain/model/Order.ts"
import type { Stage } from "../src/domain/model/OrderSlice.ts"
import { claimKey, clockToleranceMillis, type Evidence } from "./Evidence.ts"
import type { OperatorPromises } from "./OperatorPromises.ts"
import { readOnlyOperations } from "./store/Database.ts"
import type { OrderRow, SliceRow } from "./store/rows.ts"

/** A slice after the previous statement. */
interface KnownSlice {
  readonly stage: Stage
  readonly claimVersion: number
  readonly notAfterWhenClaimed: number
  readonly brokerOrderId: string | null
  readonly brokerStatus: string | null
  readonly brokerIsFinal: boolean
  readonly filledQuantity: number
}

/** Judges the tables after each statement: which changes of slices and orders are allowed, and that quantities add up. */
export class StatementWatch {
  private readonly known = new Map<string, KnownSlice>()
  private readonly knownOrders = new Map<string, OrderQueueStatus>()
  private changes: Array<string> = []
  private readonly evidence: Evidence
  private readonly promises: OperatorPromises

  constructor(evidence: Evidence, promises: OperatorPromises) {
    this.evidence = evidence
    this.promises = promises
  }

  /** The end of a slice's window as it was when the slice was last claimed, in milliseconds since 1970; 0 if unknown. */
  notAfterWhenClaimed(sliceId: string): number {
    return this.known.get(sliceId)?.notAfterWhenClaimed ?? 0
  }

  /** To be called after each statement that has taken effect. */
  committed(operation: string): void {
    if (readOnlyOperations.has(operation)) return
    const { slices, orders } = this.evidence.database.tables()
    for (const slice of slices.values()) this.checkSlice(slice, operation)
    for (const change of this.changes.toSorted()) this.evidence.world.traced?.(() => change)
    this.changes = []
    const sums = new Map<string, number>()
    for (const { orderId, replacedBy, quantity, carriedQuantity } of slices.values()) {
      if (replacedBy === null) sums.set(orderId, (sums.get(orderId) ?? 0) + quantity - carriedQuantity)
    }
    for (const order of orders.values()) {
      this.checkOrder(order, operation)
      const sum = sums.get(order.id) ?? 0
      // Conservation: the slices that count, less what was carried on, add up to the order at every moment.
      if (order.orderQueueStatus !== "DONE" || sum === order.totalQuantity) continue
      this.report(operation, `the slices of ${order.id} come to ${sum}, not ${order.totalQuantity}`)
    }
  }

  private report(operation: string, problem: string): void {
    this.evidence.reportViolation(`${operation}: ${problem}`)
  }

  private checkOrder({ id, orderQueueStatus }: Readonly<OrderRow>, operation: string): void {
    const before = this.knownOrders.get(id)
    if (before === orderQueueStatus) return
    const isFinal = before === "DONE" || before === "FAILED" || before === "SKIPPED"
    if (isFinal) this.report(operation, `${id} was ${before} and is ${orderQueueStatus}`)
    this.knownOrders.set(id, orderQueueStatus)
  }

  private checkSlice(slice: Readonly<SliceRow>, operation: string): void {
    const before = this.known.get(slice.id)
    const isNewClaim = before === undefined || before.claimVersion !== slice.claimVersion
    if (before !== undefined) {
      const isOdd = this.evidence.exchange.ordersOf(slice.tag).some(({ oddity }) => oddity !== null)
      for (const problem of wrongChanges(before, slice, operation, isOdd))
        this.report(operation, `${slice.tag} ${problem}`)
    }
    if (isNewClaim && before !== undefined && slice.stage === "IN_PROGRESS") this.checkClaim(slice)
    if (slice.outcomeUnknownAt !== null) this.checkDoubt(slice, slice.outcomeUnknownAt)
    if (before !== undefined && !isNewClaim && isSame(before, slice)) return
    const notAfterWhenClaimed = isNewClaim ? slice.notAfter : before.notAfterWhenClaimed
    const { stage, claimVersion, brokerOrderId, brokerStatus, brokerIsFinal, filledQuantity } = slice
    if (this.evidence.world.traced !== null && before?.stage !== stage) {
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

  /** No slice may be claimed once a cancel, a hold or a halt is committed. */
  private checkClaim({ tag, orderId }: Readonly<SliceRow>): void {
    const { evidence } = this
    const order = evidence.database.tables().orders.get(orderId)
    if (order !== undefined && order.cancelRequestedAt !== null)
      evidence.reportViolation(`${tag} is claimed after the cancel of ${orderId}`)
    if (order !== undefined && order.holdReason !== null)
      evidence.reportViolation(`${tag} is claimed while ${orderId} is on hold`)
    if (this.promises.isClaimingHalted) evidence.reportViolation(`${tag} is claimed after the halt`)
  }

  /** The quarantine starts with the doubt, so the doubt must not be dated before the request left. */
  private checkDoubt({ id, tag, claimVersion }: Readonly<SliceRow>, unknownAt: number): void {
    const leftMillis = this.evidence.sentClaims.get(claimKey(id, claimVersion))?.leftMillis ?? null
    if (leftMillis === null || unknownAt >= leftMillis - clockToleranceMillis) return
    const earlyMillis = Math.round(leftMillis - unknownAt)
    this.evidence.reportViolation(`${tag} is in doubt since ${earlyMillis} ms before its request left`)
  }
}

/** The forbidden changes between two states of a slice, in words. `isOdd`: its order was changed at the broker, or after its end. */
function* wrongChanges(
  before: KnownSlice,
  slice: Readonly<SliceRow>,
  operation: string,
  isOdd: boolean
): Iterable<string> {
  if (slice.claimVersion < before.claimVersion) yield "has a lower claim_version than before"
  const isFinal = before.stage === "PROCESSED" || before.stage === "FAILED" || before.stage === "SKIPPED"
  // Late arrivals: the broker order of a slice that was given up is found after all.
  const isTakenOver = operation === "RecoveryStore.takeOver" && before.stage !== "PROCESSED"
  if (isFinal && slice.stage !== before.stage && !isTakenOver) yield `was ${before.stage} and is ${slice.stage}`
  if (slice.filledQuantity > slice.quantity && !isOdd) yield `is filled beyond its quantity`
  if (before.stage !== "PROCESSED") return
  if (slice.brokerOrderId !== before.brokerOrderId) yield `was ${before.brokerOrderId} and is ${slice.brokerOrderId}`
  if (slice.filledQuantity < before.filledQuantity) yield "has less filled than before"
  const isRepaired = isOdd && operation === "SettlementStore.repair"
  if (before.brokerIsFinal && slice.brokerStatus !== before.brokerStatus && !isRepaired)
    yield "changed after its broker order's end"
}

const isSame = (before: KnownSlice, slice: Readonly<SliceRow>): boolean =>
  before.stage === slice.stage &&
  before.brokerOrderId === slice.brokerOrderId &&
  before.brokerStatus === slice.brokerStatus &&
  before.brokerIsFinal === slice.brokerIsFinal &&
  before.filledQuantity === slice.filledQuantity
