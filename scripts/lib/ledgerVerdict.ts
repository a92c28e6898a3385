import { Effect, Schema } from "effect"
import { Db } from "../../src/db/Db.ts"

/** An order in the simulator's ledger. Times are milliseconds since 1970. */
export const LedgerOrder = Schema.Struct({
  orderId: Schema.String,
  tag: Schema.NullOr(Schema.String),
  receivedAt: Schema.Finite,
  status: Schema.String,
  quantity: Schema.Int,
  filledQuantity: Schema.Int
})
export type LedgerOrder = typeof LedgerOrder.Type

export const Ledger = Schema.Struct({ orders: Schema.Array(LedgerOrder) })

const Summary = Schema.Struct({
  orders: Schema.Int,
  tagsWithTwoOrders: Schema.Array(Schema.String),
  maxInOneSecond: Schema.Int,
  maxInOneMinute: Schema.Int,
  maxInOneDay: Schema.Int,
  overLimit: Schema.Int,
  faults: Schema.Record(Schema.String, Schema.Int)
})

const SliceRow = Schema.Struct({
  tag: Schema.String,
  stage: Schema.String,
  stageReason: Schema.NullOr(Schema.String),
  brokerOrderId: Schema.NullOr(Schema.String),
  brokerIsFinal: Schema.Boolean,
  filledQuantity: Schema.Int,
  dueMillis: Schema.Finite,
  attempts: Schema.Int
})
export type SliceRow = typeof SliceRow.Type

export interface LedgerVerdict {
  readonly figures: Readonly<Record<string, unknown>>
  readonly problems: ReadonlyArray<string>
}

/** The refusals that the simulator injects. Only these may leave a slice unplaced. */
const injectedRefusals = ["refused_margin", "refused_holding_428", "refused_permission_403"] as const
const injectedRefusal = /^(MarginException: Insufficient|HoldingException: Authorise|PermissionException: The segment)/

/**
 * Compares the simulator's ledger with the database, and both with the expected number of slices. Every difference is a
 * problem. Fails if the JSON of the simulator or a row does not decode, or if the database does not answer.
 */
export const judgeLedger = Effect.fnUntraced(function* (
  expectedSlices: number,
  ledgerJson: unknown,
  summaryJson: unknown
) {
  const ledger = yield* Schema.decodeUnknownEffect(Ledger)(ledgerJson)
  const summary = yield* Schema.decodeUnknownEffect(Summary)(summaryJson)
  const slices = yield* readSlices
  const found: Found = { ledger, summary, slices, ordersByTag: Map.groupBy(ledger.orders, ({ tag }) => tag) }
  const problems = [
    ...tagProblems(found),
    ...countProblems(found, expectedSlices),
    ...slices.flatMap((slice) => [...sliceProblems(slice, found.ordersByTag.get(slice.tag)?.[0])]),
    ...(yield* unbalancedOrders).map((orderId) => `the quantities of ${orderId} do not add up`),
    ...(yield* misplacedSlices).map((slice) => `slice ${slice} is not in exactly one table`),
    ...(summary.overLimit > 0 ? [`${summary.overLimit} order requests were over a limit`] : []),
    ...(summary.orders === ledger.orders.length ? [] : ["the simulator's summary and ledger differ"])
  ]
  return { figures: figuresOf(found, expectedSlices), problems } satisfies LedgerVerdict
})

/** The accounts of the simulator and of the database of one run. */
interface Found {
  readonly ledger: typeof Ledger.Type
  readonly summary: typeof Summary.Type
  readonly slices: ReadonlyArray<SliceRow>
  readonly ordersByTag: ReadonlyMap<string | null, ReadonlyArray<LedgerOrder>>
}

/** All slices of the database. */
export const readSlices = Effect.gen(function* () {
  const { sql, query } = yield* Db
  return yield* query(
    "verdict.slices",
    SliceRow,
    sql`
      SELECT tag, stage, stage_reason, broker_order_id, broker_is_final, filled_quantity, attempts,
        (extract(epoch FROM scheduled_at) * 1000)::float8 AS due_millis
      FROM order_slices ORDER BY order_id, sequence_number`
  )
})

const unbalancedOrders = Effect.gen(function* () {
  const { sql, query } = yield* Db
  const rows = yield* query(
    "verdict.unbalanced",
    Schema.Struct({ orderId: Schema.String }),
    sql`SELECT order_id FROM order_conservation WHERE unaccounted <> 0 OR overfilled > 0`
  )
  return rows.map(({ orderId }) => orderId)
})

