import { Context, type DateTime, Effect, Layer, Option, Schema } from "effect"
import { Db } from "../../db/Db.ts"
import type { DbError } from "../../db/DbError.ts"
import { channel, instant, jsons } from "../../db/parameters.ts"
import type { Announcements } from "../../domain/market/Announcements.ts"
import { calendarRevision } from "../sql/calendarRevision.ts"
import { type Asked, insertActions } from "../sql/insertActions.ts"

/** An import of announcements. Removed ones are kept, and no longer apply. */
export const CalendarImport = Schema.Struct({
  number: Schema.Int,
  source: Schema.String,
  form: Schema.String,
  /** Read by `readImports`: it may be of another version of this service. */
  announcements: Schema.Unknown,
  importedBy: Schema.String,
  importedAt: Schema.DateTimeUtcFromDate,
  removedBy: Schema.NullOr(Schema.String),
  removedAt: Schema.NullOr(Schema.DateTimeUtcFromDate)
})
export type CalendarImport = typeof CalendarImport.Type

/** All imports, in the order in which they apply. */
export interface CalendarImports {
  /** It grows with each import and each removal. */
  readonly revision: number
  readonly imports: ReadonlyArray<CalendarImport>
}

/**
 * What people imported into the trading calendar. Read by daemons at their start and after each change, and by the commands that plan
 * or show the calendar; changed by the command `calendar`.
 */
export class CalendarStore extends Context.Service<
  CalendarStore,
  {
    readonly read: Effect.Effect<CalendarImports, DbError>
    /** Adds an import; returns its number, or none if the calendar is no longer at this revision, when nothing is changed. */
    readonly add: (
      added: {
        readonly source: string
        readonly form: string
        readonly announcements: Announcements
        readonly revision: number
      },
      asked: Asked,
      now: DateTime.Utc
    ) => Effect.Effect<Option.Option<number>, DbError>
    /** Removes an import; false if there is none with this number, or it is removed already. */
    readonly remove: (number: number, asked: Asked, now: DateTime.Utc) => Effect.Effect<boolean, DbError>
  }
>()("pulse-background/CalendarStore") {
  static readonly layer: Layer.Layer<CalendarStore, never, Db> = Layer.effect(
    CalendarStore,
    Effect.map(Db, (db) => CalendarStore.of({ read: read(db), add: add(db), remove: remove(db) }))
  )
}

const read = ({ sql, query }: Db["Service"]): CalendarStore["Service"]["read"] =>
  query("CalendarStore.read", CalendarImport, sql`SELECT * FROM calendar_imports ORDER BY number`).pipe(
    Effect.map((imports) => ({
      revision: imports.length + imports.filter(({ removedAt }) => removedAt !== null).length,
      imports
    }))
  )

const Changed = Schema.Struct({ number: Schema.Int })

const add =
  ({ sql, queryOption }: Db["Service"]): CalendarStore["Service"]["add"] =>
  ({ announcements, form, revision, source }, asked, now) =>
    queryOption(
      "CalendarStore.add",
      Changed,
      // Of two at once, which take the same number, one adds nothing.
      sql`
        WITH added AS (
          INSERT INTO calendar_imports (number, source, form, announcements, imported_by, imported_at)
          SELECT coalesce((SELECT max(number) FROM calendar_imports), 0) + 1, ${source}::text, ${form}::text,
            (${jsons([announcements])})[1], ${asked.by}::text, ${instant(now)}::timestamptz
          WHERE ${calendarRevision(sql)} = ${revision}::float8
          ON CONFLICT DO NOTHING
          RETURNING number, source, form
        ), recorded AS (${insertActions(
          sql,
          { name: "calendar import", asked, now },
          sql`SELECT NULL::text, NULL::text, to_jsonb(added) FROM added`
        )})
        SELECT number, pg_notify(${channel}, 'calendar')::text FROM added`
    ).pipe(Effect.map(Option.map(({ number }) => number)))

const remove =
  ({ sql, queryOption }: Db["Service"]): CalendarStore["Service"]["remove"] =>
  (number, asked, now) =>
    queryOption(
      "CalendarStore.remove",
      Changed,
      sql`
        WITH removed AS (
          UPDATE calendar_imports SET removed_by = ${asked.by}, removed_at = ${instant(now)}
          WHERE number = ${number} AND removed_at IS NULL
          RETURNING number, source, form
        ), recorded AS (${insertActions(
          sql,
          { name: "calendar remove", asked, now },
          sql`SELECT NULL::text, NULL::text, to_jsonb(removed) FROM removed`
        )})
        SELECT number, pg_notify(${channel}, 'calendar')::text FROM removed`
    ).pipe(Effect.map(Option.isSome))
