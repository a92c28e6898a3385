import { assert } from "@effect/vitest"
import { Effect, Schema } from "effect"
import { Db } from "../../src/db/Db.ts"
import { migrateFrom } from "../../src/db/Migrations.ts"
import { folderWith, projectFiles } from "./migrations.ts"
import { contractRow } from "./service.ts"

/*
 * Slices as the version before migration 0027 kept them, in one table order_slices.
 */

/** Runs statements in one transaction. */
export const run = (...statements: ReadonlyArray<string>) =>
  Effect.flatMap(Db, ({ sql, execute, transaction }) =>
    transaction(
      "test.run",
      Effect.forEach(statements, (statement) => execute("test.run", sql.unsafe(statement)), { discard: true })
    )
  )

/** The rows of a table or view, each with all its columns as JSON: times with microseconds. */
export const rowsOf = (relation: string, key: string) =>
  Effect.flatMap(Db, ({ sql, query }) =>
    query(
      "test.rows",
      Schema.Struct({ key: Schema.String, row: Schema.Record(Schema.String, Schema.Unknown) }),
      sql.unsafe(`SELECT ${key} AS key, to_jsonb(r) AS row FROM ${relation} r ORDER BY ${key}`)
    )
  ).pipe(Effect.map((rows) => new Map(rows.map(({ key, row }) => [key, row]))))

export const textOf = (select: string) =>
  Effect.flatMap(Db, ({ sql, queryOne }) =>
    queryOne(
      "test.text",
      Schema.Struct({ value: Schema.NullOr(Schema.String) }),
      sql.unsafe(`SELECT (${select})::text AS value`)
    )
  ).pipe(Effect.map(({ value }) => value))

const lastBefore = 25

/** A database of the version before, with orders. */
export const before = Effect.gen(function* () {
  assert.strictEqual((yield* projectFiles)[lastBefore], "0026_order_numbers.sql")
  yield* migrateFrom(yield* folderWith({ first: lastBefore }))
  const { sql, execute } = yield* Db
  for (const id of ["o1", "o2", "o3"]) {
    yield* execute(
      "test.order",
      sql`INSERT INTO orders ${sql.insert(contractRow(id, { order_queue_status: "PENDING" }))}`
    )
  }
  yield* run("UPDATE orders SET order_queue_status = 'DONE', split_at = created_at, total_quantity = 1000")
})

/** A column's value of a slice that was inserted as an expression over its number `n`. */
type Columns = Readonly<Record<string, string>>

const everySlice: Columns = {
  id: "'s' || n",
  order_id: "CASE WHEN n % 7 = 0 THEN 'o2' ELSE 'o1' END",
  sequence_number: "n",
  tag: "'T' || n",
  instrument: "'NSE:INFY'",
  side: "'BUY'",
  quantity: "10 + n % 3",
  order_type: "'LIMIT'",
  limit_price: "1500.05",
  product_type: "'CNC'",
  validity: "'DAY'",
  request_id: "'r1'",
  trace_id: "'t1'",
  scheduled_at: "'2026-01-05T04:00:00.123456Z'::timestamptz + n * interval '1 second'",
  not_before:
    "'2026-01-05T04:00:00.123456Z'::timestamptz + n * interval '1 second' + (n % 2) * interval '1 microsecond'",
  not_after: "'2026-01-05T05:00:00.654321Z'::timestamptz + (n % 5) * interval '1 minute'",
  created_at: "'2026-01-05T03:59:00.000001Z'",
  updated_at: "'2026-01-05T04:10:00.999999Z'::timestamptz + n * interval '1 microsecond'",
  market: "'NSE'",
  stale_at: "CASE n % 3 WHEN 0 THEN '2026-01-05T04:30:00.000003Z'::timestamptz END"
}

export const claimed: Columns = {
  claim_version: "n % 4 + 1",
  claimed_by: "'host-' || n % 2",
  claimed_at: "'2026-01-05T04:00:01.000002Z'",
  lease_expires_at: "'2026-01-05T04:05:00.000005Z'",
  attempts: "n % 3"
}

const sent: Columns = {
  ...claimed,
  placed_at: "'2026-01-05T04:01:02.345678Z'",
  acknowledged_at: "'2026-01-05T04:01:02.456789Z'",
  broker_order_id: "'b' || n",
  broker_status: "'OPEN'",
  broker_status_text: "CASE n % 2 WHEN 0 THEN 'waits' END",
  filled_quantity: "n % 10",
  average_price: "1499.1234",
  cancel_sent_at: "CASE n % 4 WHEN 0 THEN '2026-01-05T04:02:00.000007Z'::timestamptz END"
}

export const ended: Columns = { stage_reason: "'because of ' || n", reason_code: "CASE n % 2 WHEN 0 THEN 'code' END" }

