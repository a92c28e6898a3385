import { Context, type DateTime, Effect, Layer, Schema } from "effect"
import { Db } from "../../db/Db.ts"
import type { DbError } from "../../db/DbError.ts"
import { instant } from "../../db/parameters.ts"
import {
  type AuditTable,
  auditRows,
  auditTables,
  counterOf,
  counterSum,
  form,
  oldestRow,
  sealedColumns,
  sealedTo,
  sealHash
} from "../sql/auditTables.ts"

/** A seal by its number, and its hash in hexadecimal digits. Number 0 and no hash before the first one. */
export const SealHead = Schema.Struct({ number: Schema.Number, hash: Schema.String })
export type SealHead = typeof SealHead.Type

const Table = Schema.Literals(auditTables)

/** What of a table is to be sealed: the rows above `sealedTo`, up to `top`, which no row exceeded when it was asked. */
const Unsealed = Schema.Struct({ table: Table, sealedTo: Schema.Number, top: Schema.Number })

const Progress = Schema.Struct({
  ...SealHead.fields,
  /** The sum of what every `top` was made of. */
  taken: Schema.Number,
  tables: Schema.Array(Unsealed)
})

/** A transaction that has written to a table of the audit, or may. */
const Writer = Schema.Struct({ table: Table, transaction: Schema.String })
export type Writer = typeof Writer.Type

const Sealed = Schema.Struct({
  /** False: another daemon has sealed meanwhile, and nothing was sealed. */
  isNext: Schema.Boolean,
  count: Schema.Int,
  lastId: Schema.NullOr(Schema.Number),
  number: Schema.NullOr(Schema.Number),
  hash: Schema.NullOr(Schema.String)
})

const Status = Schema.Struct({
  ...SealHead.fields,
  /** The latest seal is the one that was recorded as such. */
  fits: Schema.Boolean,
  /** Of the rows that are to be sealed next. */
  oldestUnsealed: Schema.NullOr(Schema.DateTimeUtcFromDate),
  /** Seals of the last ones that do not fit to the one before. */
  broken: Schema.Array(Schema.Number),
  /** Tables whose counter is below what is sealed of them: they give ids a second time. */
  behind: Schema.Array(Table),
  /** More rows are recorded as sealed than were ever written, so that new ones are not sealed. */
  isAhead: Schema.Boolean
})

/**
 * The seals of the audit: a digest of each row, and a hash over these and the seal before. Rows are sealed in the order of their ids, when
 * none with a lower id can be committed any more. Called by the sealer of every daemon, and by doctor.
 */
export class AuditStore extends Context.Service<
  AuditStore,
  {
    /** Where the seals end, and what is to be sealed. */
    readonly progress: Effect.Effect<typeof Progress.Type, DbError>
    /** The transactions that may still commit rows of the audit. */
    readonly writers: Effect.Effect<ReadonlyArray<Writer>, DbError>
    /** Seals at most `limit` rows of a table whose ids are in (`after`, `last`], up to `top` in the end, as the seal that follows `head`. */
    readonly seal: (batch: {
      readonly table: AuditTable
      readonly after: number
      readonly last: number
      readonly top: number
      readonly limit: number
      readonly head: SealHead
      readonly now: DateTime.Utc
    }) => Effect.Effect<typeof Sealed.Type, DbError>
    /** Notes that everything is sealed up to what `progress` has found. */
    readonly cover: (taken: number) => Effect.Effect<void, DbError>
    /** What is wrong at the end of the seals, without looking at all of them. */
    readonly status: Effect.Effect<typeof Status.Type, DbError>
  }
>()("pulse-background/AuditStore") {
  static readonly layer: Layer.Layer<AuditStore, never, Db> = Layer.effect(
    AuditStore,
    Effect.map(Db, (db) =>
      AuditStore.of({
        progress: progress(db),
        writers: writers(db),
        seal: seal(db),
        cover: cover(db),
        status: status(db)
      })
    )
  )
}

const progress = ({ sql, queryOne }: Db["Service"]) =>
  queryOne(
    "AuditStore.progress",
    Progress,
    sql`
      SELECT number::float8 AS number, encode(hash, 'hex') AS hash, ${counterSum(sql)}::float8 AS taken, jsonb_build_array(${sql.csv(
        auditTables.map(
          (table) =>
            sql`jsonb_build_object('table', ${table}::text, 'sealedTo', ${sealedTo(sql, table)}, 'top', ${counterOf(sql, table)})`
        )
      )}) AS tables
      FROM audit_head`
  )

