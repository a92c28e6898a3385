import { Effect, Schema } from "effect"
import type { SqlClient } from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import { putResults, skipped, takeQueued } from "../../src/stores/sql/moves.ts"
import { contractColumns, otherColumns, type RowInput, typeOf } from "./RowInput.ts"

/** An order as it ended. Times in milliseconds since 1970; infinite ones are ±Infinity. */
const OrderEnd = Schema.Struct({
  id: Schema.String,
  status: Schema.String,
  reason: Schema.NullOr(Schema.String),
  reason_code: Schema.NullOr(Schema.String),
  total_quantity: Schema.NullOr(Schema.Number),
  limit_price: Schema.NullOr(Schema.String),
  created: Schema.Number,
  is_stopped: Schema.Boolean
})
export type OrderEnd = typeof OrderEnd.Type

const SliceEnd = Schema.Struct({
  order_id: Schema.String,
  sequence: Schema.Number,
  tag: Schema.String,
  instrument: Schema.String,
  side: Schema.String,
  quantity: Schema.Number,
  order_type: Schema.String,
  limit_price: Schema.NullOr(Schema.String),
  stage: Schema.String,
  stage_reason: Schema.NullOr(Schema.String),
  scheduled: Schema.Number,
  planned: Schema.Number
})
export type SliceEnd = typeof SliceEnd.Type

/** An order that has not come to its end, and what is missing. */
const Unsettled = Schema.Struct({ id: Schema.String, what: Schema.String })
export type Unsettled = typeof Unsettled.Type

const Tag = Schema.Struct({ tag: Schema.String })

const decodeAll = <S extends Schema.Top & { readonly DecodingServices: never }>(row: S) => {
  const decode = Schema.decodeUnknownEffect(Schema.Array(row))
  return <E>(rows: Effect.Effect<unknown, E>) => Effect.flatMap(rows, (found) => Effect.orDie(decode(found)))
}

const millis = (column: string) => `(extract(epoch FROM ${column}) * 1000)::float8`

/** What stops the slices of a judged batch, so that its rows can be deleted. */
export const endOfBatch = "the fuzzer has seen enough"

/**
 * Writes orders as programs with few rights do: `pulse-api` may INSERT into the columns of the contract, and `stranger` into
 * any column of the table.
 */
export const orderWriters = (sql: SqlClient, rolePrefix: string) => {
  const roleOf = (writer: RowInput["writer"]) => `${rolePrefix}_${writer === "stranger" ? "stranger" : "api"}`
  const kindsOf = (writer: RowInput["writer"]) =>
    writer === "stranger" ? { ...contractColumns, ...otherColumns } : contractColumns
  const columnsOf = (writer: RowInput["writer"]) => Object.keys(kindsOf(writer))

  const makeRoles = Effect.forEach(
    (["pulse-api", "stranger"] as const).flatMap((writer) => [
      `CREATE ROLE ${roleOf(writer)}`,
      `GRANT USAGE ON SCHEMA public TO ${roleOf(writer)}`,
      `GRANT INSERT (${columnsOf(writer).join(", ")}) ON orders TO ${roleOf(writer)}`
    ]),
    (statement) => sql.unsafe(statement),
    { discard: true }
  )

  /** A column of a record whose key may be absent: then the column has its default. */
  const valueOf = (column: string) =>
    column === "created_at" || column === "updated_at" || column === "order_queue_status"
      ? `coalesce(r.${column}, ${column === "order_queue_status" ? "'PENDING'" : "now()"})`
      : `r.${column}`

  const insert = (
    writer: RowInput["writer"],
    rows: ReadonlyArray<RowInput["columns"]>
  ): Effect.Effect<void, SqlError> => {
    const columns = columnsOf(writer)
    const types = Object.entries(kindsOf(writer))
      .map(([column, kind]) => `${column} ${typeOf[kind]}`)
      .join(", ")
    return sql.withTransaction(
      Effect.andThen(
        sql.unsafe(`SET LOCAL ROLE ${roleOf(writer)}`),
        sql.unsafe(
          `INSERT INTO orders (${columns.join(", ")})
          SELECT ${columns.map(valueOf).join(", ")} FROM json_to_recordset($1::text::json) AS r (${types})
          ON CONFLICT DO NOTHING`,
          [JSON.stringify(rows)]
        )
      )
    )
  }

  /** Orders without anything odd: two slices at once, and three that are due in `aheadMillis`. */
  const insertNeighbours = (prefix: string, aheadMillis: number) => sql`
    INSERT INTO orders (id, instrument, side, total_quantity, num_splits, duration_minutes, randomize, created_at, order_type,
      limit_price)
    VALUES (${`${prefix}-now`}, 'NSE:INFY', 'BUY', 20, 2, 0, false, now(), 'LIMIT', 1500),
      (${`${prefix}-soon`}, 'NSE:INFY', 'SELL', 31, 3, 0, false, now() + ${aheadMillis}::float8 * interval '1 millisecond', 'LIMIT', 1500)`

  return { makeRoles, insert, insertNeighbours }
}

