import { Effect, Option, Schema } from "effect"
import { counted } from "../domain/text/plural.ts"
import type { Db } from "./Db.ts"

/*
 * pulse-api may have made the table orders before this service, with types of its own. Many of them work as they are. The others
 * would stop a migration halfway, or leave every order unsplit without a word to whoever made the table.
 */

const Column = Schema.Struct({
  name: Schema.String,
  /** The name in pg_type; of a domain, that of what it stands on. */
  type: Schema.String,
  isEnum: Schema.Boolean,
  /** The type as it is written in SQL. */
  shownType: Schema.String,
  /** The most characters of varchar(n) and char(n). */
  length: Schema.NullOr(Schema.Int),
  /** The order of its texts, unless that is the database's. */
  collation: Schema.NullOr(Schema.String),
  isNullable: Schema.Boolean,
  isIdentity: Schema.Boolean,
  /** The expression of its default. */
  preset: Schema.NullOr(Schema.String)
})
export type Column = typeof Column.Type

const Relation = Schema.Struct({ kind: Schema.String, uniqueColumns: Schema.Array(Schema.String) })

interface Rule {
  /** What the column becomes, where it is another type than those below. */
  readonly wanted: string
  readonly accepted: ReadonlyArray<string>
  /** Accepted too while this migration is pending, which changes the type itself. */
  readonly convertible?: { readonly by: number; readonly from: ReadonlyArray<string> }
  /** The service writes as many characters. */
  readonly minLength?: number
  /** Texts must be in the database's order until this migration, which replaces a view that shows them. */
  readonly isInOrder?: number
  /** Added by the service where it is not there. If it is, and of another type, it is another thing by the same name. */
  readonly isOwn?: true
  /** Must never be NULL, and begins with this. */
  readonly begins?: string
}

const words = ["text", "varchar", "bpchar"]
const integers = ["int2", "int4", "int8"]
const numbers = [...integers, "numeric"]
const floats = ["float4", "float8"]
/** Makes numeric columns of the numbers that pulse-api writes. */
const numericMigration = 24

const number: Rule = { wanted: "numeric", accepted: numbers, convertible: { by: numericMigration, from: floats } }
const text: Rule = { wanted: "text", accepted: words }
const inOrder = { isInOrder: numericMigration }
const time: Rule = { wanted: "timestamptz", accepted: ["timestamptz"] }
const ownText: Rule = { wanted: "text", accepted: ["text"], isOwn: true }
const ownTime: Rule = { ...time, isOwn: true }

/** The columns that must be there, with the types that the service's statements can use. */
const contract: Readonly<Record<string, Rule>> = {
  id: { wanted: "varchar(64)", accepted: ["text", "varchar"], ...inOrder },
  instrument: { ...text, ...inOrder },
  side: { ...text, ...inOrder },
  num_splits: number,
  duration_minutes: number,
  randomize: { wanted: "boolean", accepted: ["bool"] },
  order_unique_key: text,
  order_queue_status: { wanted: "text", accepted: ["text", "varchar"], minLength: "IN_PROGRESS".length, ...inOrder },
  created_at: time,
  updated_at: time
}

/** Before the views that name its type are made, the quantity can only be what they were written for. */
const quantity = (pending: ReadonlyArray<number>): Rule =>
  pending.includes(numericMigration)
    ? { wanted: "integer", accepted: ["int4"] }
    : { wanted: "numeric", accepted: numbers }

/** Columns that migrations add where they are missing. */
const added: Readonly<Record<string, Rule>> = {
  origin_trace_id: text,
  origin_trace_source: text,
  origin_request_id: text,
  origin_request_source: text,
  request_id: text,
  order_type: text,
  limit_price: { ...number, convertible: { by: numericMigration, from: [...floats, "money"] } },
  product_type: text,
  validity: text,
  status_reason: ownText,
  claim_version: { wanted: "integer", accepted: ["int4"], isOwn: true, begins: "0" },
  claimed_by: ownText,
  claimed_at: ownTime,
  split_attempts: { wanted: "integer", accepted: ["int2", "int4"], isOwn: true, begins: "0" },
  split_at: ownTime,
  cancel_requested_at: ownTime,
  cancel_requested_by: ownText
}

/** What is wrong with the table, and the statements that make it right. */
export interface Repair {
  readonly problems: ReadonlyArray<string>
  readonly statements: ReadonlyArray<string>
}

