import { DateTime, Effect, Schema } from "effect"
import type { Db } from "../../db/Db.ts"
import type { DbError } from "../../db/DbError.ts"
import { durationMillis, instant, numbers, texts } from "../../db/parameters.ts"
import { cancelPauses } from "../../domain/lifecycle/cancels.ts"
import type { OpenSlice } from "../../domain/model/OrderSlice.ts"
import type { Reason } from "../../domain/model/reason.ts"
import { maxShown } from "../sql/bounded.ts"
import { Id, idsOf } from "../sql/ids.ts"
import { type BrokerEvent, insertEvents } from "../sql/insertEvents.ts"

/**
 * A claimed cancel, with the earlier ones whose answers were alike, and why the last one was not accepted. `isFirst`: none was
 * claimed before that may have left.
 */
export const ClaimedCancel = Schema.Struct({
  id: Schema.String,
  isFirst: Schema.Boolean,
  tries: Schema.Int,
  refusal: Schema.NullOr(Schema.String)
})
export type ClaimedCancel = typeof ClaimedCancel.Type

/** The answer of a cancel that was claimed at `claimedAt`; `refusal` is null if it was accepted. */
export interface AnsweredCancel {
  readonly slice: Pick<OpenSlice, "key" | "brokerOrderId">
  readonly claimedAt: DateTime.Utc
  readonly refusal: Reason | null
}

/** A cancel is claimed before it is sent, so that one of several monitors sends it, and that of a daemon which dies is repeated. */
export const claimCancels =
  ({ sql, query }: Db["Service"]) =>
  ({
    ids,
    limit,
    now,
    mayRepeat
  }: {
    readonly ids: ReadonlyArray<string>
    readonly limit: number
    readonly now: DateTime.Utc
    readonly mayRepeat: boolean
  }): Effect.Effect<ReadonlyArray<ClaimedCancel>, DbError> => {
    const pauses = numbers(cancelPauses.map(durationMillis))
    return query(
      "SliceStore.claimCancels",
      ClaimedCancel,
      sql`
        WITH picked AS MATERIALIZED (
          SELECT w.slice, p.id, w.cancel_sent_at IS NULL AS is_first, w.cancel_tries AS tries, w.cancel_refusal AS refusal
          FROM slice_plan p JOIN slice_working w ON w.slice = p.slice
          WHERE p.id = ANY(${texts(ids)}) AND (w.cancel_sent_at IS NULL OR (${mayRepeat}::boolean AND (
            -- True only after the clock was set back; those of two daemons differ by less.
            w.cancel_sent_at > ${instant(DateTime.add(now, { minutes: 1 }))}
            OR w.cancel_sent_at + (${pauses}::float8[])[least(greatest(w.cancel_tries, 1), ${cancelPauses.length}::int)]
              * interval '1 millisecond' < ${instant(now)})))
          ORDER BY w.cancel_sent_at NULLS FIRST, w.acknowledged_at
          LIMIT ${limit}
          FOR UPDATE OF w SKIP LOCKED
        )
        UPDATE slice_working w SET cancel_sent_at = ${instant(now)}, updated_at = ${instant(now)}
        FROM picked WHERE w.slice = picked.slice
        RETURNING picked.id, picked.is_first, picked.tries, left(picked.refusal, ${maxShown}::int) AS refusal`
    )
  }

/** Only under its claim: a cancel that another monitor has claimed since has an answer of its own. */
export const cancelAnswered =
  ({ sql, execute }: Db["Service"]) =>
  ({ slice, claimedAt, refusal }: AnsweredCancel, events: ReadonlyArray<BrokerEvent>): Effect.Effect<void, DbError> =>
    execute(
      "SliceStore.cancelAnswered",
      sql`
        WITH answered AS (
          UPDATE slice_working SET
            cancel_tries = CASE WHEN (cancel_refusal IS NULL) = (${refusal?.text ?? null}::text IS NULL)
              THEN cancel_tries + 1 ELSE 1 END,
            cancel_refusal = ${refusal?.text ?? null}, cancel_refusal_code = ${refusal?.code ?? null}
          WHERE slice = ${slice.key}::float8::bigint AND broker_order_id = ${slice.brokerOrderId}
            AND cancel_sent_at = ${instant(claimedAt)}
        )
        ${insertEvents(sql, events)}`
    )

/** Only for first claims: of others a cancel may have left, and its pause stays. */
export const releaseCancels =
  ({ sql, execute }: Db["Service"]) =>
  (slices: ReadonlyArray<Pick<OpenSlice, "key">>, claimedAt: DateTime.Utc): Effect.Effect<void, DbError> =>
    execute(
      "SliceStore.releaseCancels",
      sql`
        UPDATE slice_working SET cancel_sent_at = NULL
        WHERE slice = ANY(${numbers(slices.map(({ key }) => key))}::bigint[]) AND cancel_sent_at = ${instant(claimedAt)}`
    )

/** No cancel is counted: none is sent. */
export const stopCancels =
  ({ sql, query }: Db["Service"]) =>
  (ids: ReadonlyArray<string>, { text, code }: Reason): Effect.Effect<ReadonlyArray<string>, DbError> =>
    query(
      "SliceStore.stopCancels",
      Id,
      sql`
        WITH picked AS MATERIALIZED (
          SELECT w.slice, p.id FROM slice_plan p JOIN slice_working w ON w.slice = p.slice
          WHERE p.id = ANY(${texts(ids)})
            AND (w.cancel_refusal, w.cancel_refusal_code) IS DISTINCT FROM (${text}::text, ${code}::text)
          ORDER BY w.slice
          FOR UPDATE OF w SKIP LOCKED
        )
        UPDATE slice_working w SET
          cancel_tries = CASE WHEN cancel_refusal IS NULL THEN 0 ELSE cancel_tries END,
          cancel_refusal = ${text}, cancel_refusal_code = ${code}
        FROM picked WHERE w.slice = picked.slice
        RETURNING picked.id`
    ).pipe(Effect.map(idsOf))
