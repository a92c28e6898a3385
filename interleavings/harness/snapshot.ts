import { Effect, Schema } from "effect"
import type { Db } from "../../src/db/Db.ts"
import type { DbError } from "../../src/db/DbError.ts"

const Table = Schema.Struct({ name: Schema.String })

/** A copy of all rows of the database, whatever the layout of its tables. */
export interface Snapshot {
  /** Makes it a copy of the rows that are there now. */
  readonly take: Effect.Effect<void, DbError>
  /** Puts its rows back in the place of those that are there now. */
  readonly restore: Effect.Effect<void, DbError>
}

/** Makes room for a snapshot, in a schema of this name. Needs a superuser: foreign keys and triggers are off while it restores. */
export const makeSnapshot = Effect.fnUntraced(function* ({ sql, query, execute }: Db["Service"], schema: string) {
  const tables = yield* query(
    "interleavings.tables",
    Table,
    sql`SELECT quote_ident(relname) AS name FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace ORDER BY 1`
  )
  const names = tables.map(({ name }) => name)
  const copy = (from: string, to: string) =>
    names
      .map(
        (name) =>
          `DELETE FROM ${to}.${name}; INSERT INTO ${to}.${name} OVERRIDING SYSTEM VALUE SELECT * FROM ${from}.${name};`
      )
      .join("\n")
  yield* execute(
    "interleavings.makeSnapshot",
    sql.unsafe(`DO $make$ BEGIN
      CREATE SCHEMA ${schema};
      ${names.map((name) => `CREATE TABLE ${schema}.${name} AS TABLE public.${name} WITH NO DATA;`).join("\n")}
      CREATE FUNCTION ${schema}.take() RETURNS void LANGUAGE plpgsql AS $take$
      BEGIN ${copy("public", schema)} END $take$;
      CREATE FUNCTION ${schema}.restore() RETURNS void LANGUAGE plpgsql SET session_replication_role = replica AS $restore$
      BEGIN ${copy(schema, "public")} END $restore$;
    END $make$`)
  )
  const snapshot: Snapshot = {
    take: execute("interleavings.take", sql`SELECT ${sql.literal(schema)}.take()`),
    restore: execute("interleavings.restore", sql`SELECT ${sql.literal(schema)}.restore()`)
  }
  return snapshot
})
