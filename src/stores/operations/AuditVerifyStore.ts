import { Context, Effect, Layer, Option, Schema } from "effect"
import { Db, type Sql } from "../../db/Db.ts"
import type { DbError } from "../../db/DbError.ts"
import type { Row } from "../../db/decodeRows.ts"
import {
  type AuditTable,
  auditRows,
  auditTables,
  countAfter,
  counterOf,
  counterSum,
  idsAfter,
  keptBytes,
  sealedTo,
  sealHash
} from "../sql/auditTables.ts"
import { SealHead } from "./AuditStore.ts"

const Table = Schema.Literals(auditTables)

const Seal = Schema.Struct({
  ...SealHead.fields,
  table: Schema.String,
  /** Its hash is that of its own values and of the hash of the seal before, if that is there. */
  fits: Schema.Boolean
})
type Seal = typeof Seal.Type

const Rows = Schema.Struct({
  rows: Schema.Number,
  pruned: Schema.Number,
  /** The first ones, by id, and how many there are. */
  faults: Schema.Array(
    Schema.Struct({
      id: Schema.Number,
      seal: Schema.Number,
      change: Schema.Literals(["changed", "removed", "inserted"])
    })
  ),
  faultCount: Schema.Number,
  /** Seals whose rows differ from what was sealed, though none can be named. */
  unnamed: Schema.Array(Schema.Number),
  late: Schema.Array(Schema.Number)
})

const Unsealed = Schema.Struct({
  table: Table,
  rows: Schema.Number,
  /** The first rows that are not sealed, with ids that the table has not given yet. */
  foreign: Schema.Array(Schema.Number)
})

/** Something that is not as it was sealed. */
export interface AuditFault {
  readonly table: string
  /** The row's id, `number` in broker_calls and audit_seals; null if no row can be named. */
  readonly id: number | null
  readonly change: "changed" | "removed" | "inserted"
  /** The seal that has the row, or should have it; null for what is no sealed row. */
  readonly seal: number | null
}

interface Verified {
  /** Where the seals end. */
  readonly head: SealHead
  readonly tables: ReadonlyArray<{
    readonly table: AuditTable
    /** Rows that were compared, that prune has removed, and that are not sealed yet. */
    readonly rows: number
    readonly pruned: number
    readonly unsealed: number
    /** The first rows that tell a time an hour before the rows below them were sealed: written late, or back-dated. */
    readonly late: ReadonlyArray<number>
  }>
  /** The first ones that were found, and how many there are. */
  readonly faults: ReadonlyArray<AuditFault>
  readonly faultCount: number
}

/**
 * Compares the audit with its seals, for the command `audit verify`. Each statement reads some tens of thousands of rows, and
 * computes what it compares itself.
 */
export class AuditVerifyStore extends Context.Service<
  AuditVerifyStore,
  {
    /**
     * Compares all rows with all seals. `known` are seals that were written down elsewhere, and must be there with these hashes.
     * Names the first `limit` faults.
     */
    readonly verify: (options: {
      readonly known: ReadonlyArray<SealHead>
      readonly limit: number
    }) => Effect.Effect<Verified, DbError>
  }
>()("pulse-background/AuditVerifyStore") {
  static readonly layer: Layer.Layer<AuditVerifyStore, never, Db> = Layer.effect(
    AuditVerifyStore,
    Effect.map(Db, (db) => AuditVerifyStore.of({ verify: verify(db) }))
  )
}

/** Where the seals end, as recorded. It is not possible that more rows are sealed than were ever written. */
const Head = Schema.Struct({ ...SealHead.fields, isPossible: Schema.Boolean })

const none: SealHead = { number: 0, hash: "" }