/** Slices of every stage, and odd ones that other programs may have made. */
export const kinds: ReadonlyArray<Columns> = [
  { stage: "'SCHEDULED'" },
  { stage: "'SCHEDULED'", is_held: "true", in_doubt_at: "'2026-01-05T04:09:00.000001Z'", ...claimed, ...ended },
  { stage: "'IN_PROGRESS'", ...claimed },
  {
    stage: "'IN_PROGRESS'",
    ...claimed,
    ...ended,
    outcome_unknown_at: "'2026-01-05T04:04:00.000009Z'",
    is_held: "true"
  },
  { stage: "'PROCESSED'", ...sent },
  { stage: "'PROCESSED'", ...sent, left_book_at: "'2026-01-05T04:08:00.000011Z'", ...ended, carried_quantity: "1" },
  {
    stage: "'PROCESSED'",
    ...sent,
    broker_is_final: "true",
    carried_quantity: "n % 3",
    in_doubt_at: "'2026-01-05T04:03:00Z'"
  },
  { stage: "'PROCESSED'", ...sent, broker_is_final: "true", acknowledged_at: "NULL", is_waived: "true" },
  { stage: "'PROCESSED'", ...sent, acknowledged_at: "NULL" },
  { stage: "'FAILED'", ...claimed, ...ended, placed_at: "'2026-01-05T04:01:02.345678Z'" },
  { stage: "'FAILED'", ...sent, ...ended, is_waived: "true" },
  { stage: "'SKIPPED'", ...ended, replaced_by: "2" },
  { stage: "'SKIPPED'", ...sent, ...ended, carried_quantity: "2" },
  { stage: "'SKIPPED'", ...ended, claimed_by: "'half'", lease_expires_at: "'2026-01-05T04:05:00Z'" },
  { stage: "'SKIPPED'", ...ended, claimed_at: "'2026-01-05T04:05:00Z'" },
  {
    stage: "'SCHEDULED'",
    validity: "'TTL'",
    product_type: "'CO'",
    market: "NULL",
    limit_price: "NULL",
    order_type: "'MARKET'"
  },
  { stage: "'SKIPPED'", order_id: "'o3'", sequence_number: "1048575", request_id: "NULL", created_at: "'2026-01-04'" },
  {
    stage: "'SCHEDULED'",
    scheduled_at: "'-infinity'",
    not_before: "'infinity'",
    not_after: "'infinity'",
    updated_at: "'infinity'"
  }
]

export const insertSlices = (rows: ReadonlyArray<Columns>, first = 1) =>
  Effect.gen(function* () {
    for (const [index, row] of rows.entries()) {
      const columns = Object.entries({ ...everySlice, ...row })
      yield* run(
        `INSERT INTO order_slices (${columns.map(([name]) => name).join(", ")})
         SELECT ${columns.map(([, value]) => value).join(", ")} FROM (SELECT ${first + index} AS n) x`
      )
    }
  })

/** Plans of o1 and o2: slices from 1 and from 20 on are of two plans, with the facts of the slices. */
const insertPlans = run(`
  INSERT INTO order_plans (order_id, revision, first_sequence, algorithm_version, input, starts_at, ends_at, order_type, limit_price,
    cause, created_at)
  SELECT id, revision, first, 1, '{}', 'epoch', 'epoch', 'LIMIT', 1500.05, 'SPLIT', '2026-01-05T03:59:00.000001Z'
  FROM orders, (VALUES (1, 1), (2, 20), (3, 20), (4, 500)) AS plan (revision, first) WHERE id <> 'o3'`)

const insertEvents = run(`
  INSERT INTO broker_events (id, called_at, duration_millis, broker, call, outcome, order_id, slice_id, attempt, broker_order_id, request,
    response, worker)
  VALUES
    ('s5:place:2', '2026-01-05T04:01:02.345678Z', 1.25, 'mock', 'place', 'ok', 'o1', 's5', 1, 'b5', '{"tag": "T5"}', '{"a": 1}', 'host-1'),
    ('s6:place:03', '2026-01-05T04:01:02.345679Z', 1.25, 'mock', 'place', 'refused', 'o1', 's6', 1, NULL, '{}', '{}', 'host-1'),
    ('s6:place:9999999999', 'infinity', 0, 'mock', 'place', 'refused', 'o1', 's6', NULL, NULL, '{}', '{}', 'host-1'),
    ('x', '2026-01-05T04:01:03Z', 2, 'mock', 'find_by_tag', 'ok', NULL, NULL, NULL, NULL, '{"tags": []}', '{}', 'host-0'),
    ('y', '2026-01-05T04:01:04Z', 2, 'mock', 'cancel', 'ok', 'o1', 's7', NULL, 'b7', '{}', '{}', 'host-0'),
    ('s7:place:1', '2026-01-05T04:01:05Z', 2, 'mock', 'place', 'ok', 'o1', 's7', NULL, 'b7', '{}', '{}', 'host-0'),
    ('z', '2026-01-05T04:01:06Z', 2, 'mock', 'cancel', 'ok', 'gone', 'gone', NULL, 'b7', '{}', '{}', 'host-0')`)

export const withData = Effect.gen(function* () {
  yield* before
  yield* insertPlans
  yield* insertSlices([...kinds, ...kinds.filter(({ order_id }) => order_id === undefined)])
  yield* insertEvents
})

export const read = Effect.all({
  slices: rowsOf("order_slices", "id"),
  events: rowsOf("broker_events", "id"),
  progress: rowsOf("order_progress", "order_id"),
  conservation: rowsOf("order_conservation", "order_id")
})
