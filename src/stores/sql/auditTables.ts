import type { Fragment } from "effect/sql/Statement"
import type { Sql } from "../../db/Db.ts"

/** The tables whose rows are sealed. */
export const auditTables = ["placement_halts", "operator_actions", "broker_calls", "audit_prunings"] as const
export type AuditTable = (typeof auditTables)[number]

interface AuditRows {
  /** The column that tells in which order rows were written. */
  readonly id: string
  /** When a row was written, as it says itself. */
  readonly at: string
  readonly columns: string
  /** The tables that the columns are from. */
  readonly from: string
}

/**
 * What is sealed of each table, in the canonical form 1. A column that is added later is not in it: a new form is added then, and
 * seals of this one are still compared by it. Types are named, so that the form does not change with a column's type.
 *
 * A broker call is sealed with what other tables say of it, which `broker_events` shows: the slice as it was planned, and whose
 * claim it was. They are found one by one, by their keys, whatever the planner knows of the tables.
 */
const rows: Readonly<Record<AuditTable, AuditRows>> = {
  placement_halts: {
    id: "id",
    at: "requested_at",
    columns: "r.id::bigint, r.is_halted, r.reason::text, r.requested_by::text, r.requested_at",
    from: "placement_halts r"
  },
  operator_actions: {
    id: "id",
    at: "at",
    columns:
      "r.id::bigint, r.at, r.operator::text, r.action::text, r.reason::text, r.order_id::text, r.slice_id::text, r.details, r.database_user::text",
    from: "operator_actions r"
  },
  broker_calls: {
    id: "number",
    at: "called_at",
    columns: `r.number::bigint, r.slice::bigint, r.called_at, r.duration_millis::float8, r.claim::bigint, r.deadline, r.version::int,
      r.attempt::int, r.call::text, r.broker::text, r.broker_order_id::text, r.outcome::text, r.worker::text, r.response, r.request,
      r.id::text, r.order_id::text, r.slice_id::text, l.owner::text,
      p.id::text, p.tag::text, p.quantity::int, p.revision::int, p.instrument::text, p.side::text, p.order_type::text,
      trim_scale(p.limit_price), p.product_type::text, p.validity::text,
      f.order_id::text, f.instrument::text, f.side::text, f.order_type::text, trim_scale(f.limit_price), f.product_type::text,
      f.validity::text`,
    from: `broker_calls r
      LEFT JOIN LATERAL (SELECT * FROM slice_plan WHERE slice = r.slice LIMIT 1) p ON true
      LEFT JOIN LATERAL (SELECT id FROM orders WHERE number = p.order_number LIMIT 1) o ON true
      LEFT JOIN LATERAL (SELECT * FROM order_plans WHERE order_id = o.id AND revision = p.revision LIMIT 1) f ON true
      LEFT JOIN LATERAL (SELECT owner FROM slice_claims WHERE id = r.claim LIMIT 1) l ON true`
  },
  audit_prunings: {
    id: "id",
    at: "at",
    columns: "r.id::bigint, r.at, r.operator::text, r.removed, r.transaction::text",
    from: "audit_prunings r"
  }
}

/** The canonical form that is sealed now. */
export const form = 1

/**
 * The one definition of a digest: SHA-256 over the values in PostgreSQL's binary form, each with its type and length. It depends
 * neither on settings of the session nor on how times and numbers are written, and no function of the database's own is called.
 */
const digestOf = (values: string): string => `pg_catalog.sha256(pg_catalog.record_send(ROW(${values})))`

/** The rows of a table whose ids are in (`after`, `last`]: `id`, `digest`, and `at`, the time that the row tells. */
export const auditRows = (sql: Sql, table: AuditTable, after: Fragment, last: Fragment): Fragment => {
  const { at, columns, from, id } = rows[table]
  return sql`
    SELECT ${sql.literal(`r.${id}::bigint`)} AS id, ${sql.literal(digestOf(columns))} AS digest, ${sql.literal(`r.${at}`)} AS at
    FROM ${sql.literal(from)}
    WHERE ${sql.literal(`r.${id}`)} > ${after} AND ${sql.literal(`r.${id}`)} <= ${last}`
}

/** The ids of a table above that one. */
export const idsAfter = (sql: Sql, table: AuditTable, after: Fragment): Fragment =>
  sql`SELECT ${sql.literal(rows[table].id)}::float8 FROM ${sql.literal(table)} WHERE ${sql.literal(rows[table].id)} > ${after}`

/** How many rows a table has above that id. */
export const countAfter = (sql: Sql, table: AuditTable, after: Fragment): Fragment =>
  sql`SELECT count(*) FROM (${idsAfter(sql, table, after)}) above`

/** The oldest time of what a table has in that range of ids. */
export const oldestRow = (sql: Sql, table: AuditTable, after: Fragment, last: Fragment): Fragment => {
  const { at, id } = rows[table]
  const [column, key] = [sql.literal(at), sql.literal(id)]
  return sql`(SELECT min(${column}) FROM ${sql.literal(table)} WHERE ${key} > ${after} AND ${key} <= ${last})`
}

/** How many bytes of a digest a seal keeps for each row. */
export const keptBytes = 8

/** What a seal keeps of the digests of `rows` with `id` and `digest`. */
export const sealedColumns = (sql: Sql): Fragment =>
  sql.literal(`range_agg(int8range(id, id + 1)) AS ids,
    string_agg(substr(digest, 1, ${keptBytes}), ''::bytea ORDER BY id) AS digests,
    pg_catalog.sha256(string_agg(digest, ''::bytea ORDER BY id)) AS rows_hash`)

/** The highest id of a table that is sealed; 0 if there is none. */
export const sealedTo = (sql: Sql, table: AuditTable): Fragment => sql`
  coalesce((SELECT last_id FROM audit_seals WHERE table_name = ${table} ORDER BY number DESC LIMIT 1), 0)`

/** The hash of the seal `s`, after one that has this hash. */
export const sealHash = (sql: Sql, previous: Fragment): Fragment =>
  sql`pg_catalog.sha256(pg_catalog.record_send(ROW(${previous}, s.number::bigint, s.table_name::text, s.form::smallint, s.sealed_at,
    s.ids, s.last_id::bigint, s.counter::bigint, pg_catalog.sha256(s.digests), s.rows_hash)))`

/** The counter of a table: no row that was ever written has a higher id. */
export const counterOf = (sql: Sql, table: AuditTable): Fragment =>
  sql.literal(`(SELECT ${table} FROM audit_counters())`)

/** The sum of all counters, which grows with each row. */
export const counterSum = (sql: Sql): Fragment =>
  sql.literal(`(SELECT ${auditTables.join(" + ")} FROM audit_counters())`)