interface Finding {
  readonly problem: string
  /** Parts of one ALTER TABLE orders. */
  readonly changes?: ReadonlyArray<string>
  /** Statements of their own, before it. */
  readonly statements?: ReadonlyArray<string>
}

/** Compares the columns of an existing table orders with what the service can use. `pending`: the migrations to come. */
export const repairOf = (
  columns: ReadonlyArray<Column>,
  uniqueColumns: ReadonlyArray<string>,
  pending: ReadonlyArray<number>
): Repair => {
  const byName = new Map(columns.map((column) => [column.name, column]))
  const isNew = pending.includes(1)
  const needed = { ...contract, total_quantity: quantity(pending) }
  const findings = [
    ...Object.entries(needed).flatMap(([name, rule]) => {
      const column = byName.get(name)
      return column === undefined ? [missing(name, rule)] : judged(column, rule, pending)
    }),
    ...Object.entries(added).flatMap(([name, rule]) => {
      const column = byName.get(name)
      return column === undefined ? [] : judged(column, rule, pending)
    }),
    // Before the first migration only: a table in use may hold two orders with one key by then.
    ...(isNew ? ["id", "order_unique_key"] : [])
      .filter((name) => byName.has(name) && !uniqueColumns.includes(name))
      .map((name): Finding => ({ problem: `${name} is not unique`, changes: [`ADD UNIQUE (${name})`] }))
  ]
  const changes = findings.flatMap(({ changes }) => changes ?? [])
  return {
    problems: findings.map(({ problem }) => problem),
    statements: [
      ...findings.flatMap(({ statements }) => statements ?? []),
      ...(changes.length === 0 ? [] : [`ALTER TABLE orders ${changes.join(", ")}`])
    ]
  }
}

const missing = (name: string, { wanted }: Rule): Finding => ({
  problem: `${name} is missing`,
  changes: [`ADD COLUMN ${name} ${wanted}${wanted === "timestamptz" ? " NOT NULL DEFAULT now()" : ""}`]
})

const judged = (column: Column, rule: Rule, pending: ReadonlyArray<number>): ReadonlyArray<Finding> => {
  const { collation, isIdentity, length, name, shownType, type } = column
  const isConverted = rule.convertible !== undefined && pending.includes(rule.convertible.by)
  if (rule.accepted.includes(type) || (isConverted && rule.convertible.from.includes(type))) {
    if (rule.minLength !== undefined && length !== null && length < rule.minLength) {
      const problem = `${name} is ${shownType}, and must hold ${counted(rule.minLength, "character")}`
      return [{ problem, changes: [`ALTER COLUMN ${name} TYPE text`] }]
    }
    if (collation !== null && rule.isInOrder !== undefined && pending.includes(rule.isInOrder)) {
      const problem = `${name} has the collation ${collation}, and must have the database's`
      return [{ problem, changes: [`ALTER COLUMN ${name} TYPE ${shownType} COLLATE "default"`] }]
    }
    return rule.begins === undefined ? [] : beginning(column, rule.begins)
  }
  const problem = `${name} is ${shownType}, and must be ${rule.wanted}`
  return rule.isOwn === true && pending.includes(1)
    ? [{ problem, statements: [`ALTER TABLE orders RENAME COLUMN ${name} TO ${name}_old`] }]
    : [
        {
          problem: `${problem}${hintOn(column, rule)}`,
          statements: isIdentity ? [`ALTER TABLE orders ALTER COLUMN ${name} DROP IDENTITY`] : [],
          changes: retyped(column, rule.wanted)
        }
      ]
}

const beginning = ({ isNullable, name, preset }: Column, begins: string): ReadonlyArray<Finding> =>
  !isNullable && preset !== null
    ? []
    : [
        {
          problem: `${name} must be NOT NULL DEFAULT ${begins}`,
          statements: [`UPDATE orders SET ${name} = ${begins} WHERE ${name} IS NULL`],
          changes: [`ALTER COLUMN ${name} SET DEFAULT ${begins}`, `ALTER COLUMN ${name} SET NOT NULL`]
        }
      ]

/** The type changed, with the rows and the default that the column has. */
const retyped = (column: Column, wanted: string): ReadonlyArray<string> => {
  const { name, preset } = column
  const change = `ALTER COLUMN ${name}`
  return [
    ...(preset === null ? [] : [`${change} DROP DEFAULT`]),
    `${change} TYPE ${wanted} USING ${castOf(name, column, wanted)}`,
    ...(preset === null
      ? []
      : [`${change} SET DEFAULT ${wanted === "timestamptz" ? "now()" : castOf(`(${preset})`, column, wanted)}`])
  ]
}

