import { isOpenAtBroker } from "../src/domain/model/sliceState.ts"
import type { Send } from "./Evidence.ts"
import { brokerOrderAt, isOver } from "./Exchange.ts"
import type { LedgerOrder } from "./LedgerOrder.ts"
import { isFaulty, type Run } from "./Run.ts"
import { samePrice } from "./samePrice.ts"
import type { OrderRow, SliceRow } from "./store/rows.ts"
import { unnoticed } from "./unnoticed.ts"

/** Everything that may still change, in words. A run is over when this is empty. */
export const unfinished = (run: Run): ReadonlyArray<string> => {
  const { orders, slices } = run.database.tables()
  const missing = run.scenario.orders.filter(({ id }) => !orders.has(id)).map(({ id }) => `${id} is not there yet`)
  const moving = [...orders.values()].flatMap((order) => {
    if (order.orderQueueStatus === "PENDING" || order.orderQueueStatus === "IN_PROGRESS") {
      return [`${order.id} is ${order.orderQueueStatus}`]
    }
    return isFinished(order) ? [] : [`${order.id} is not finished`]
  })
  const open = [...slices.values()].flatMap((slice) => {
    const isOpen = slice.stage === "SCHEDULED" || slice.stage === "IN_PROGRESS"
    if (isOpen) return [`${slice.tag} of ${slice.orderId} is ${slice.stage}`]
    return isOpenAtBroker(slice) ? [`${slice.tag} of ${slice.orderId} is open`] : []
  })
  const travelling = run.judge.sends
    .filter(({ state, process }) => state === "under way" && !process.isDead)
    .map(({ placement }) => `${placement.tag} is under way`)
  const standing = [...run.processes.values()]
    .filter((process) => process.isStanding)
    .map(({ id }) => `${id} does not run`)
  const left = [...missing, ...moving, ...open, ...travelling, ...standing, ...unnoticed(run), ...unsettled(run)]
  return left.length === 0 ? unwritten(run) : left
}

/** Placements that a living process has not written to the audit yet; it retries until the database accepts them. */
const unwritten = (run: Run): ReadonlyArray<string> => {
  const { events } = run.database.tables()
  return run.judge.sends.flatMap(({ process, placement, claimVersion }) => {
    const id = `${placement.sliceId}:place:${claimVersion}`
    const isHere = run.processes.get(process.name) === process && !process.isEnding
    return events.has(id) || !isHere ? [] : [`the audit lacks ${id}`]
  })
}

const isFinished = (order: Readonly<OrderRow>): boolean => {
  if (order.orderQueueStatus !== "DONE" || order.cancelRequestedAt !== null || order.holdReason !== null) return true
  const wants = order.carryUnfilled === true || order.carryRejected === true || order.completion === "CROSS"
  return !wants || order.settledAt !== null
}

/** The problems that remain once everything is at rest. */
export const finalProblems = (run: Run): ReadonlyArray<string> => [
  ...ledgerProblems(run),
  ...sliceProblems(run),
  ...auditProblems(run)
]

/** Orders that were over once, and are in another state now that the service has not written yet. */
const unsettled = (run: Run): ReadonlyArray<string> =>
  ledgerProblems(run, ({ oddity }) => oddity?.kind === "resurrected" || oddity?.kind === "contradictory")

/** Every broker order in the ledger must be on its slice, with its final state. */
const ledgerProblems = (run: Run, isMeant: (order: LedgerOrder) => boolean = () => true): ReadonlyArray<string> => {
  const { slices } = run.database.tables()
  return run.exchange.ledger.filter(isMeant).flatMap((order) => {
    const { placement, brokerOrderId } = order
    const slice = slices.get(placement.sliceId)
    const truth = brokerOrderAt(order, run.world.seconds)
    if (slice === undefined) return [`${brokerOrderId} belongs to no slice`]
    if (slice.stage !== "PROCESSED")
      return [`${slice.tag} is ${slice.stage}, but the broker has it as ${brokerOrderId}`]
    if (slice.brokerOrderId !== brokerOrderId) return [`${slice.tag} is ${slice.brokerOrderId}, not ${brokerOrderId}`]
    if (!isOver(order, run.world.seconds)) return [`${brokerOrderId} is not over`]
    // What was filled after other slices had taken its quantity over is for a person to settle.
    if (order.oddity?.kind === "resurrected" && slice.carriedQuantity > 0) return []
    const isSame =
      slice.brokerStatus === truth.status &&
      slice.filledQuantity === truth.filledQuantity &&
      samePrice(slice.averagePrice, truth.averagePrice)
    return isSame
      ? []
      : [
          `${slice.tag} is ${slice.brokerStatus} with ${slice.filledQuantity} filled, the ledger has ${truth.status} with ${truth.filledQuantity}`
        ]
  })
}

/** Every slice must be placed, or have a reason why it was not. */
const sliceProblems = (run: Run): ReadonlyArray<string> => {
  const { slices, orders } = run.database.tables()
  const ledger = new Set(run.exchange.ledger.map(({ brokerOrderId }) => `${brokerOrderId}`))
  const graceIsLong = run.scenario.environment["ORDER_WINDOW_GRACE_MINUTES"] === "60"
  return [...slices.values()].flatMap((slice) => {
    if (slice.stage === "PROCESSED") {
      return ledger.has(slice.brokerOrderId ?? "")
        ? []
        : [`${slice.tag} is PROCESSED, but the broker has no such order`]
    }
    const order = orders.get(slice.orderId)
    const why = `${slice.tag} of ${slice.orderId} is ${slice.stage}: ${slice.stageReason}`
    if (slice.stage === "FAILED") return mayFail(run, slice) ? [] : [why]
    if (slice.replacedBy !== null || order === undefined || order.cancelRequestedAt !== null) return []
    return graceIsLong && order.latenessPolicy === "SEND" ? [`LOST: ${why}`] : []
  })
}

/** A slice may fail if the broker refused it, or if the run allows few attempts. */
const mayFail = ({ judge, scenario }: Run, slice: Readonly<SliceRow>): boolean =>
  scenario.environment["SLICE_MAX_ATTEMPTS"] === "2" ||
  judge.sends.some(({ placement, state }) => placement.sliceId === slice.id && state === "refused")

/** The audit must agree with the ledger on every request. */
const auditProblems = (run: Run): ReadonlyArray<string> => {
  const { events } = run.database.tables()
  const sends = new Map<string, Send>(
    run.judge.sends.map((send) => [`${send.placement.sliceId}:place:${send.claimVersion}`, send])
  )
  return [...events.values()].flatMap((event) => {
    if (event.call !== "place") return []
    const send = sends.get(event.id)
    switch (event.outcome) {
      case "ok":
        return send?.order?.brokerOrderId === event.brokerOrderId
          ? []
          : [`the audit has ${event.id} as ${event.brokerOrderId}, the ledger has not`]
      case "refused":
        return send?.state === "refused" ? [] : [`the audit has ${event.id} as refused, it is ${send?.state}`]
      case "unknown":
        return []
      default:
        return send === undefined ? [] : [`the audit has ${event.id} as ${event.outcome}, but it is ${send.state}`]
    }
  })
}

/** Whether a run should have been at rest by now. */
export const isOverdue = (run: Run): boolean =>
  !isFaulty(run) && run.world.seconds > run.scenario.calmFromSeconds + run.scenario.restSeconds