const verify =
  (db: Db["Service"]): AuditVerifyStore["Service"]["verify"] =>
  ({ known, limit }) =>
    Effect.gen(function* () {
      const tables = new Map(
        auditTables.map((table) => [table, { table, rows: 0, pruned: 0, unsealed: 0, late: new Array<number>() }])
      )
      const faults: Array<AuditFault> = []
      let faultCount = 0
      const note = (found: ReadonlyArray<AuditFault>, count = found.length) => {
        faultCount += count
        faults.push(...found.slice(0, Math.max(0, limit - faults.length)))
      }
      // What was the last seal when this began is among those found, and so is every seal that was written down.
      const recorded = yield* head(db)
      const found = new Map<number, string>([[none.number, none.hash]])
      let last = none
      for (let page = yield* seals(db, last); page.length > 0; page = yield* seals(db, last)) {
        note(brokenAmong(last.number, page))
        for (const { hash, number } of page)
          if (number === recorded.number || known.some((seal) => seal.number === number)) found.set(number, hash)
        for (const table of auditTables) {
          const numbers = page.filter((seal) => seal.table === table).map(({ number }) => number)
          if (numbers.length === 0) continue
          const range = { table, first: Math.min(...numbers), last: Math.max(...numbers) }
          const compared = yield* rows(db, range, Math.max(0, limit - faults.length))
          note(
            compared.faults.map((fault) => ({ table, ...fault })),
            compared.faultCount
          )
          note(compared.unnamed.map((seal) => ({ table, id: null, change: "changed", seal })))
          const counts = tables.get(table)
          if (counts === undefined) continue
          counts.rows += compared.rows
          counts.pruned += compared.pruned
          counts.late.push(...compared.late.slice(0, Math.max(0, limit - counts.late.length)))
        }
        last = page.at(-1) ?? last
      }
      for (const { hash, number: id } of [recorded, ...known]) {
        const is = found.get(id)
        if (is === undefined) note([{ table: "audit_seals", id, change: "removed", seal: null }])
        else if (is !== hash) note([{ table: "audit_seals", id, change: "changed", seal: null }])
      }
      const end = yield* head(db)
      if (end.number < last.number || !end.isPossible) {
        note([{ table: "audit_head", id: null, change: "changed", seal: null }])
      }
      for (const { foreign, rows, table } of yield* unsealed(db, limit)) {
        const counts = tables.get(table)
        if (counts !== undefined) counts.unsealed = rows
        note(foreign.map((id) => ({ table, id, change: "inserted", seal: null })))
      }
      return { head: { number: last.number, hash: last.hash }, tables: [...tables.values()], faults, faultCount }
    })

/** The seals of a page that are missing after that number, and those that do not fit to the one before, if that is there. */
const brokenAmong = (after: number, page: ReadonlyArray<Seal>): ReadonlyArray<AuditFault> =>
  page.flatMap(({ number, fits }, index): ReadonlyArray<AuditFault> => {
    const before = page[index - 1]?.number ?? after
    if (number === before + 1) {
      return fits ? [] : [{ table: "audit_seals", id: number, change: "changed", seal: null }]
    }
    return [{ table: "audit_seals", id: before + 1, change: "removed", seal: null }]
  })

const head = ({ sql, queryOption }: Db["Service"]) =>
  queryOption(
    "AuditVerifyStore.head",
    Head,
    sql`
      SELECT number::float8 AS number, encode(hash, 'hex') AS hash, covered <= ${counterSum(sql)} AS is_possible FROM audit_head`
  ).pipe(Effect.map((found) => Option.getOrElse(found, () => ({ ...none, isPossible: true }))))

/** How many seals, and about how many rows, one statement looks at. */
const maxSeals = 1000
const maxRows = 50_000

/** The next seals after that one, in order. */
const seals = ({ sql, query }: Db["Service"], after: SealHead) =>
  query(
    "AuditVerifyStore.seals",
    Seal,
    sql`
        WITH sized AS MATERIALIZED (
          SELECT number, sum(octet_length(digests)) OVER (ORDER BY number) - octet_length(digests) AS bytes_before
          FROM (SELECT number, digests FROM audit_seals WHERE number > ${after.number}::float8::bigint ORDER BY number LIMIT ${maxSeals}) s
        )
        SELECT s.number::float8 AS number, s.table_name AS table, encode(s.hash, 'hex') AS hash,
          s.hash = ${sealHash(
            sql,
            sql`coalesce(lag(s.hash) OVER (ORDER BY s.number), decode(${after.hash}::text, 'hex'))`
          )} AS fits
        FROM audit_seals s JOIN sized USING (number) WHERE bytes_before < ${maxRows * keptBytes}::int
        ORDER BY number`
  )

interface Range {
  readonly table: AuditTable
  readonly first: number
  readonly last: number
}

/**
 * The seals `s` of a table with these numbers; the rows that are `found` in their `range`, each by the place of its seal: rows
 * between two seals belong to the later one; and the seals that are `suspect`, because the hash over all digests is another one.
 */
const suspects = (sql: Sql, { table, first, last }: Range) => sql`
  s AS MATERIALIZED (
    SELECT row_number() OVER (ORDER BY last_id, number) AS place, number, ids, last_id, rows_hash, digests || ''::bytea AS digests,
      -- When rows below all of these were sealed.
      (
        SELECT earlier.sealed_at FROM audit_seals earlier
        WHERE earlier.table_name = ${table} AND earlier.number < s.number AND earlier.counter < lower(s.ids)
        ORDER BY earlier.number DESC LIMIT 1
      ) AS sealed_before
    FROM audit_seals s
    WHERE table_name = ${table} AND number BETWEEN ${first}::float8::bigint AND ${last}::float8::bigint
  ), range AS MATERIALIZED (
    SELECT coalesce((
        SELECT last_id FROM audit_seals WHERE table_name = ${table} AND number < ${first}::float8::bigint
        ORDER BY number DESC LIMIT 1), ${sql.literal("-9223372036854775808")}) AS after,
      max(last_id) AS last, array_agg(last_id ORDER BY place) AS lasts
    FROM s
  ), found AS MATERIALIZED (
    SELECT width_bucket(id - 1, (SELECT lasts FROM range)) + 1 AS place, id, digest, at
    FROM (${auditRows(sql, table, sql`(SELECT after FROM range)`, sql`(SELECT last FROM range)`)}) rows
  ), sums AS MATERIALIZED (
    SELECT place, pg_catalog.sha256(string_agg(digest, ''::bytea ORDER BY id)) AS rows_hash FROM found GROUP BY place
  ), suspect AS MATERIALIZED (
    SELECT s.* FROM s LEFT JOIN sums USING (place) WHERE sums.rows_hash IS DISTINCT FROM s.rows_hash
  )`