const misplacedSlices = Effect.gen(function* () {
  const { sql, query } = yield* Db
  const rows = yield* query(
    "verdict.misplaced",
    Schema.Struct({ slice: Schema.String }),
    sql`SELECT coalesce(id, slice::text) AS slice FROM slice_places`
  )
  return rows.map(({ slice }) => slice)
})

/** Tags with more than one broker order, and broker orders without a slice. */
const tagProblems = ({ ledger, slices, ordersByTag }: Found): ReadonlyArray<string> => {
  const known = new Set<string | null>(slices.map(({ tag }) => tag))
  return [
    ...[...ordersByTag]
      .filter(([, orders]) => orders.length > 1)
      .map(([tag, orders]) => `${tag} has ${orders.length} orders: ${orders.map((o) => o.orderId).join(", ")}`),
    ...ledger.orders
      .filter(({ tag }) => !known.has(tag))
      .map(({ tag, orderId }) => `order ${orderId} has no slice (${tag})`)
  ]
}

const countProblems = ({ slices, summary }: Found, expectedSlices: number): ReadonlyArray<string> => {
  const failed = slices.filter(({ stage }) => stage === "FAILED").length
  const refused = injectedRefusals.reduce((sum, kind) => sum + (summary.faults[kind] ?? 0), 0)
  return [
    ...(slices.length === expectedSlices ? [] : [`there are ${slices.length} slices, not ${expectedSlices}`]),
    ...(failed > refused ? [`${failed} slices are FAILED, and only ${refused} orders were refused`] : [])
  ]
}

const isRefusedByInjection = ({ stage, stageReason }: SliceRow): boolean =>
  stage === "FAILED" && injectedRefusal.test(stageReason ?? "")

/** The problems of a slice, given the first broker order with its tag. */
function* sliceProblems(slice: SliceRow, order: LedgerOrder | undefined): Iterable<string> {
  const { tag, stage, stageReason } = slice
  if (stage === "SCHEDULED" || stage === "IN_PROGRESS") yield `${tag} is ${stage}`
  if (stage === "SKIPPED") yield `${tag} is SKIPPED: ${stageReason}`
  if (stage === "FAILED" && !isRefusedByInjection(slice)) yield `${tag} is FAILED: ${stageReason}`
  if (stage === "PROCESSED" && order === undefined) yield `${tag} is PROCESSED and was never placed`
  if (stage !== "PROCESSED" && order !== undefined) yield `${tag} is ${stage} and was placed`
  if (order === undefined) return
  if (order.orderId !== slice.brokerOrderId) yield `${tag} is ${order.orderId}, not ${slice.brokerOrderId}`
  if (isEarly(slice, order)) yield `${tag} was ${slice.dueMillis - order.receivedAt} ms early`
  if (slice.brokerIsFinal && order.filledQuantity !== slice.filledQuantity) {
    yield `${tag} filled ${order.filledQuantity}, not ${slice.filledQuantity}`
  }
}

const isEarly = (slice: SliceRow, order: LedgerOrder | undefined): boolean =>
  order !== undefined && order.receivedAt < slice.dueMillis

const figuresOf = ({ ledger, summary, slices, ordersByTag }: Found, expectedSlices: number) => {
  const orderOf = ({ tag }: SliceRow) => ordersByTag.get(tag)?.[0]
  const lost = slices.filter((slice) => orderOf(slice) === undefined && !isRefusedByInjection(slice)).length
  const stages: Record<string, number> = {}
  for (const { stage } of slices) stages[stage] = (stages[stage] ?? 0) + 1
  return {
    slices: slices.length,
    stages,
    orders: ledger.orders.length,
    doubles: [...ordersByTag.values()].filter((orders) => orders.length > 1).length,
    lost: lost + Math.max(0, expectedSlices - slices.length),
    early: slices.filter((slice) => isEarly(slice, orderOf(slice))).length,
    placedAgainAfterReconciling: slices.filter(({ attempts }) => attempts > 1).length,
    maxInOneSecond: summary.maxInOneSecond,
    maxInOneMinute: summary.maxInOneMinute,
    overLimit: summary.overLimit,
    faults: summary.faults
  }
}