/** Reads what became of orders, as the owner of the database, and deletes them. */
export const orderTables = (sql: SqlClient) => {
  /**
   * The orders that have not come to their end, those with a slice that is claimed or waits `overdueMillis` after it was due, and
   * those of `whole` with any slice that has not come to its end.
   */
  const unsettled = (ids: ReadonlyArray<string>, overdueMillis: number, whole: ReadonlyArray<string>) =>
    decodeAll(Unsettled)(sql`
      SELECT id, order_queue_status AS what FROM orders
      WHERE id = ANY(${ids}::text[]) AND order_queue_status IN ('PENDING', 'IN_PROGRESS')
      UNION ALL
      SELECT order_id, format('%s slice %s %s', stage, sequence_number, stage_reason) FROM order_slices
      WHERE order_id = ANY(${ids}::text[]) AND (stage = 'IN_PROGRESS' OR (stage = 'SCHEDULED' AND NOT is_held))
        AND (not_before < now() - ${overdueMillis}::float8 * interval '1 millisecond' OR order_id = ANY(${whole}::text[]))
      LIMIT 10`)

  const slicesOf = (ids: ReadonlyArray<string>) =>
    sql`(SELECT p.slice FROM slice_plan p JOIN orders o ON o.number = p.order_number WHERE o.id = ANY(${ids}::text[])) mine`

  /** Stops what is left of a batch: slices that are due much later. */
  const stop = (ids: ReadonlyArray<string>) =>
    sql.withTransaction(
      Effect.andThen(
        sql`UPDATE orders SET cancel_requested_at = now(), settled_at = now() WHERE id = ANY(${ids}::text[])
          AND order_queue_status = 'DONE' AND cancel_requested_at IS NULL`,
        sql`
          WITH gone AS (${takeQueued(sql, { where: sql`q.claim = 0 AND q.slice IN (SELECT slice FROM ${slicesOf(ids)})` })})
          ${putResults(sql, sql`gone`, { stage: skipped(sql), updated_at: sql`now()`, reason: sql`${endOfBatch}` })}`
      )
    )

  const readOrders = (ids: ReadonlyArray<string>) =>
    decodeAll(OrderEnd)(sql`
        SELECT id, order_queue_status AS status, left(status_reason, 10000) AS reason, left(reason_code, 100) AS reason_code,
          total_quantity::float8 AS total_quantity, limit_price::text AS limit_price, ${sql.literal(millis("created_at"))} AS created,
          cancel_requested_at IS NOT NULL OR hold_reason IS NOT NULL AS is_stopped
        FROM orders WHERE id = ANY(${ids}::text[])`)

  const readSlices = (ids: ReadonlyArray<string>) =>
    decodeAll(SliceEnd)(sql`
      SELECT order_id, sequence_number::float8 AS sequence, tag, instrument, side, quantity::float8 AS quantity, order_type,
        limit_price::text AS limit_price, stage, stage_reason, ${sql.literal(millis("scheduled_at"))} AS scheduled,
        ${sql.literal(millis("created_at"))} AS planned
      FROM order_slices WHERE order_id = ANY(${ids}::text[])`)

  /** Deletes a batch, so that a long run does not grow the tables. */
  const forget = (ids: ReadonlyArray<string>) =>
    sql.withTransaction(
      Effect.all(
        [
          // The audit refuses to be removed.
          sql`SET LOCAL session_replication_role = replica`,
          sql`DELETE FROM broker_calls WHERE slice IN (SELECT slice FROM ${slicesOf(ids)}) OR order_id = ANY(${ids}::text[])`,
          sql`SET LOCAL session_replication_role = origin`,
          ...["slice_queue", "slice_working", "slice_results", "slice_plan"].map(
            (table) => sql`DELETE FROM ${sql.literal(table)} WHERE slice IN (SELECT slice FROM ${slicesOf(ids)})`
          ),
          sql`DELETE FROM order_plans WHERE order_id = ANY(${ids}::text[])`,
          sql`DELETE FROM orders WHERE id = ANY(${ids}::text[])`
        ],
        { discard: true }
      )
    )

  /** Those of the tags that no slice has. */
  const strayAmong = (tags: ReadonlySet<string>) =>
    decodeAll(Tag)(sql`
      SELECT t.tag FROM unnest(${[...tags]}::text[]) t (tag) WHERE NOT EXISTS (SELECT FROM order_slices s WHERE s.tag = t.tag)`)

  return { unsettled, stop, readOrders, readSlices, forget, strayAmong }
}

export type OrderWriters = ReturnType<typeof orderWriters>
export type OrderTables = ReturnType<typeof orderTables>