/** The suspect seals row by row: what was `sealed` is `compared` with what is `here`, and what prune has removed is known. */
const comparison = (sql: Sql, table: AuditTable) => sql`
  pruned AS MATERIALIZED (
    SELECT coalesce(range_agg(removed), '{}') AS ids FROM audit_prunings, range
    WHERE ${table} = 'broker_calls' AND removed && int8range(after, last, '[]') AND EXISTS (SELECT FROM suspect)
  ), sealed AS MATERIALIZED (
    SELECT place, id, substr(digests, (n::int - 1) * ${keptBytes}::int + 1, ${keptBytes}::int) AS digest
    FROM suspect CROSS JOIN LATERAL (
      -- Not more than there are digests of, whatever somebody has made of the ids.
      SELECT id, row_number() OVER () AS n
      FROM unnest(suspect.ids) AS part CROSS JOIN LATERAL generate_series(lower(part), upper(part) - 1) AS id
      LIMIT octet_length(suspect.digests) / ${keptBytes}::int
    ) row
  ), here AS MATERIALIZED (
    -- Of several rows with one id, the first is the one that was sealed, if any of them is.
    SELECT found.*, row_number() OVER (
        PARTITION BY found.id ORDER BY substr(found.digest, 1, ${keptBytes}::int) <> sealed.digest) AS copy
    FROM found JOIN suspect USING (place) LEFT JOIN sealed ON sealed.id = found.id
  ), compared AS MATERIALIZED (
    SELECT coalesce(sealed.id, here.id) AS id, coalesce(sealed.place, here.place) AS place,
      coalesce(sealed.id, here.id) <@ pruned.ids AS is_pruned,
      CASE
        WHEN sealed.id IS NULL OR (here.id IS NOT NULL AND here.id <@ pruned.ids) THEN 'inserted'
        WHEN here.id IS NULL THEN CASE WHEN sealed.id <@ pruned.ids THEN NULL ELSE 'removed' END
        WHEN here.copy > 1 THEN 'inserted'
        WHEN substr(here.digest, 1, ${keptBytes}::int) <> sealed.digest THEN 'changed'
      END AS change
    FROM (sealed FULL JOIN here USING (id)) CROSS JOIN pruned
  )`

/** Compares the rows of a table with its seals of these numbers. */
const rows = ({ sql, queryOne }: Db["Service"], range: Range, limit: number) =>
  queryOne(
    "AuditVerifyStore.rows",
    Rows,
    sql`
      WITH ${suspects(sql, range)}, ${comparison(sql, range.table)}, fault AS (
        SELECT compared.id, s.number AS seal, change FROM compared JOIN s USING (place) WHERE change IS NOT NULL ORDER BY id
      )
      SELECT (SELECT count(*) FROM found)::float8 AS rows,
        (SELECT count(*) FROM compared WHERE is_pruned AND change IS NULL)::float8 AS pruned,
        (SELECT count(*) FROM fault)::float8 AS fault_count,
        coalesce((SELECT jsonb_agg(f ORDER BY f.id) FROM (SELECT * FROM fault LIMIT ${limit}) f), '[]') AS faults,
        ARRAY(
          SELECT number::float8 FROM suspect
          WHERE NOT EXISTS (SELECT FROM compared c WHERE c.place = suspect.place AND (c.change IS NOT NULL OR c.is_pruned))
          ORDER BY number) AS unnamed,
        ARRAY(
          SELECT id::float8 FROM found JOIN s USING (place) WHERE at < sealed_before - interval '1 hour' ORDER BY id LIMIT ${limit}
        ) AS late`
  )

const unsealed = ({ sql, query }: Db["Service"], limit: number) =>
  query(
    "AuditVerifyStore.unsealed",
    Unsealed,
    auditTables
      .map(
        (table) => sql<Row>`
          SELECT ${table}::text AS table, (${countAfter(sql, table, sealedTo(sql, table))})::float8 AS rows,
            ARRAY(
              ${idsAfter(sql, table, sql`greatest(${counterOf(sql, table)}, ${sealedTo(sql, table)})`)} LIMIT ${limit}) AS foreign`
      )
      .reduce((all, one) => sql<Row>`${all} UNION ALL ${one}`)
  )
