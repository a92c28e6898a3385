import { BigDecimal, DateTime } from "effect"
import type {
  OrderRecord,
  RecordedCall,
  RecordedOrder,
  RecordedPlan,
  RecordedQuote,
  RecordedSlice
} from "../../src/domain/lifecycle/OrderRecord.ts"
import type { Choices } from "./generate.ts"

/** The moment of a trading day that is `seconds` after 10:00 in India. */
export const at = (seconds: number): DateTime.Utc =>
  DateTime.addDuration(DateTime.makeUnsafe("2026-11-24T10:00:00+05:30"), Math.round(seconds * 1000))

export const decimal = (text: string): BigDecimal.BigDecimal => BigDecimal.fromStringUnsafe(text)

export const aRecordedOrder = (changed: Partial<RecordedOrder> = {}): RecordedOrder => ({
  orderId: "o1",
  key: "morning-1",
  source: "pulse-api",
  instrument: "NSE:RELIANCE",
  side: "BUY",
  totalQuantity: 300,
  numSplits: 3,
  durationMinutes: 1,
  strategy: "TWAP",
  orderType: "MARKET",
  limitPrice: null,
  productType: "CNC",
  validity: "DAY",
  orderQueueStatus: "DONE",
  state: "filled",
  statusReason: null,
  reasonCode: null,
  holdReason: null,
  holdReasonCode: null,

  heldAt: null,
  referencePrice: decimal("100"),
  splitAttempts: 1,
  splitBy: "vm-1",
  createdAt: at(0),
  splitAt: at(0.02),
  cancelRequestedAt: null,
  cancelRequestedBy: null,
  settledAt: null,
  updatedAt: at(0.02),
  ...changed
})

/** A slice of 100, due half a minute after the previous one, placed 2 ms late and filled at 100.05. */
export const aRecordedSlice = (sequenceNumber: number, changed: Partial<RecordedSlice> = {}): RecordedSlice => {
  const due = (sequenceNumber - 1) * 30
  return {
    id: `s${sequenceNumber}`,
    sequenceNumber,
    tag: `PB${sequenceNumber}`,
    quantity: 100,
    scheduledAt: at(due),
    stage: "PROCESSED",
    stageReason: null,
    reasonCode: null,
    attempts: 1,
    isInDoubt: false,
    outcomeUnknownAt: null,
    inDoubtAt: null,
    leftBookAt: null,
    placedAt: at(due + 0.002),
    latenessMillis: 2,
    acknowledgedAt: at(due + 0.05),
    brokerOrderId: `b${sequenceNumber}`,
    brokerStatus: "COMPLETE",
    brokerStatusText: null,
    brokerIsFinal: true,
    filledQuantity: 100,
    averagePrice: decimal("100.05"),
    replacedBy: null,
    carriedQuantity: 0,
    isWaived: false,
    updatedAt: at(due + 1),
    ...changed
  }
}

/** A slice that was never sent. */
export const anUnsentSlice = (sequenceNumber: number, changed: Partial<RecordedSlice> = {}): RecordedSlice =>
  aRecordedSlice(sequenceNumber, {
    stage: "SCHEDULED",
    attempts: 0,
    placedAt: null,
    latenessMillis: null,
    acknowledgedAt: null,
    brokerOrderId: null,
    brokerStatus: null,
    brokerIsFinal: false,
    filledQuantity: 0,
    averagePrice: null,
    updatedAt: at(0.02),
    ...changed
  })

export const aRecordedPlan = (changed: Partial<RecordedPlan> = {}): RecordedPlan => ({
  revision: 1,
  firstSequence: 1,
  cause: "SPLIT",
  note: null,
  startsAt: at(0),
  endsAt: at(60),
  completesAt: null,
  sessions: null,
  createdAt: at(0.02),
  ...changed
})

/** The call that placed a slice. */
export const aPlacement = (slice: RecordedSlice, changed: Partial<RecordedCall> = {}): RecordedCall => ({
  calledAt: slice.placedAt ?? slice.scheduledAt,
  durationMillis: 48,
  broker: "mock",
  call: "place",
  outcome: "ok",
  sliceId: slice.id,
  attempt: 1,
  brokerOrderId: slice.brokerOrderId,
  worker: "vm-1",
  request: { tag: slice.tag, quantity: slice.quantity },
  response: { broker_order_id: slice.brokerOrderId },
  code: null,
  message: null,
  ...changed
})