/** Whoever inserts has locked the table before it takes an id. */
const writers = ({ sql, query }: Db["Service"]) =>
  query(
    "AuditStore.writers",
    Writer,
    sql`
      SELECT DISTINCT t.name AS table, l.virtualtransaction AS transaction
      FROM pg_locks l JOIN unnest(${sql.literal(`ARRAY['${auditTables.join("', '")}']`)}) AS t (name) ON l.relation = t.name::regclass
      WHERE l.locktype = 'relation' AND l.granted AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
        AND l.mode IN ('RowExclusiveLock', 'ShareRowExclusiveLock', 'ExclusiveLock', 'AccessExclusiveLock')`
  )

const seal =
  ({ sql, queryOne }: Db["Service"]): AuditStore["Service"]["seal"] =>
  ({ table, after, last, top, limit, head, now }) =>
    queryOne(
      "AuditStore.seal",
      Sealed,
      sql`
        WITH head AS MATERIALIZED (
          SELECT number, hash FROM audit_head
          WHERE number = ${head.number}::float8::bigint AND encode(hash, 'hex') = ${head.hash}
          FOR UPDATE SKIP LOCKED
        ), batch AS MATERIALIZED (
          SELECT id, digest FROM (${auditRows(sql, table, sql`${after}::float8::bigint`, sql`${last}::float8::bigint`)}) rows
          WHERE EXISTS (SELECT FROM head)
          ORDER BY id LIMIT ${limit}
        ), s AS MATERIALIZED (
          SELECT number + 1 AS number, ${table}::text AS table_name, ${form}::smallint AS form, ${instant(now)}::timestamptz AS sealed_at,
            ${top}::float8::bigint AS counter, sealed.*, head.hash AS previous
          FROM head CROSS JOIN (SELECT ${sealedColumns(sql)}, max(id) AS last_id FROM batch HAVING count(*) > 0) sealed
        ), seal AS (
          INSERT INTO audit_seals (number, table_name, form, sealed_at, ids, digests, rows_hash, last_id, counter, hash)
          SELECT number, table_name, form, sealed_at, ids, digests, rows_hash, last_id, counter,
            ${sealHash(sql, sql.literal("s.previous"))}
          FROM s
          RETURNING number, hash, last_id
        ), moved AS (
          UPDATE audit_head h SET number = seal.number, hash = seal.hash FROM seal
        )
        SELECT EXISTS (SELECT FROM head) AS is_next, (SELECT count(*)::int FROM batch) AS count, seal.last_id::float8 AS last_id,
          seal.number::float8 AS number, encode(seal.hash, 'hex') AS hash
        FROM (VALUES (1)) one (row) LEFT JOIN seal ON true`
    )

const cover =
  ({ sql, execute }: Db["Service"]): AuditStore["Service"]["cover"] =>
  (taken) =>
    execute(
      "AuditStore.cover",
      sql`UPDATE audit_head SET covered = ${taken}::float8::bigint WHERE covered < ${taken}::float8::bigint`
    )

/** How many of the latest seals doctor looks at, and how many rows at most of those that are to be sealed next. */
const [someSeals, someRows] = [20, 1000]

const status = ({ sql, queryOne }: Db["Service"]) =>
  queryOne(
    "AuditStore.status",
    Status,
    sql`
      WITH latest AS MATERIALIZED (
        SELECT s.number, s.hash, lag(s.number) OVER in_order AS previous_number,
          s.hash IS NOT DISTINCT FROM ${sealHash(sql, sql.literal("lag(s.hash) OVER in_order"))} AS fits
        FROM audit_seals s WHERE s.number > (SELECT number - ${someSeals}::int FROM audit_head) - 1
        WINDOW in_order AS (ORDER BY s.number)
      )
      SELECT h.number::float8 AS number, encode(h.hash, 'hex') AS hash,
        h.number = coalesce((SELECT max(number) FROM latest), 0)
          AND h.hash = coalesce((SELECT hash FROM latest ORDER BY number DESC LIMIT 1), '') AS fits,
        least(${sql.csv(
          auditTables.map((table) =>
            oldestRow(sql, table, sealedTo(sql, table), sql`${sealedTo(sql, table)} + ${someRows}::int`)
          )
        )}) AS oldest_unsealed,
        ARRAY(SELECT number::float8 FROM latest WHERE previous_number IS NOT NULL AND NOT (fits AND previous_number = number - 1)) AS broken,
        array_remove(ARRAY[${sql.csv(
          auditTables.map(
            (table) => sql`CASE WHEN ${counterOf(sql, table)} < ${sealedTo(sql, table)} THEN ${table}::text END`
          )
        )}], NULL) AS behind,
        h.covered > ${counterSum(sql)} AS is_ahead
      FROM audit_head h`
  )
