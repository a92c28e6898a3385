import { Effect, Schema } from "effect"
import { Db } from "../../src/db/Db.ts"

/** What the simulator's ledger says of one order. Times in milliseconds since 1970. */
const Ledger = Schema.Struct({
  orders: Schema.Array(
    Schema.Struct({
      orderId: Schema.String,
      tag: Schema.NullOr(Schema.String),
      receivedAt: Schema.Finite,
      status: Schema.String,
      quantity: Schema.Int,
      filledQuantity: Schema.Int
    })
  )
})

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

export interface LedgerVerdict {
  readonly figures: Readonly<Record<string, unknown>>
  readonly problems: ReadonlyArray<string>
}

/** The refusals that the simulator injects: nothing else may keep a slice from being placed. */
const injectedRefusals = ["refused_margin", "refused_holding_428", "refused_permission_403"] as const
const injectedRefusal = /^(MarginException: Insufficient|HoldingException: Authorise|PermissionException: The segment)/

/**
 * Holds the simulator's ledger against the database, and both against the number of slices that there must be: every
 * difference is a problem.
 */
export const judgeLedger = Effect.fnUntraced(function* (
  expectedSlices: number,
  ledgerJson: unknown,
  summaryJson: unknown
) {
  const { sql, query } = yield* Db
  const ledger = yield* Schema.decodeUnknownEffect(Ledger)(ledgerJson)
  const summary = yield* Schema.decodeUnknownEffect(Summary)(summaryJson)
  const slices = yield* query(
    "verdict.slices",
    SliceRow,
    sql`
      SELECT tag, stage, stage_reason, broker_order_id, broker_is_final, filled_quantity, attempts,
        (extract(epoch FROM scheduled_at) * 1000)::float8 AS due_millis
      FROM order_slices`
  )
  const byTag = Map.groupBy(ledger.orders, (order) => order.tag)
  const problems: Array<string> = []
  for (const [tag, orders] of byTag) {
    if (orders.length > 1)
      problems.push(`${tag} has ${orders.length} orders: ${orders.map((o) => o.orderId).join(", ")}`)
  }
  const known = new Set<string | null>(slices.map(({ tag }) => tag))
  for (const { tag, orderId } of ledger.orders)
    if (!known.has(tag)) problems.push(`order ${orderId} has no slice (${tag})`)

  if (slices.length !== expectedSlices) problems.push(`there are ${slices.length} slices, not ${expectedSlices}`)
  const failed = slices.filter(({ stage }) => stage === "FAILED").length
  const refused = injectedRefusals.reduce((sum, kind) => sum + (summary.faults[kind] ?? 0), 0)
  if (failed > refused) problems.push(`${failed} slices are FAILED, and only ${refused} orders were refused`)

  let [lost, early] = [0, 0]
  for (const slice of slices) {
    const order = byTag.get(slice.tag)?.[0]
    if (order === undefined && !(slice.stage === "FAILED" && injectedRefusal.test(slice.stageReason ?? ""))) lost++
    if (slice.stage === "SCHEDULED" || slice.stage === "IN_PROGRESS") problems.push(`${slice.tag} is ${slice.stage}`)
    const { stageReason } = slice
    if (slice.stage === "SKIPPED") problems.push(`${slice.tag} is SKIPPED: ${stageReason}`)
    if (slice.stage === "FAILED" && !injectedRefusal.test(stageReason ?? ""))
      problems.push(`${slice.tag} is FAILED: ${stageReason}`)
    if (slice.stage === "PROCESSED" && order === undefined)
      problems.push(`${slice.tag} is PROCESSED and was never placed`)
    if (slice.stage !== "PROCESSED" && order !== undefined)
      problems.push(`${slice.tag} is ${slice.stage} and was placed`)
    if (order === undefined) continue
    if (order.orderId !== slice.brokerOrderId)
      problems.push(`${slice.tag} is ${order.orderId}, not ${slice.brokerOrderId}`)
    if (order.receivedAt < slice.dueMillis) {
      early++
      problems.push(`${slice.tag} was ${slice.dueMillis - order.receivedAt} ms early`)
    }
    if (slice.brokerIsFinal && order.filledQuantity !== slice.filledQuantity) {
      problems.push(`${slice.tag} filled ${order.filledQuantity}, not ${slice.filledQuantity}`)
    }
  }
  const unbalanced = yield* query(
    "verdict.unbalanced",
    Schema.Struct({ orderId: Schema.String }),
    sql`SELECT order_id FROM order_conservation WHERE unaccounted <> 0 OR overfilled > 0`
  )
  for (const { orderId } of unbalanced) problems.push(`the quantities of ${orderId} do not add up`)
  if (summary.overLimit > 0) problems.push(`${summary.overLimit} order requests were over a limit`)
  if (summary.orders !== ledger.orders.length) problems.push("the simulator's summary and ledger differ")

  const stages: Record<string, number> = {}
  for (const { stage } of slices) stages[stage] = (stages[stage] ?? 0) + 1
  const figures = {
    slices: slices.length,
    stages,
    orders: ledger.orders.length,
    doubles: [...byTag.values()].filter((orders) => orders.length > 1).length,
    lost: lost + Math.max(0, expectedSlices - slices.length),
    early,
    placedAgainAfterReconciling: slices.filter(({ attempts }) => attempts > 1).length,
    maxInOneSecond: summary.maxInOneSecond,
    maxInOneMinute: summary.maxInOneMinute,
    overLimit: summary.overLimit,
    faults: summary.faults
  }
  return { figures, problems } satisfies LedgerVerdict
})