export const aQuote = (seconds: number, lastPrice: string, dayVolume: number | null = null): RecordedQuote => ({
  at: at(seconds),
  lastPrice: decimal(lastPrice),
  dayVolume
})

/** The record of BUY 300 in three slices over a minute, all filled, with the test's changes. */
export const anOrderRecord = (changed: Partial<OrderRecord> = {}): OrderRecord => {
  const slices = changed.slices ?? [1, 2, 3].map((number) => aRecordedSlice(number))
  return {
    order: aRecordedOrder(),
    plans: [aRecordedPlan()],
    slices,
    calls: slices.filter(({ brokerOrderId }) => brokerOrderId !== null).map((slice) => aPlacement(slice)),
    lookUps: { count: 0, failed: [] },
    halts: [],
    actions: [],
    doubles: [],
    quotes: [],
    ...changed
  }
}

/** A generated order that the database could store: one or two plans, and slices in any state. */
export const generateRecord = (choices: Choices): OrderRecord => {
  const { int, chance, pick } = choices
  const count = int(1, 30)
  const second = chance(0.4) ? int(2, count + 1) : count + 1
  const slices = Array.from({ length: count }, (_, index) =>
    generateSlice(choices, index + 1, second <= count && index + 1 < second)
  )
  const total = slices
    .filter(({ replacedBy }) => replacedBy === null)
    .reduce((sum, { quantity, carriedQuantity }) => sum + quantity - carriedQuantity, 0)
  const isAmended = second <= count
  return anOrderRecord({
    order: aRecordedOrder({
      side: pick(["BUY", "SELL"]),
      totalQuantity: total,
      referencePrice: chance(0.8) ? decimal(`${int(2000, 2100)}.${int(0, 9999)}`) : null,
      state: pick(["working", "partial", "filled"])
    }),
    plans: [
      aRecordedPlan(),
      ...(isAmended
        ? [
            aRecordedPlan({
              revision: 2,
              firstSequence: second,
              cause: "AMENDMENT",
              note: "a@b: less",
              createdAt: at(300)
            })
          ]
        : [])
    ],
    slices,
    quotes: chance(0.5)
      ? []
      : Array.from({ length: 40 }, (_, n) => aQuote(n * 30 - 10, `${int(2000, 2100)}`, n * int(0, 50)))
  })
}

const generateSlice = ({ int, chance, pick }: Choices, number: number, mayBeReplaced: boolean): RecordedSlice => {
  const quantity = int(1, 1000)
  const due = int(0, 1200)
  const base = { quantity, scheduledAt: at(due) }
  const price = decimal(`${int(2000, 2100)}.${int(0, 9999)}`)
  if (mayBeReplaced && chance(0.2)) {
    return anUnsentSlice(number, { ...base, stage: "SKIPPED", stageReason: "replaced by plan 2", replacedBy: 2 })
  }
  const stage = pick(["PROCESSED", "PROCESSED", "PROCESSED", "SCHEDULED", "IN_PROGRESS", "FAILED", "SKIPPED"])
  if (stage !== "PROCESSED") {
    const isInDoubt = stage === "IN_PROGRESS" && chance(0.5)
    const carriedQuantity = stage === "FAILED" && chance(0.3) ? quantity : 0
    const outcomeUnknownAt = isInDoubt && chance(0.5) ? at(due + 5) : null
    return anUnsentSlice(number, { ...base, stage, isInDoubt, outcomeUnknownAt, carriedQuantity })
  }
  const filledQuantity = pick([0, quantity, int(0, quantity)])
  const brokerIsFinal = chance(0.8)
  const late = chance(0.9) ? int(0, 100) : int(0, 100_000)
  const isTimed = chance(0.9)
  return aRecordedSlice(number, {
    ...base,
    brokerOrderId: `1${String(number).padStart(18, "0")}`,
    filledQuantity,
    averagePrice: filledQuantity === 0 || chance(0.1) ? null : price,
    brokerIsFinal,
    brokerStatus: brokerIsFinal ? (filledQuantity === quantity ? "COMPLETE" : "CANCELLED") : "OPEN",
    carriedQuantity: brokerIsFinal && chance(0.3) ? quantity - filledQuantity : 0,
    placedAt: isTimed ? at(due + late / 1000) : null,
    latenessMillis: isTimed ? late : null,
    acknowledgedAt: at(due + late / 1000 + 0.05),
    updatedAt: at(due + late / 1000 + 1)
  })
}
