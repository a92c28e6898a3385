import { Context, DateTime, Duration, Effect, Layer, Schema } from "effect"
import { TimeColumns, timeColumns } from "../../clock/askDatabase.ts"
import { Db } from "../../db/Db.ts"
import type { DbError } from "../../db/DbError.ts"
import { instant } from "../../db/parameters.ts"
import type { PerVenue } from "../../domain/market/Venue.ts"
import { counterSum } from "../sql/auditTables.ts"
import { calendarRevision } from "../sql/calendarRevision.ts"
import { endedClaims, isDueAsEnded } from "../sql/claims.ts"
import { isClaimable, isToSplit, isWindowOver, mayWantPlan, waitingForKnownDays } from "../sql/conditions.ts"
import { isSettledRow, recordedAndNow } from "../sql/history.ts"
import { isAttempted } from "../sql/isAttempted.ts"
import { type Beat, writeBeat } from "./HeartbeatStore.ts"

/** What there is to do for the workers. Something may be there that only another daemon can do, but nothing is left out. */
export const Sighting = Schema.Struct({
  ...TimeColumns.fields,
  /** Orders to split, or that wait for days that this daemon's trading calendar knows. */
  hasPendingOrders: Schema.Boolean,
  /** When the next slice is due that may be claimed, in milliseconds since 1970, rounded down; null if there is none. */
  nextDueMillis: Schema.NullOr(Schema.Finite),
  /** The daemon's executor has acknowledged the latest halt or resume. */
  isHaltFollowed: Schema.Boolean,
  /** A slice is in doubt, or followed at the broker. */
  isBrokerAwaited: Schema.Boolean,
  mayWantPlan: Schema.Boolean,
  /** A notification is to be delivered, now or before the next look. */
  hasDeliveries: Schema.Boolean,
  /** The audit may have rows that are not sealed. */
  hasUnsealed: Schema.Boolean,
  /** See `CalendarImports`. */
  calendarRevision: Schema.Finite,
  /** Where the server is in its history: see `ServerPosition`. */
  timeline: Schema.String,
  systemIdentifier: Schema.NullOr(Schema.String),
  logPosition: Schema.Finite,
  /** All that the broker has is known on this history. */
  isHistorySettled: Schema.Boolean
})
export type Sighting = typeof Sighting.Type

/**
 * The one statement of an idle daemon. Called by the lookout of every daemon.
 */
export class LookoutStore extends Context.Service<
  LookoutStore,
  {
    /** Writes the heartbeats of a daemon's workers, tells the time, and finds out whether they have anything to do. */
    readonly look: (options: {
      readonly beat: Beat
      readonly now: DateTime.Utc
      readonly withBootId: boolean
      /** The last days that this daemon's trading calendar knows; null without a calendar. */
      readonly knownUntil: PerVenue<string> | null
    }) => Effect.Effect<Sighting, DbError>
  }
>()("pulse-background/LookoutStore") {
  static readonly layer: Layer.Layer<LookoutStore, never, Db> = Layer.effect(
    LookoutStore,
    Effect.map(Db, (db) => LookoutStore.of({ look: look(db) }))
  )
}

/** The settled history is noted as seen once in this time. */
const untilSeenAgain = Duration.minutes(1)
/** The longest time until the next look. */
const untilNextLook = Duration.seconds(5)

const look =
  ({ sql, queryOne }: Db["Service"]): LookoutStore["Service"]["look"] =>
  ({ beat, now, withBootId, knownUntil }) =>
    queryOne(
      "LookoutStore.look",
      Sighting,
      // Each part is sorted as its index is, so that it never reads the whole table, whatever the statistics say.
      sql`
        WITH beat AS (${writeBeat(sql, beat)}), ${endedClaims(sql, now)}, history AS MATERIALIZED (
          SELECT n.*, ${isSettledRow(sql)} AS is_settled FROM ${recordedAndNow(sql)}
        ), seen AS (
          UPDATE server_history SET seen_at = ${instant(now)} FROM history
          WHERE is_settled AND coalesce(seen_at <= ${instant(DateTime.subtractDuration(now, untilSeenAgain))}, true)
        )
        SELECT ${timeColumns(sql, withBootId)},
          (SELECT true FROM orders WHERE ${isToSplit(sql)} ORDER BY created_at, id LIMIT 1) IS NOT NULL
            OR EXISTS (SELECT FROM ${waitingForKnownDays(
              sql,
              knownUntil,
              (isWaiting, inTurn) =>
                sql`SELECT FROM orders WHERE ${isWaiting} AND ${isClaimable(sql)} ORDER BY ${inTurn} LIMIT 1`
            )}) AS has_pending_orders,
          (SELECT floor(extract(epoch FROM least(greatest(due_at, 'epoch'), '9999-01-01')) * 1000)::float8 FROM slice_queue
            WHERE NOT is_held AND claim = 0 AND NOT ${isWindowOver(sql, now)}
              AND (stale_at IS NULL OR stale_at >= ${instant(now)})
            ORDER BY due_at, slice LIMIT 1) AS next_due_millis,
          coalesce((SELECT id FROM placement_halts ORDER BY id DESC LIMIT 1), 0) <= coalesce((
            SELECT acknowledged_halt FROM workers
            WHERE instance_id = ${beat.instance.id} AND worker = 'executor'), 0) AS is_halt_followed,
          -- The monitor closes ended claims without any slice.
          EXISTS (SELECT FROM slice_queue WHERE ${isDueAsEnded(sql)} AND claim IN (SELECT id FROM ended))
            OR (SELECT true FROM slice_queue WHERE unknown_at IS NOT NULL ORDER BY unknown_at LIMIT 1) IS NOT NULL
            OR EXISTS (SELECT FROM slice_working WHERE left_book_at IS NULL) AS is_broker_awaited,
          (SELECT true FROM slice_queue WHERE claim = 0 AND stale_at < ${instant(now)} AND NOT is_held
              ORDER BY stale_at LIMIT 1) IS NOT NULL
            OR (SELECT true FROM orders WHERE ${mayWantPlan(sql)} ORDER BY id LIMIT 1) IS NOT NULL AS may_want_plan,
          (SELECT true FROM notifications
            WHERE delivered_at IS NULL AND given_up_at IS NULL AND ${isAttempted(sql, DateTime.addDuration(now, untilNextLook))}
            ORDER BY next_attempt_at LIMIT 1) IS NOT NULL AS has_deliveries,
          ${counterSum(sql)} > (SELECT covered FROM audit_head) AS has_unsealed,
          ${calendarRevision(sql)} AS calendar_revision,
          history.timeline, history.system_identifier, history.log_position, history.is_settled AS is_history_settled
        FROM history`
    )
