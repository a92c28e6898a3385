import type { Edit } from "../simulation/mutatedCode.ts"

/** One lock, or one condition that stands for a lock, taken out of a statement. */
export interface LockMutation {
  readonly name: string
  readonly edits: ReadonlyArray<Edit>
  /** The name of the case that fails without it. */
  readonly foundBy: string
}

const sliceStore = "src/stores/slices/SliceStore.ts"
const recoveryStore = "src/stores/slices/RecoveryStore.ts"
const sliceCommands = "src/stores/slices/SliceCommands.ts"
const orderStore = "src/stores/orders/OrderStore.ts"
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
  ...lockAndSkip("claim of slices", sliceStore, "LIMIT ${options.limit}\n                ", "two executors claim"),
  ...["cancel", "pause"].map((what) =>
    without(
      `outcome, beside a ${what}: FOR SHARE of the orders`,
      sliceStore,
      "\n                FOR SHARE",
      "",
      `claimed slices are given back beside a ${what}`
    )
  ),
  without(
    "outcomes, beside an amendment: FOR SHARE of the orders",
    sliceStore,
    "\n                FOR SHARE",
    "",
    "outcomes of two slices and of one of them meet an amendment"
  ),
  ...lockAndSkip(
    "claim of cancels",
    sliceStore,
    "LIMIT ${limit}\n                ",
    "two monitors send the cancels of an order"
  ),
  ...lockAndSkip(
    "skip of late slices",
    recoveryStore,
    "${isWindowOver(sql, now)}\n          LIMIT ${limit}\n          ",
    "slices are skipped as too late while an executor"
  ),
  ...lockAndSkip(
    "skip of cancelled slices",
    recoveryStore,
    "s.stage = 'SCHEDULED'\n          LIMIT ${limit}\n          ",
    "slices of a cancelled order are skipped while an executor",
    "FOR UPDATE OF s"
  ),
  without(
    "retry: FOR UPDATE of the order",
    sliceCommands,
    "WHERE id = ${id}) FOR UPDATE`",
    "WHERE id = ${id})`",
    "a slice is retried while its order is cancelled"
  ),
  without(
    "retry: FOR UPDATE of the slice",
    sliceCommands,
    "\n            FOR UPDATE OF s`",
    "`",
    "a slice is retried while two monitors see that it was placed"
  ),
  without(
    "finding of a person: advisory lock of the broker order",
    sliceCommands,
    "SELECT pg_advisory_xact_lock(hashtext('pulse_background_broker_order'), hashtext(${id}))",
    "SELECT ${id}::text",
    "two people say of two slices that they were placed as the same broker order"
  ),
  ...lockAndSkip("claim of orders", orderStore, "LIMIT ${options.limit}\n          ", "two splitters claim"),
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
    "ORDER BY id FOR UPDATE`",
    "ORDER BY id`",
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
    sliceStore,
    "s.stage ${byId} = 'IN_PROGRESS' AND s.claim_version = i.claim_version\n                RETURNING",
    "s.stage ${byId} = 'IN_PROGRESS'\n                RETURNING",
    "a late outcome meets the next claim"
  ),
  without(
    "outcome: stage",
    sliceStore,
    "s.id = i.id AND s.stage ${byId} = 'IN_PROGRESS' AND s.claim_version",
    "s.id = i.id AND s.claim_version",
    "a refusal arrives while the monitor resolves"
  ),
  without(
    "audit: ON CONFLICT",
    "src/stores/sql/insertEvents.ts",
    "\n  ON CONFLICT (id) DO NOTHING",
    "",
    "an outcome group is written again"
  ),
  without(
    "broker's states: a final one stays",
    sliceStore,
    "AND NOT s.broker_is_final AND i.filled_quantity >= s.filled_quantity",
    "",
    "the broker's last word is written while an older look-up"
  ),
  without(
    "hold of the slices: a statement of its own",
    "src/stores/orders/stopOrder.ts",
    "      yield* holdSlices(db, changed.value.id, now)\n",
    "",
    "slices are claimed beside a pause"
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
    "\n          AND s.replaced_by IS NULL AND s.carried_quantity = 0",
    "",
    "a slice that was given up arrives at the broker while its quantity is carried"
  ),
  without(
    "repair: the carried quantity as it was read",
    "src/stores/account/DayReconciliationStore.ts",
    " AND s.carried_quantity = i.old_carried",
    "",
    "a repair changes the fill that is carried at the same time"
  ),
  without(
    "repair: claim_version",
    "src/stores/account/DayReconciliationStore.ts",
    "AND s.claim_version = i.claim_version\n            AND s.broker_status",
    "AND s.broker_status",
    "settle repairs a slice while the monitor"
  ),
  without(
    "carry: only what has ended",
    "src/stores/orders/writeOrderChange.ts",
    'NOT ${isUnfinished(sql, "s")} AND ',
    "",
    "a slice that was given up arrives at the broker while its quantity is carried"
  ),
  without(
    "carry: the fill as it was read",
    "src/stores/orders/writeOrderChange.ts",
    " AND s.filled_quantity = i.filled_quantity",
    "",
    "the last word of a slice arrives, and is repaired"
  ),
  without(
    "removal of orders: a slice that changes stays",
    retentionStore,
    "WHERE s.order_id = mine.id AND NOT ${isKept(sql, options.before)} RETURNING s.tag",
    "WHERE s.order_id = mine.id RETURNING s.tag",
    "a slice arrives at the broker while its order is removed"
  ),
  without(
    "removal of orders: tried again when a slice stays",
    retentionStore,
    ".pipe(Effect.retry({ schedule: Schedule.recurs(3), while: ({ sqlState }) => sqlState === foreignKeyViolation }))",
    "",
    "a slice arrives at the broker while its order is removed"
  )
]

/** Each lock of the stores, and the conditions that do a lock's work: the case that is named must fail without it. */
export const mutations: ReadonlyArray<LockMutation> = [...locks, ...conditions]
