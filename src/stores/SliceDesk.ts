import { BigDecimal, Context, type DateTime, Effect, Layer, Option, Schema } from "effect"
import { Db, type DbError } from "../db/Db.ts"
import { instant } from "../db/parameters.ts"
import { type BrokerOrderId, SliceId } from "../domain/Ids.ts"
import { Stage } from "../domain/OrderSlice.ts"

const SliceState = Schema.Struct({
  id: Schema.String,
  stage: Stage,
  quantity: Schema.Int,
  isInDoubt: Schema.Boolean,
  /** Its broker order, if that was not over when the broker's book ceased to show it. */
  lostOrderId: Schema.NullOr(Schema.String)
})
export type SliceState = typeof SliceState.Type

/** What a person found out about a slice that the service could not settle. */
export interface FoundOrder {
  readonly brokerOrderId: BrokerOrderId
  /** What is filled of it for good, and at what price; null to have it followed in the broker's book. */
  readonly fill: { readonly quantity: number; readonly price: BigDecimal.BigDecimal | null } | null
}

/** Operators' decisions on single slices. Each is one conditional statement, and fences whoever still owns the slice. */
export class SliceDesk extends Context.Service<
  SliceDesk,
  {
    readonly find: (id: string, now: DateTime.Utc) => Effect.Effect<Option.Option<SliceState>, DbError>
    /** SKIPPED, for a slice that is SCHEDULED or in doubt; false when it is neither. Nothing makes up for it. */
    readonly skip: (id: string, reason: string, now: DateTime.Utc) => Effect.Effect<boolean, DbError>
    /** The slice that has this broker order. */
    readonly ownerOf: (brokerOrderId: BrokerOrderId) => Effect.Effect<Option.Option<SliceId>, DbError>
    /**
     * PROCESSED with this broker order, for a slice that is in doubt, or, with what is filled of it for good, for one whose
     * order this is and is no longer in the broker's book; false when it is neither, or another slice has that order.
     */
    readonly placed: (
      id: string,
      order: FoundOrder,
      reason: string,
      now: DateTime.Utc
    ) => Effect.Effect<boolean, DbError>
  }
>()("pulse-background/SliceDesk") {
  static readonly layer: Layer.Layer<SliceDesk, never, Db> = Layer.effect(
    SliceDesk,
    Effect.gen(function* () {
      const { sql, query } = yield* Db
      const Id = Schema.Struct({ id: Schema.String })
      /** Nobody knows whether it was placed: its owner said so, or its claim is over. */
      const isInDoubt = (now: DateTime.Utc) =>
        sql`(stage = 'IN_PROGRESS' AND (outcome_unknown_at IS NOT NULL OR lease_expires_at <= ${instant(now)}))`

      /** Nobody knows what became of its order. */
      const isLost = sql`(stage = 'PROCESSED' AND NOT broker_is_final AND left_book_at IS NOT NULL)`

      return SliceDesk.of({
        find: Effect.fn("SliceDesk.find")((id, now) =>
          query(
            "SliceDesk.find",
            SliceState,
            sql`
              SELECT id, stage, quantity, ${isInDoubt(now)} AS is_in_doubt,
                CASE WHEN ${isLost} THEN broker_order_id END AS lost_order_id
              FROM order_slices WHERE id = ${id}`
          ).pipe(Effect.map((rows) => Option.fromNullishOr(rows[0])))
        ),

        skip: Effect.fn("SliceDesk.skip")((id, reason, now) =>
          query(
            "SliceDesk.skip",
            Id,
            sql`
              UPDATE order_slices SET
                stage = 'SKIPPED', stage_reason = ${reason}, is_waived = true, claim_version = claim_version + 1,
                in_doubt_at = CASE WHEN stage = 'IN_PROGRESS' THEN ${instant(now)}::timestamptz ELSE in_doubt_at END,
                updated_at = ${instant(now)}
              WHERE id = ${id} AND (stage = 'SCHEDULED' OR ${isInDoubt(now)})
              RETURNING id`
          ).pipe(Effect.map((rows) => rows.length === 1))
        ),

        ownerOf: Effect.fn("SliceDesk.ownerOf")((brokerOrderId) =>
          query(
            "SliceDesk.ownerOf",
            Schema.Struct({ id: SliceId }),
            sql`SELECT id FROM order_slices WHERE broker_order_id = ${brokerOrderId} LIMIT 1`
          ).pipe(Effect.map((rows) => Option.fromNullishOr(rows[0]?.id)))
        ),

        placed: Effect.fn("SliceDesk.placed")((id, { brokerOrderId, fill }, reason, now) =>
          query(
            "SliceDesk.placed",
            Id,
            sql`
              UPDATE order_slices SET
                stage = 'PROCESSED', stage_reason = ${reason}, claim_version = claim_version + 1,
                broker_order_id = ${brokerOrderId}, acknowledged_at = coalesce(acknowledged_at, ${instant(now)}),
                in_doubt_at = CASE WHEN stage = 'IN_PROGRESS' THEN ${instant(now)}::timestamptz ELSE in_doubt_at END,
                left_book_at = NULL, broker_is_final = ${fill !== null},
                broker_status = CASE WHEN ${fill !== null} THEN
                  CASE WHEN ${fill?.quantity ?? 0}::int = quantity THEN 'COMPLETE' ELSE 'CANCELLED' END END,
                filled_quantity = ${fill?.quantity ?? 0}::int,
                average_price = ${fill === null || fill.price === null ? null : BigDecimal.format(fill.price)}::numeric,
                updated_at = ${instant(now)}
              WHERE id = ${id} AND ${fill?.quantity ?? 0}::int <= quantity
                AND NOT EXISTS (SELECT FROM order_slices other WHERE other.broker_order_id = ${brokerOrderId} AND other.id <> ${id})
                AND (${isInDoubt(now)} OR (${isLost} AND ${fill !== null} AND broker_order_id = ${brokerOrderId}
                  AND ${fill?.quantity ?? 0}::int >= filled_quantity))
              RETURNING id`
          ).pipe(Effect.map((rows) => rows.length === 1))
        )
      })
    })
  )
}
