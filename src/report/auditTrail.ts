import { DateTime, Duration } from "effect"
import type {
  FailedLookUp,
  OrderRecord,
  RecordedAction,
  RecordedHalt,
  RecordedOrder,
  RecordedPlan
} from "../domain/lifecycle/OrderRecord.ts"
import { isFinishedState } from "../domain/lifecycle/orderState.ts"
import { planCauseText } from "../domain/planning/planOrder.ts"
import { millisBetween } from "../domain/text/durations.ts"
import { type AuditEntry, entry } from "./AuditEntry.ts"
import { actionText, orderText, planText } from "./auditWords.ts"
import { sliceEntries } from "./sliceEntries.ts"

/** Everything that is recorded about one order, in the order of time. */
export interface AuditTrail {
  /** The time that the trail describes. */
  readonly at: DateTime.Utc
  readonly order: RecordedOrder
  readonly isOver: boolean
  /** Whether its plan keeps a market's hours; its times are then written in India's time, too. */
  readonly keepsHours: boolean
  readonly entries: ReadonlyArray<AuditEntry>
  /** Events that leave no record, in words. */
  readonly notKept: ReadonlyArray<string>
}

/**
 * Builds the trail from one order's rows, as ReportStore reads them. It is pure. Entries come from halts, the order,
 * operator actions, plans, slices with their broker calls, double placements and failed readings of the order list.
 * Rows keep only their last state, so some entries are not exact: they happened at their time or before. Called by
 * auditCommand.
 */
export const auditTrail = (record: OrderRecord, now: DateTime.Utc): AuditTrail => {
  const { order, plans, slices, actions, doubles, halts, lookUps } = record
  const numberOf = (id: string) => slices.find((slice) => slice.id === id)?.sequenceNumber
  const entries = [
    ...halts.map(haltEntry),
    ...orderEntries(record),
    ...actions.map((action) => {
      const number = action.sliceId === null ? undefined : numberOf(action.sliceId)
      return entry(action.at, "action", actionText(action, number), { slices: number === undefined ? [] : [number] })
    }),
    ...plans.map((plan, index) => planEntry(plan, index, record)),
    ...sliceEntries(record),
    ...doubles.map(({ sliceId, brokerOrderIds, seenAt }) =>
      entry(
        seenAt,
        "alarm",
        `DOUBLE PLACEMENT: the broker has ${brokerOrderIds.join(" and ")} for slice ${numberOf(sliceId) ?? sliceId}`,
        { slices: [numberOf(sliceId)].filter((number) => number !== undefined) }
      )
    ),
    ...lookUpEntries(lookUps.failed)
  ]
  return {
    at: now,
    order,
    isOver: isFinishedState(order.state),
    keepsHours: plans.some(({ sessions }) => sessions !== null),
    // The sort is stable: entries of the same moment stay in the order above, causes before effects.
    entries: entries.toSorted((a, b) => DateTime.toEpochMillis(a.at) - DateTime.toEpochMillis(b.at)),
    notKept: [
      "claims that were given back",
      "each fill: what the broker's order list says of a slice is kept as it was last seen",
      "holds by the service itself, before the order's last hold",
      "readings of the broker's order list that went well"
    ]
  }
}

const orderEntries = ({ order, plans, slices, actions }: OrderRecord): ReadonlyArray<AuditEntry> => {
  const isToldCancel = actions.some(({ action }) => action === "order cancel")
  const received = entry(
    order.createdAt,
    "order",
    `received${order.source === null ? "" : ` from ${order.source}`}: ${orderText(order, plans, slices)}`
  )
  return [
    received,
    ...statusEntries(order),
    ...holdEntries(order, actions),
    ...(order.cancelRequestedAt === null || isToldCancel
      ? []
      : [
          entry(
            order.cancelRequestedAt,
            "cancel",
            `the order was cancelled by ${order.cancelRequestedBy ?? "somebody"}`
          )
        ]),
    ...(order.settledAt === null
      ? []
      : [
          entry(
            order.settledAt,
            "order",
            `nothing more was left to carry or to complete${order.statusReason === null ? "" : `: ${order.statusReason}`}`
          )
        ])
  ]
}

/** The last hold, unless it was an operator's pause, which has an entry of its own with its reason. */
const holdEntries = (
  { heldAt, holdReason }: RecordedOrder,
  actions: ReadonlyArray<RecordedAction>
): ReadonlyArray<AuditEntry> => {
  if (heldAt === null) return []
  const isPause = actions.some(({ action, at }) => action === "order pause" && DateTime.Equivalence(at, heldAt))
  if (isPause) return []
  const text =
    holdReason === null ? "the order was put on hold; it has been resumed since" : `the order is on hold: ${holdReason}`
  return [entry(heldAt, "hold", text)]
}

/** The status of an order that has no slices yet. Once it has them, the status adds nothing. */
const statusEntries = (order: RecordedOrder): ReadonlyArray<AuditEntry> => {
  const { orderQueueStatus: status, statusReason, updatedAt } = order
  if (status === "DONE" || order.splitAt !== null) return []
  if (status === "IN_PROGRESS") return [entry(updatedAt, "order", `being split by ${order.splitBy ?? "somebody"}`)]
  if (status === "PENDING" && statusReason === null) return []
  return [entry(updatedAt, "order", `${status}: ${statusReason ?? "no reason is recorded"}`, { isExact: false })]
}

const planEntry = (plan: RecordedPlan, index: number, { order, plans, slices }: OrderRecord): AuditEntry => {
  const nextSequence = plans[index + 1]?.firstSequence ?? Infinity
  const own = slices.filter(
    ({ sequenceNumber }) => sequenceNumber >= plan.firstSequence && sequenceNumber < nextSequence
  )
  const by = plan.cause === "SPLIT" && order.splitBy !== null ? ` by ${order.splitBy}` : ""
  const why = `${planCauseText[plan.cause]}${by}${plan.note === null ? "" : ` (${plan.note})`}`
  const replaced = slices.filter(({ replacedBy }) => replacedBy === plan.revision)
  return entry(plan.createdAt, "plan", `plan ${plan.revision}, ${why}: ${planText(plan, own, replaced)}`)
}

const haltEntry = ({ isHalted, reason, requestedBy, requestedAt }: RecordedHalt): AuditEntry =>
  entry(
    requestedAt,
    "halt",
    `all placements of all orders were ${isHalted ? "halted" : "resumed"} by ${requestedBy}: ${reason}`
  )

const maxPauseMillis = Duration.toMillis(Duration.minutes(1))

/** Failed readings of the order list; consecutive failures of one kind share an entry. */
const lookUpEntries = (failed: ReadonlyArray<FailedLookUp>): ReadonlyArray<AuditEntry> => {
  const runs: Array<Array<FailedLookUp>> = []
  for (const lookUp of failed) {
    const last = runs.at(-1)?.at(-1)
    const follows = last?.outcome === lookUp.outcome && millisBetween(last.calledAt, lookUp.calledAt) <= maxPauseMillis
    if (follows) runs.at(-1)?.push(lookUp)
    else runs.push([lookUp])
  }
  return runs.flatMap((run) => {
    const [first] = run
    const last = run.at(-1)
    if (first === undefined || last === undefined) return []
    const times = run.length === 1 ? "once" : `${run.length} times until ${DateTime.formatIso(last.calledAt)}`
    const said = first.message === null ? "" : `: ${first.message}`
    return [
      entry(first.calledAt, "book", `the broker's order list could not be read, ${times} (${first.outcome})${said}`)
    ]
  })
}
