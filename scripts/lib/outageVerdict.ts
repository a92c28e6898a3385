import { Effect, Schedule, Schema } from "effect"
import { table } from "../../src/cli/terminal/table.ts"
import { Db } from "../../src/db/Db.ts"
import type { simulatorApi } from "./stagingProcesses.ts"

const limit = { order_type: "LIMIT", limit_price: "100000" }
const unfillable = { order_type: "LIMIT", limit_price: "1" }

/** One order for each policy. A limit of 100,000 is filled at the market price, a limit of 1 never. */
export const outageOrders = [
  { id: "send", lateness_policy: "SEND", cancel_unfilled_after_seconds: 15 },
  { id: "skip", lateness_policy: "SKIP", cancel_unfilled_after_seconds: 15 },
  { id: "respread", lateness_policy: "RESPREAD", cancel_unfilled_after_seconds: 15 },
  {
    id: "respread-carry",
    lateness_policy: "RESPREAD",
    cancel_unfilled_after_seconds: 6,
    carry_unfilled: true,
    ...limit
  },
  { id: "skip-cross", lateness_policy: "SKIP", cancel_unfilled_after_seconds: 6, completion: "CROSS", ...limit },
  {
    id: "unfilled",
    lateness_policy: "RESPREAD",
    cancel_unfilled_after_seconds: 5,
    carry_unfilled: true,
    ...unfillable
  },
  { id: "unfilled-cross", cancel_unfilled_after_seconds: 5, carry_unfilled: true, completion: "CROSS", ...unfillable }
] as const

type Simulator = ReturnType<typeof simulatorApi>

const LedgerOrders = Schema.Struct({
  orders: Schema.Array(
    Schema.Struct({
      tag: Schema.NullOr(Schema.String),
      status: Schema.NullOr(Schema.String),
      quantity: Schema.Int,
      filledQuantity: Schema.Int
    })
  )
})

/** Looks twice a second at the simulator, and keeps the maximum exposure of each order: filled plus still open. */
export const watchExposure = Effect.fnUntraced(function* (simulator: Simulator) {
  const { sql, query } = yield* Db
  const worst = new Map<string, number>()
  const look = Effect.gen(function* () {
    const ledger = yield* Effect.flatMap(simulator.get("ledger"), Schema.decodeUnknownEffect(LedgerOrders))
    const slices = yield* query(
      "outage.tags",
      Schema.Struct({ tag: Schema.String, orderId: Schema.String }),
      sql`SELECT tag, order_id FROM order_slices`
    )
    const orderOf = new Map<string | null, string>(slices.map(({ tag, orderId }) => [tag, orderId]))
    const exposure = new Map<string, number>()
    for (const { tag, status, quantity, filledQuantity } of ledger.orders) {
      const isOver = status === "COMPLETE" || status === "CANCELLED" || status === "REJECTED"
      const id = orderOf.get(tag) ?? "none of ours"
      exposure.set(id, (exposure.get(id) ?? 0) + (isOver ? filledQuantity : quantity))
    }
    for (const [id, quantity] of exposure) worst.set(id, Math.max(worst.get(id) ?? 0, quantity))
  })
  yield* Effect.forkScoped(Effect.repeat(look, Schedule.spaced("500 millis")))
  return { worst: () => worst }
})

const OutageRow = Schema.Struct({
  orderId: Schema.String,
  totalQuantity: Schema.Int,
  state: Schema.String,
  statusReason: Schema.NullOr(Schema.String),
  filled: Schema.Int,
  unaccounted: Schema.Int,
  overfilled: Schema.Int,
  plans: Schema.Int,
  onTime: Schema.Int,
  late: Schema.Int,
  lateSkipped: Schema.Int,
  /** The maximum number of placements within a minute after the outage. */
  burst: Schema.Int,
  early: Schema.Int
})
type OutageRow = typeof OutageRow.Type

export interface OutageVerdict {
  readonly rows: ReadonlyArray<OutageRow & { readonly exposure: number }>
  readonly problems: ReadonlyArray<string>
}

interface OutageRun {
  /** The length of the orders' window. */
  readonly minutes: number
  readonly maxLatenessSeconds: number
  readonly goesDownAt: number
  readonly comesBackAt: number
  readonly exposure: ReadonlyMap<string, number>
}

