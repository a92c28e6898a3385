import { Context, DateTime, Duration, Effect, Layer, Option, Schema } from "effect"
import { Db } from "../../db/Db.ts"
import type { DbError } from "../../db/DbError.ts"
import { instant } from "../../db/parameters.ts"
import type { InstrumentSource } from "./InstrumentStore.ts"

const Turn = Schema.Struct({
  /** The day's list is there already. */
  isThere: Schema.Boolean,
  /** How many attempts the day has had with the one that begins now; null if it is not this caller's turn. */
  attempts: Schema.NullOr(Schema.Int)
})
export type Turn = typeof Turn.Type

const SyncState = Schema.Struct({
  /** The day of the latest attempt, YYYY-MM-DD in India. */
  day: Schema.NullOr(Schema.String),
  /** Why the latest attempt of that day failed; null if it succeeded, or runs. */
  failure: Schema.NullOr(Schema.String),
  alarmedAt: Schema.NullOr(Schema.DateTimeUtcFromDate)
})
export type SyncState = typeof SyncState.Type

interface TurnOptions {
  readonly source: InstrumentSource
  readonly day: string
  /** A list of this moment or later is that of the day. */
  readonly dueAt: DateTime.Utc
  readonly now: DateTime.Utc
}

/** A daemon that has died in its turn keeps the others from theirs for this long. */
const lease = Duration.minutes(5)

/**
 * Which daemon gets the day's list of instruments, and what came of it: one row. Whoever changes it first has the turn, and the next
 * turn is due when that attempt has failed, or its lease is over.
 */
export class InstrumentSyncStore extends Context.Service<
  InstrumentSyncStore,
  {
    /** Takes the turn for an attempt, if one is due and the list is not there. */
    readonly takeTurn: (options: TurnOptions) => Effect.Effect<Turn, DbError>
    /** Ends a turn without a list; the next one is due then. */
    readonly fail: (day: string, failure: string, nextAttemptAt: DateTime.Utc) => Effect.Effect<void, DbError>
    /** Ends a turn with the day's list. */
    readonly done: (day: string, now: DateTime.Utc) => Effect.Effect<void, DbError>
    /** Marks that people are told of the day's failure; false if they were before. */
    readonly alarm: (day: string, now: DateTime.Utc) => Effect.Effect<boolean, DbError>
    readonly state: Effect.Effect<SyncState, DbError>
  }
>()("pulse-background/InstrumentSyncStore") {
  static readonly layer: Layer.Layer<InstrumentSyncStore, never, Db> = Layer.effect(
    InstrumentSyncStore,
    Effect.map(Db, ({ sql, execute, queryOne, queryOption }) =>
      InstrumentSyncStore.of({
        takeTurn: ({ source, day, dueAt, now }) =>
          queryOne(
            "InstrumentSyncStore.takeTurn",
            Turn,
            sql`
              WITH list AS MATERIALIZED (
                SELECT EXISTS (SELECT FROM instruments WHERE source = ${source} AND synced_at >= ${instant(dueAt)}) AS is_there
              ), turn AS (
                UPDATE instrument_sync SET
                  day = ${day}::text::date, attempts = CASE WHEN day = ${day}::text::date THEN attempts + 1 ELSE 1 END,
                  next_attempt_at = ${instant(DateTime.addDuration(now, lease))}, done_at = NULL,
                  alarmed_at = CASE WHEN day = ${day}::text::date THEN alarmed_at END,
                  failure = CASE WHEN day = ${day}::text::date THEN failure END
                WHERE NOT (SELECT is_there FROM list)
                  AND (day IS DISTINCT FROM ${day}::text::date OR next_attempt_at <= ${instant(now)}
                    -- True only after the clock was set back.
                    OR next_attempt_at > ${instant(DateTime.addDuration(now, Duration.hours(1)))})
                RETURNING attempts
              )
              SELECT is_there, (SELECT attempts FROM turn) AS attempts FROM list`
          ),

        fail: (day, failure, nextAttemptAt) =>
          execute(
            "InstrumentSyncStore.fail",
            sql`
              UPDATE instrument_sync SET failure = ${failure}, next_attempt_at = ${instant(nextAttemptAt)}
              WHERE day = ${day}::text::date`
          ),

        done: (day, now) =>
          execute(
            "InstrumentSyncStore.done",
            sql`UPDATE instrument_sync SET failure = NULL, done_at = ${instant(now)} WHERE day = ${day}::text::date`
          ),

        alarm: (day, now) =>
          queryOption(
            "InstrumentSyncStore.alarm",
            Schema.Struct({ attempts: Schema.Int }),
            sql`
              UPDATE instrument_sync SET alarmed_at = ${instant(now)}
              WHERE day = ${day}::text::date AND alarmed_at IS NULL RETURNING attempts`
          ).pipe(Effect.map(Option.isSome)),

        state: queryOne(
          "InstrumentSyncStore.state",
          SyncState,
          sql`SELECT day::text AS day, failure, alarmed_at FROM instrument_sync`
        )
      })
    )
  )
}
