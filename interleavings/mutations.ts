import type { Edit } from "../simulation/mutatedCode.ts"

/** One lock, or one condition that stands for a lock, taken out of a statement. */
export interface LockMutation {
  readonly name: string
  readonly edits: ReadonlyArray<Edit>
  /** The name of the case that fails without it. */
  readonly foundBy: string
}

const sliceStore = "src/stores/slices/SliceStore.ts"
const cancelStore = "src/stores/slices/cancels.ts"
const recoveryStore = "src/stores/slices/RecoveryStore.ts"
const claimDue = "src/stores/slices/claimDue.ts"
const writeOutcomes = "src/stores/slices/writeOutcomes.ts"
const retry = "src/stores/slices/retry.ts"
const writeOrderChange = "src/stores/orders/writeOrderChange.ts"
const orderStore = "src/stores/orders/OrderStore.ts"
const claimPending = "src/stores/orders/claimPending.ts"
const releaseStuck = "src/stores/orders/releaseStuck.ts"
const replanStore = "src/stores/orders/ReplanStore.ts"
const retentionStore = "src/stores/operations/RetentionStore.ts"
const deliveryStore = "src/stores/operations/DeliveryStore.ts"

const without = (name: string, file: string, text: string, becomes: string, foundBy: string): LockMutation => ({
  name,
  edits: [{ file, text, becomes }],
  foundBy
})

/**
 * The two mutations of a statement that locks rows and passes over those that are locked: without any lock it acts on rows
 * that have changed, and without SKIP LOCKED it waits. `before` is the line above, with its indentation.
 */
const lockAndSkip = (
  name: string,
  file: string,
  before: string,
  foundBy: string,
  lock = "FOR UPDATE"
): ReadonlyArray<LockMutation> => [
  without(`${name}: ${lock}`, file, `${before}${lock} SKIP LOCKED`, before.trimEnd(), foundBy),
  without(`${name}: SKIP LOCKED`, file, `${before}${lock} SKIP LOCKED`, `${before}${lock}`, foundBy)
]

const locks: ReadonlyArray<LockMutation> = [
  ...lockAndSkip("claim of slices", claimDue, "LIMIT ${options.limit}\n          ", "two executors claim"),
  ...lockAndSkip(
    "seals",
    "src/stores/operations/AuditStore.ts",
    "AND encode(hash, 'hex') = ${head.hash}\n          ",
    "two daemons seal"
  ),
  ...["cancel", "pause"].map((what) =>
    without(
      `outcome, beside a ${what}: FOR SHARE of the orders`,
      writeOutcomes,
      "ORDER BY id FOR SHARE`",
      "ORDER BY id`",
      `claimed slices are given back beside a ${what}`
    )
  ),
  without(
    "outcomes, beside an amendment: FOR SHARE of the orders",
    writeOutcomes,
    "ORDER BY id FOR SHARE`",
    "ORDER BY id`",
    "an order is amended while its claimed slices are given back"
  ),
  ...lockAndSkip(
    "claim of cancels",
    cancelStore,
    "LIMIT ${limit}\n          ",
    "two monitors send the cancels of an order",
    "FOR UPDATE OF w"
  ),
  ...lockAndSkip(
    "stop of cancels",
    cancelStore,
    "ORDER BY w.slice\n          ",
    "two monitors note why no cancels of an order are sent",
    "FOR UPDATE OF w"
  ),
  ...lockAndSkip(
    "close of claims",
    recoveryStore,
    "LIMIT 500\n          ",
    "two monitors close claims of which nothing is left"
  ),
  ...lockAndSkip(
    "skip of late slices",
    recoveryStore,
    "ORDER BY not_after\n          LIMIT ${limit}\n          ",
    "slices are skipped as too late while an executor"
  ),
  ...lockAndSkip(
    "skip of cancelled slices",
    recoveryStore,
    "q.claim = 0\n          LIMIT ${limit}\n          ",
    "slices of a cancelled order are skipped while an executor",
    "FOR UPDATE OF q"
  ),
  without(
    "retry: FOR UPDATE of the order",
    retry,
    "FROM slice_plan WHERE id = ${id}) FOR UPDATE`",
    "FROM slice_plan WHERE id = ${id})`",
    "a slice is retried while its order is cancelled"
  ),
  without(
    "finding of a person: advisory lock of the broker order",
    "src/stores/slices/placed.ts",
    "SELECT pg_advisory_xact_lock(hashtext('pulse_background_broker_order'), hashtext(${id}))",
    "SELECT ${id}::text",
    "two people say of two slices that they were placed as the same broker order"
  ),
  ...lockAndSkip("claim of orders", claimPending, "LIMIT ${options.limit}\n            ", "two splitters claim"),
  ...lockAndSkip(
    "claim of waiting orders",
    claimPending,
    "LIMIT ${options.limit}\n              ",
    "two splitters take orders whose days have become known"
  ),
  ...lockAndSkip(
    "release of stuck splits",
    releaseStuck,
    "LIMIT 1000\n          ",
    "a stuck split is released while its splitter writes it"
  ),
  without(
    "new plan: FOR UPDATE of the order",
    replanStore,
    "WHERE id = ${orderId} FOR UPDATE`",
    "WHERE id = ${orderId}`",
    "an order is amended while it is paused"
  ),
  without(
    "new plan: FOR UPDATE of the scheduled slices",
    replanStore,
    "ORDER BY slice FOR UPDATE`",
    "ORDER BY slice`",
    "an order is amended while an executor claims"
  ),
  ...lockAndSkip(
    "removal of orders",
    retentionStore,
    "ORDER BY created_at, id LIMIT ${maxOrders} ",
    "a finished order is paused while it is removed"
  ),
  without(
    "limits of the day: advisory lock",
    "src/stores/account/DayTotalStore.ts",
    "SELECT pg_advisory_xact_lock(hashtext('pulse_background_day_totals'))",
    "SELECT 1",
    "two splitters split the last order that the day's limit allows"
  ),
  without(
    "orders of opposite sides: advisory lock",
    "src/stores/orders/OpposingOrderStore.ts",
    "SELECT pg_advisory_xact_lock(hashtext('pulse_background_self_trade'))",
    "SELECT 1",
    "two splitters split a BUY and a SELL of one instrument"
  ),
  without(
    "share of the volume: advisory lock",
    "src/stores/account/ParticipationStore.ts",
    "SELECT pg_advisory_xact_lock(hashtext('pulse_background_volume_share'))",
    "SELECT 1",
    "two executors reserve the last of the volume's share"
  ),
  without(
    "broker in use: FOR UPDATE",
    "src/stores/account/BrokerInUseStore.ts",
    "SELECT broker FROM broker_in_use FOR UPDATE",
    "SELECT broker FROM broker_in_use",
    "two daemons start with different brokers"
  ),
  without(
    "instrument list: LOCK TABLE",
    "src/stores/account/InstrumentStore.ts",
    "LOCK TABLE instruments IN SHARE ROW EXCLUSIVE MODE",
    "SELECT 1",
    "two daemons replace the instrument list"
  ),
  ...lockAndSkip("delivery, the first", deliveryStore, "LIMIT 1\n            ", "two daemons deliver 3 notifications"),
  ...lockAndSkip(
    "delivery, those like it",
    deliveryStore,
    "END FROM first)\n            ",
    "two daemons deliver 22 notifications"
  )
]

