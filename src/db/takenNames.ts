import { Effect, Schema } from "effect"
import type { Db } from "./Db.ts"
import { texts } from "./parameters.ts"

/*
 * What a migration creates may be there already, made by another program: a table of the Python service, an index of pulse-api.
 * A migration that fails at it says so in the server's words, and one that finds an index of that name goes on without its own.
 */

/** What the migrations create, by name: relations, and the columns and triggers of orders. */
export interface Names {
  readonly relations: ReadonlySet<string>
  readonly columns: ReadonlySet<string>
  readonly triggers: ReadonlySet<string>
}

/** Reads the names from the texts of migrations. Columns and the table that pulse-api may have made are left out. */
export const namesIn = (migrations: ReadonlyArray<string>): Names => {
  const text = migrations.join("\n").replaceAll(/--.*$/gm, "")
  const relations = found(text, /\bCREATE (?:UNIQUE )?(?:TABLE|VIEW|INDEX) (?:IF NOT EXISTS )?(\w+)/g)
  const changes = text.match(/\bALTER TABLE orders\b[^;]*/g) ?? []
  return {
    relations: new Set(relations.filter((name) => name !== "orders")),
    columns: new Set(found(changes.join("\n"), /\bADD COLUMN (?!IF\b)(\w+)/g)),
    triggers: new Set(found(text, /\bCREATE TRIGGER (\w+) [^;]*?\bON orders\b/g))
  }
}

const found = (text: string, pattern: RegExp): ReadonlyArray<string> =>
  [...text.matchAll(pattern)].flatMap(([, name]) => name ?? [])

const kinds = {
  r: "TABLE",
  p: "TABLE",
  f: "FOREIGN TABLE",
  v: "VIEW",
  m: "MATERIALIZED VIEW",
  i: "INDEX",
  I: "INDEX",
  S: "SEQUENCE",
  c: "TYPE",
  t: "TYPE",
  column: "COLUMN",
  trigger: "TRIGGER"
} as const

const Taken = Schema.Struct({
  name: Schema.String,
  kind: Schema.Literals(["r", "p", "f", "v", "m", "i", "I", "S", "c", "t", "column", "trigger"]),
  /** Whether it is a table with the column order_id. */
  hasOrders: Schema.Boolean,
  /** What renames its foreign keys, `x TO x_old`: the service's own table would get another name for its own. */
  foreignKeys: Schema.Array(Schema.String)
})
type Taken = typeof Taken.Type

/**
 * What has a name already that the pending migrations give, and the statements that rename it; null if nothing has. `texts` are those of
 * the migrations that are applied, and of those that are not.
 */
export const takenNamesProblem = Effect.fnUntraced(function* (
  { sql, query }: Db["Service"],
  migrations: { readonly applied: ReadonlyArray<string>; readonly pending: ReadonlyArray<string> }
) {
  const own = namesIn(migrations.applied)
  const given = namesIn(migrations.pending)
  const fresh = (kind: keyof Names) => texts([...given[kind]].filter((name) => !own[kind].has(name)))
  const here = sql`quote_ident(current_schema())::regnamespace`
  const isOrders = sql`IN (SELECT oid FROM pg_class WHERE relname = 'orders' AND relnamespace = ${here})`
  const taken = yield* query(
    "Migrations.takenNames",
    Taken,
    sql`
      SELECT relname::text AS name, relkind::text AS kind, relkind = 'r' AND EXISTS (
        SELECT FROM pg_attribute WHERE attrelid = pg_class.oid AND attname = 'order_id' AND NOT attisdropped) AS has_orders,
        ARRAY(
          SELECT quote_ident(conname) || ' TO ' || quote_ident(conname || '_old') FROM pg_constraint WHERE conrelid = pg_class.oid AND contype = 'f') AS foreign_keys
      FROM pg_class WHERE relnamespace = ${here} AND relname = ANY(${fresh("relations")})
      UNION ALL SELECT typname::text, 't', false, '{}'
      FROM pg_type WHERE typnamespace = ${here} AND typrelid = 0 AND typname = ANY(${fresh("relations")})
      UNION ALL SELECT attname::text, 'column', false, '{}'
      FROM pg_attribute WHERE attrelid ${isOrders} AND attname = ANY(${fresh("columns")}) AND NOT attisdropped
      UNION ALL SELECT tgname::text, 'trigger', false, '{}'
      FROM pg_trigger WHERE tgrelid ${isOrders} AND tgname = ANY(${fresh("triggers")})
      ORDER BY name`
  )
  if (taken.length === 0) return null
  const list = taken.map(({ kind, name }) => `${kinds[kind].toLowerCase()} ${name}`).join(", ")
  const slices = taken.some(isSlices)
    ? " The slices that another service has made stay in the renamed table and are not placed by this one: let that service " +
      "finish or cancel them and stop it first. The UPDATE keeps their orders from being split a second time."
    : ""
  return (
    `Another program has made what this service's tables are called: ${list}. Rename it, there and in that program.${slices} ` +
    `As its owner: ${taken.flatMap(renaming).join("; ")};`
  )
})

const isSlices = ({ hasOrders, name }: Taken): boolean => name === "order_slices" && hasOrders

const renaming = (taken: Taken): ReadonlyArray<string> => {
  const { foreignKeys, kind, name } = taken
  const other = `${name}_old`
  if (kind === "column") return [`ALTER TABLE orders RENAME COLUMN ${name} TO ${other}`]
  if (kind === "trigger") return [`ALTER TRIGGER ${name} ON orders RENAME TO ${other}`]
  const renames = [
    `ALTER ${kinds[kind]} ${name} RENAME TO ${other}`,
    ...foreignKeys.map((key) => `ALTER TABLE ${other} RENAME CONSTRAINT ${key}`)
  ]
  return isSlices(taken)
    ? [
        ...renames,
        "UPDATE orders SET order_queue_status = 'DONE' WHERE order_queue_status IN ('PENDING', 'IN_PROGRESS') AND id IN " +
          `(SELECT order_id FROM ${other})`
      ]
    : renames
}