export const judgeOutage = Effect.fnUntraced(function* (outage: OutageRun) {
  const { sql, query } = yield* Db
  const [down, back] = [new Date(outage.goesDownAt), new Date(outage.comesBackAt)]
  const rows = yield* query(
    "outage.rows",
    OutageRow,
    sql`
      SELECT p.order_id, p.total_quantity, p.state, p.status_reason, p.filled_quantity::int AS filled,
        c.unaccounted::int AS unaccounted, c.overfilled,
        (SELECT count(*)::int FROM order_plans WHERE order_id = p.order_id) AS plans, s.*,
        (SELECT coalesce(max(n), 0)::int FROM (
          SELECT count(*) OVER (ORDER BY placed_at RANGE BETWEEN CURRENT ROW AND interval '1 minute' FOLLOWING) AS n
          FROM order_slices x JOIN order_plans q ON q.order_id = x.order_id AND q.cause <> 'COMPLETION'
            AND q.revision = (SELECT max(revision) FROM order_plans r WHERE r.order_id = x.order_id AND r.first_sequence <= x.sequence_number)
          WHERE x.order_id = p.order_id AND placed_at >= ${back}) b) AS burst
      FROM order_progress p JOIN order_conservation c USING (order_id)
      CROSS JOIN LATERAL (
        SELECT
          (count(*) FILTER (WHERE placed_at < scheduled_at + interval '1 second'))::int AS on_time,
          -- Later than SKIP and RESPREAD allow, and the second that finding out may take.
          (count(*) FILTER (WHERE placed_at >= scheduled_at + (${outage.maxLatenessSeconds}::int + 1) * interval '1 second'))::int
            AS late,
          (count(*) FILTER (WHERE stage = 'SKIPPED' AND replaced_by IS NULL
            AND scheduled_at BETWEEN ${down} AND ${back}))::int AS late_skipped,
          (count(*) FILTER (WHERE placed_at < scheduled_at))::int AS early
        FROM order_slices WHERE order_id = p.order_id
      ) s
      ORDER BY p.created_at, p.order_id`
  )
  const judged = rows.map((row) => ({ ...row, exposure: outage.exposure.get(row.orderId) ?? 0 }))
  return { rows: judged, problems: judged.flatMap((row) => problemsOf(row, outage.minutes)) } satisfies OutageVerdict
})

/** An order has 30 slices of 100 units; 7 or 8 are due before an outage of half the window, as many after it. */
const problemsOf = (row: OutageRow & { readonly exposure: number }, minutes: number): ReadonlyArray<string> => {
  // Three times the planned pace, plus one slice on the edge of the minute.
  const maxInAMinute = Math.ceil((30 / minutes) * 3) + 1
  const { orderId, filled, late, lateSkipped, burst, plans, state, statusReason } = row
  const must: Array<readonly [boolean, string]> = [
    [row.exposure <= row.totalQuantity, `up to ${row.exposure} were filled or working`],
    [row.unaccounted === 0 && row.overfilled === 0, "the conservation law does not hold"],
    [row.early === 0, `${row.early} slices were early`],
    [row.totalQuantity === 3000, "its quantity has changed"]
  ]
  if (orderId === "send") must.push([late >= 14 && lateSkipped === 0 && plans === 1, "late slices were not all sent"])
  if (orderId.startsWith("skip")) must.push([late === 0 && lateSkipped >= 13, "late slices were not all skipped"])
  if (orderId.startsWith("respread")) {
    must.push([late === 0 && plans >= 2, "late slices were not planned anew"])
  }
  if (orderId === "respread" || orderId === "respread-carry") must.push([burst <= maxInAMinute, "it came in a burst"])
  if (orderId.endsWith("cross")) must.push([filled === 3000 && state === "filled", "it was not completed"])
  if (orderId === "unfilled") {
    must.push([filled === 0 && state === "unfilled" && statusReason !== null, "its unfilled quantity was not reported"])
  }
  return must.filter(([isRight]) => !isRight).map(([, text]) => `${orderId}: ${text}`)
}

export const outageText = ({ rows, problems }: OutageVerdict): string =>
  [
    ...table(
      [
        "ORDER",
        "STATE",
        "FILLED",
        "MAX AT RISK",
        "PLANS",
        "ON TIME",
        "LATE",
        "SKIPPED IN THE OUTAGE",
        "MAX IN A MINUTE",
        "REASON"
      ],
      rows.map((row) => [
        row.orderId,
        row.state,
        `${row.filled}`,
        `${row.exposure}`,
        `${row.plans}`,
        `${row.onTime}`,
        `${row.late}`,
        `${row.lateSkipped}`,
        `${row.burst}`,
        row.statusReason ?? ""
      ])
    ),
    ...problems.map((problem) => `WRONG: ${problem}`)
  ].join("\n")
