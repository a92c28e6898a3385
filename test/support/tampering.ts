import { assert } from "@effect/vitest"
import { Effect, Schema } from "effect"
import { Db } from "../../src/db/Db.ts"
import { auditTables } from "../../src/stores/sql/auditTables.ts"
import { choicesOf } from "./generate.ts"

/** A change that nobody may make, and the table and the row that must be named. `table` null: any. */
interface Tampering {
  readonly text: string
  readonly table: string | null
  readonly id: string
}

const Column = Schema.Struct({ table: Schema.String, column: Schema.String, type: Schema.String })
type Column = typeof Column.Type
const Value = Schema.Struct({ value: Schema.String })

/** Another value of a column's type. */
const otherValue = ({ column, type }: Column): string => {
  switch (type) {
    case "bool":
      return `NOT ${column}`
    case "timestamptz":
      return `coalesce(${column}, 'epoch') + interval '1 microsecond'`
    case "jsonb":
      return `coalesce(${column}, '{}') || '{"changed": true}'`
    case "bytea":
      return `set_byte(${column}, 3, (get_byte(${column}, 3) + 1) % 256)`
    case "int8multirange":
      return `${column} + '{[999, 1000)}'`
    case "xid8":
      return "'77'"
    case "char":
      return `CASE ${column} WHEN 'p' THEN 'c' ELSE 'p' END`
    case "numeric":
    case "float8":
      return `coalesce(${column}, 0) + 0.5`
    case "int2":
    case "int4":
    case "int8":
      return `coalesce(${column}, 0) + 1`
    default:
      return `coalesce(${column}, '') || 'x'`
  }
}

/** What the audit shows of other tables, their keys, and their broker calls. */
const elsewhere = [
  { table: "slice_plan", key: "slice", shown: ["id", "tag", "quantity", "revision"], calls: "slice = $" },
  {
    table: "order_plans",
    key: "order_id",
    shown: ["instrument", "side", "order_type", "limit_price", "product_type", "validity"],
    calls: "slice IN (SELECT slice FROM slice_plan p JOIN orders o ON o.number = p.order_number WHERE o.id = $)"
  },
  { table: "slice_claims", key: "id", shown: ["owner"], calls: "claim = $" }
]

const columns = Effect.flatMap(Db, ({ sql, query }) =>
  query(
    "test.columns",
    Column,
    sql`
      SELECT relname AS table, attname AS column, typname AS type
      FROM pg_attribute JOIN pg_class c ON c.oid = attrelid JOIN pg_type t ON t.oid = atttypid
      WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' AND attnum > 0 AND NOT attisdropped AND attidentity = ''
      ORDER BY 1, 2`
  )
)

const values = (text: string) =>
  Effect.flatMap(Db, ({ sql, query }) => query("test.values", Value, sql.unsafe(text))).pipe(
    Effect.map((rows) => rows.map(({ value }) => value))
  )

const keyOf = (table: string) => (table === "broker_calls" || table === "audit_seals" ? "number" : "id")

/** Makes changes by their seeds; they are random, and the same each time. */
export const tampering = Effect.gen(function* () {
  const all = yield* columns
  return Effect.fnUntraced(function* (seed: number) {
    const { int } = choicesOf(`tampering ${seed}`)
    const one = <A>(options: ReadonlyArray<A>): A => options[int(0, options.length - 1)] ?? assert.fail("no choice")
    const row = (table: string, key: string) =>
      Effect.map(values(`SELECT ${key}::text AS value FROM ${table} ORDER BY 1`), one)
    const columnsOf = (table: string) =>
      all.filter((column) => column.table === table && column.column !== keyOf(table))
    const update = (column: Column, key: string, id: string) =>
      `UPDATE ${column.table} SET ${column.column} = ${otherValue(column)} WHERE ${key} = '${id}'`

    const kind = one([
      "update",
      "update",
      "update",
      "elsewhere",
      "delete",
      "delete",
      "insert",
      "insert",
      "insert",
      "head"
    ])
    const table = one([...auditTables, "audit_seals"])
    const key = keyOf(table)
    const id = yield* row(table, key)
    if (kind === "update") return { text: update(one(columnsOf(table)), key, id), table, id }
    if (kind === "delete") return { text: `DELETE FROM ${table} WHERE ${key} = ${id}`, table, id }
    if (kind === "elsewhere") {
      const other = one(elsewhere)
      const column = one(all.filter((found) => found.table === other.table && other.shown.includes(found.column)))
      const owner = yield* row(other.table, other.key)
      const calls = yield* values(
        `SELECT number::text AS value FROM broker_calls WHERE ${other.calls.replace("$", `'${owner}'`)}`
      )
      return { text: update(column, other.key, owner), table: "broker_calls", id: one(calls) }
    }
    if (kind === "insert" && table !== "audit_seals") {
      // A number before all others, one that was never committed, one that is not given yet, and one that is taken.
      const free = yield* values(`
        SELECT n::text AS value FROM generate_series(-2, (SELECT max(${key}) FROM ${table})) AS n
        WHERE NOT EXISTS (SELECT FROM ${table} WHERE ${key} = n) UNION ALL SELECT '12345678'`)
      const as = one([...free, ...(table === "broker_calls" ? [id] : [])])
      // Only its id, not its key, is unique in broker_calls.
      const names = columnsOf(table).flatMap(({ column }) => (column === "id" ? [] : [column]))
      const text = `
        INSERT INTO ${table} (${key}, ${names.join(", ")}) OVERRIDING SYSTEM VALUE
        SELECT ${as}, ${names.join(", ")} FROM ${table} WHERE ${key} = ${id}`
      return { text, table, id: as }
    }
    const text = one([
      "UPDATE audit_head SET number = number - 1",
      "UPDATE audit_head SET number = number + 1",
      "UPDATE audit_head SET hash = set_byte(hash, 7, (get_byte(hash, 7) + 1) % 256)",
      "UPDATE audit_head SET covered = covered + 1",
      "DELETE FROM audit_head"
    ])
    return { text, table: null, id }
  }) satisfies (seed: number) => Effect.Effect<Tampering, unknown, unknown>
})
