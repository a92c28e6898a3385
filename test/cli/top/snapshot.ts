import { DateTime } from "effect"
import type { WorkerHealth } from "../../../src/cli/terminal/renderWorkers.ts"
import type { Snapshot } from "../../../src/cli/top/Snapshot.ts"
import type { MovingSlice, OverviewOrder } from "../../../src/stores/operations/TopStore.ts"

export const at = (millis: number) => DateTime.makeUnsafe(millis)

/** The time of the snapshots in these tests. */
export const now = at(3_600_000)

export const order = (orderId: string, changed: Partial<OverviewOrder> = {}): OverviewOrder => ({
  orderId,
  instrument: "NSE:RELIANCE",
  side: "BUY",
  totalQuantity: 1000,
  orderQueueStatus: "DONE",
  statusReason: null,
  state: "working",
  createdAt: at(0),
  slices: 10,
  scheduled: 5,
  inProgress: 0,
  unknown: 0,
  processed: 5,
  failed: 0,
  skipped: 0,
  open: 1,
  placedQuantity: 500,
  filledQuantity: 250,
  averagePrice: "2500.0000",
  nextDueAt: at(3_604_500),
  lastDueAt: at(3_700_000),
  maxLatenessMillis: 1,
  holdReason: null,
  holdReasonCode: null,
  reasonCode: null,
  isDouble: false,
  ...changed
})

export const slice = (kind: MovingSlice["kind"], id: string, changed: Partial<MovingSlice> = {}): MovingSlice => ({
  kind,
  id,
  orderId: "o1",
  sequenceNumber: 3,
  instrument: "NSE:RELIANCE",
  side: "BUY",
  quantity: 100,
  stage: kind === "due" ? "SCHEDULED" : kind === "doubt" ? "IN_PROGRESS" : "PROCESSED",
  stageReason: null,
  reasonCode: null,
  claimedBy: null,
  notBefore: at(3_604_500),
  placedAt: kind === "placed" ? at(3_599_000) : null,
  latenessMillis: kind === "placed" ? 2 : null,
  doubtfulSince: kind === "doubt" || kind === "lost" ? at(3_540_000) : null,
  brokerOrderId: kind === "lost" ? "b7" : null,
  brokerStatus: kind === "placed" ? "COMPLETE" : null,
  filledQuantity: kind === "placed" ? 100 : 0,
  averagePrice: kind === "placed" ? "2500.0500" : null,
  ...changed
})

export const workers = (instanceId: string, changed: Partial<WorkerHealth> = {}): ReadonlyArray<WorkerHealth> =>
  ["executor", "monitor", "splitter"].map((worker) => ({
    instanceId,
    worker,
    hostname: "host",
    pid: 1,
    version: "0.1.0",
    broker: "mock",
    startedAt: at(0),
    heartbeatAt: at(3_598_000),
    staleAfterMillis: 18_000,
    ticks: 10,
    failedTicks: 0,
    lastError: null,
    hold: null,
    ageMillis: 2000,
    isStale: false,
    ...changed
  }))

export const snapshot = (changed: Partial<Snapshot> = {}): Snapshot => ({
  at: now,
  orders: [order("o1"), order("o2", { state: "filled", nextDueAt: null })],
  slices: [slice("due", "s4"), slice("placed", "s3")],
  counts: { scheduled: 5, overdue: 0, claimed: 1, inDoubt: 0, open: 1 },
  workers: workers("host-1-aaaaaa"),
  halt: null,
  broker: "mock",
  limits: { orders: 2, ordersPerDay: null, value: "2500000", valuePerDay: "5000000", requests: null },
  ...changed
})