const castOf = (value: string, { isEnum, type }: Column, wanted: string): string => {
  const plain = isEnum ? `${value}::text` : value
  if (wanted === "boolean") {
    if (type === "bit") return `${plain}::integer <> 0`
    return numbers.includes(type) ? `${plain} <> 0` : `${plain}::boolean`
  }
  if (wanted === "timestamptz") return timeOf(plain, type)
  // A fraction is no quantity, and must not become another one.
  if (wanted === "integer" && ["numeric", "money", ...floats].includes(type)) {
    const amount = type === "money" ? `${plain}::numeric` : plain
    return `CASE WHEN ${amount} = trunc(${amount}) THEN ${amount} END::integer`
  }
  if (wanted === "numeric" && type === "interval") return `extract(epoch FROM ${plain}) / 60`
  if (wanted === "numeric" || wanted === "integer") return `${plain}::${wanted}`
  return isEnum ? plain : `${value}::text`
}

const timeOf = (value: string, type: string): string => {
  if (type === "timestamp") return `${value} AT TIME ZONE 'UTC'`
  if (type === "date") return `${value}::timestamp AT TIME ZONE 'UTC'`
  return [...numbers, ...floats].includes(type) ? `to_timestamp(${value} / 1000.0)` : `${value}::timestamptz`
}

/** What the statement takes for granted. */
const hintOn = ({ isIdentity, type }: Column, { wanted }: Rule): string => {
  if (isIdentity) return " (pulse-api then writes each one)"
  if (type === "interval" && wanted === "numeric") return " (the statement makes minutes of it)"
  if (wanted !== "timestamptz") return ""
  if (type === "timestamp" || type === "date") return " (the statement takes it for UTC: write its zone)"
  return [...numbers, ...floats].includes(type) ? " (the statement takes it for milliseconds since 1970)" : ""
}

/** What is wrong with the table orders as it is now; null if nothing is, or there is none yet. In words, with the statements to type. */
export const ordersTableProblem = Effect.fnUntraced(function* (
  { sql, query, queryOption }: Db["Service"],
  pending: ReadonlyArray<number>
) {
  const isOrders = sql`c.relname = 'orders' AND c.relnamespace = quote_ident(current_schema())::regnamespace`
  const relation = yield* queryOption(
    "Migrations.ordersTable",
    Relation,
    sql`
      SELECT c.relkind::text AS kind, ARRAY(
        SELECT a.attname::text FROM pg_index i JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0]
        WHERE i.indrelid = c.oid AND i.indisunique AND i.indimmediate AND i.indpred IS NULL AND i.indnkeyatts = 1) AS unique_columns
      FROM pg_class c WHERE ${isOrders}`
  )
  if (Option.isNone(relation)) return null
  if (relation.value.kind !== "r") {
    return "orders must be a plain table: it gets columns, triggers and a key that other tables refer to. Rename what has its name."
  }
  const columns = yield* query(
    "Migrations.ordersColumns",
    Column,
    sql`
      SELECT a.attname::text AS name, b.typname::text AS type, b.typtype = 'e' AS is_enum,
        format_type(a.atttypid, a.atttypmod) AS shown_type,
        CASE WHEN b.typname IN ('varchar', 'bpchar') AND m.modifier >= 4 THEN m.modifier - 4 END AS length,
        CASE WHEN a.attcollation NOT IN (0, 'pg_catalog."default"'::regcollation) THEN a.attcollation::regcollation::text END AS collation,
        NOT a.attnotnull AS is_nullable, a.attidentity <> '' AS is_identity, pg_get_expr(d.adbin, d.adrelid) AS preset
      FROM pg_class c
      JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
      JOIN pg_type t ON t.oid = a.atttypid
      JOIN pg_type b ON b.oid = CASE WHEN t.typtype = 'd' THEN t.typbasetype ELSE t.oid END
      CROSS JOIN LATERAL (SELECT CASE WHEN t.typtype = 'd' THEN t.typtypmod ELSE a.atttypmod END AS modifier) m
      LEFT JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum
      WHERE ${isOrders} ORDER BY a.attnum`
  )
  const { problems, statements } = repairOf(columns, relation.value.uniqueColumns, pending)
  return problems.length === 0
    ? null
    : `The table orders cannot be used as it is: ${problems.join("; ")}. As its owner: ${statements.join("; ")};`
})