const conditions: ReadonlyArray<LockMutation> = [
  without(
    "outcome: claim_version",
    writeOutcomes,
    " AND q.version = i.version AND q.claim + 0 <> 0",
    " AND q.claim + 0 <> 0",
    "a late outcome meets the next claim"
  ),
  without(
    "outcome: a slice that came back is not moved again",
    writeOutcomes,
    " AND q.version = i.version AND q.claim + 0 <> 0",
    " AND q.version = i.version",
    "a refusal arrives while the monitor resolves"
  ),
  without(
    "cut of a slice: claim_version",
    writeOrderChange,
    " AND q.version = ${slice.claimVersion}::int AND q.claim > 0",
    "",
    "a slice is cut by an executor that has lost it"
  ),
  without(
    "audit: what was written with the move is not written again",
    "src/stores/sql/insertEvents.ts",
    "AND c.id IS NULL AND e.id",
    "AND false AND e.id",
    "an outcome group is written again"
  ),
  without(
    "broker's states: what is filled never becomes less",
    sliceStore,
    " AND i.filled >= w.filled",
    "",
    "a later fill is written while an older look-up"
  ),
  without(
    "hold of the slices: a statement of its own",
    "src/stores/orders/stopOrder.ts",
    "      yield* holdSlices(db, changed.value.id, now)\n",
    "",
    "slices are claimed beside a pause"
  ),
  without(
    "retry of an order: FAILED",
    "src/stores/orders/retryOrder.ts",
    "AND o.order_queue_status = 'FAILED' AND o.claim_version = ${claimVersion}::int",
    "",
    "two people have an order split again"
  ),
  without(
    "split: claim_version",
    orderStore,
    "AND o.claim_version = mine.claim_version\n          RETURNING o.*",
    "RETURNING o.*",
    "a splitter whose claim was released writes"
  ),
  without(
    "late arrival: what other slices stand in for",
    recoveryStore,
    "\n          AND r.replaced_by IS NULL AND r.carried = 0",
    "",
    "a slice that was given up arrives at the broker while its quantity is carried"
  ),
  without(
    "repair: the carried quantity as it was read",
    "src/stores/account/repairSlices.ts",
    " AND ${s}.carried = i.read_carried",
    "",
    "a repair changes the fill that is carried at the same time"
  ),
  without(
    "repair: claim_version",
    "src/stores/account/repairSlices.ts",
    "q.version = i.read_version\n            AND CASE",
    "CASE",
    "settle repairs a slice while the monitor"
  ),
  without(
    "carry: the fill as it was read",
    writeOrderChange,
    "AND r.filled = i.filled AND r.carried",
    "AND r.carried",
    "the last word of a slice arrives, and is repaired"
  ),
  without(
    "removal of orders: FOR UPDATE of the slices",
    retentionStore,
    "\n        ORDER BY r.slice FOR UPDATE OF r",
    "",
    "a slice arrives at the broker while its order is removed"
  ),
  without(
    "removal of orders: asked again under the locks",
    retentionStore,
    "WHERE id = ANY(${texts(ids)}) AND ${isFinished(sql, options.before)}",
    "WHERE id = ANY(${texts(ids)})",
    "a slice arrives at the broker while its order is removed"
  )
]

/** Each lock of the stores, and the conditions that do a lock's work: the case that is named must fail without it. */
export const mutations: ReadonlyArray<LockMutation> = [...locks, ...conditions]
