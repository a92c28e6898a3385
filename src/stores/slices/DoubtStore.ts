import { Context, type DateTime, Effect, Layer, Schema } from "effect"
import { Db } from "../../db/Db.ts"
import type { DbError } from "../../db/DbError.ts"
import { booleans, decimals, instant, integers, texts } from "../../db/parameters.ts"
import { type BrokerOrder, isTerminal } from "../../domain/model/BrokerOrder.ts"
import { PreviouslyInDoubtSlice } from "../../domain/model/OrderSlice.ts"
import { isFollowed, isOpenAtBroker } from "../sql/conditions.ts"

/** What the broker's book says of a slice that was thought not to be placed. */
export interface LateArrival {
  readonly slice: PreviouslyInDoubtSlice
  readonly order: BrokerOrder
}

/** Slices of which the broker's book shows more, or less, than their stage says. */
export class DoubtStore extends Context.Service<
  DoubtStore,
  {
    /** Slices whose outcome was once unknown, and that nothing else looks up: given up, to be tried again, or final. */
    readonly previouslyInDoubt: (
      since: DateTime.Utc,
      limit: number
    ) => Effect.Effect<ReadonlyArray<PreviouslyInDoubtSlice>, DbError>

    /** PROCESSED, each only if it is still as it was read, and nothing stands in for it; returns those that moved. */
    readonly takeOver: (
      turnedUp: ReadonlyArray<LateArrival>,
      reason: string,
      now: DateTime.Utc
    ) => Effect.Effect<ReadonlySet<string>, DbError>

    /** Notes that the broker's book no longer shows these open slices; returns those of which it was not known. */
    readonly leaveOrderList: (
      ids: ReadonlyArray<string>,
      now: DateTime.Utc
    ) => Effect.Effect<ReadonlySet<string>, DbError>
  }
>()("pulse-background/DoubtStore") {
  static readonly layer: Layer.Layer<DoubtStore, never, Db> = Layer.effect(
    DoubtStore,
    Effect.gen(function* () {
      const { sql, query } = yield* Db
      const Id = Schema.Struct({ id: Schema.String })
      const idsOf = (rows: ReadonlyArray<typeof Id.Type>): ReadonlySet<string> => new Set(rows.map(({ id }) => id))

      return DoubtStore.of({
        previouslyInDoubt: (since, limit) =>
          query(
            "DoubtStore.previouslyInDoubt",
            PreviouslyInDoubtSlice,
            sql`
              SELECT id, order_id, tag, stage, claim_version, replaced_by, carried_quantity, request_id, trace_id
              FROM order_slices
              WHERE in_doubt_at >= ${instant(since)}
                AND stage <> 'IN_PROGRESS' AND NOT ${isOpenAtBroker(sql)}
              ORDER BY in_doubt_at DESC
              LIMIT ${limit}`
          ),

        takeOver: (turnedUp, reason, now) =>
          query(
            "DoubtStore.takeOver",
            Id,
            sql`
              UPDATE order_slices s SET
                stage = 'PROCESSED', stage_reason = ${reason}, claim_version = s.claim_version + 1,
                broker_order_id = i.broker_order_id, acknowledged_at = ${instant(now)},
                broker_status = i.status, broker_status_text = i.status_text, broker_is_final = i.is_final,
                filled_quantity = i.filled_quantity, average_price = i.average_price, updated_at = ${instant(now)}
              FROM unnest(
                ${texts(turnedUp.map(({ slice }) => slice.id))},
                ${integers(turnedUp.map(({ slice }) => slice.claimVersion))},
                ${texts(turnedUp.map(({ order }) => order.brokerOrderId))},
                ${texts(turnedUp.map(({ order }) => order.status))},
                ${texts(turnedUp.map(({ order }) => order.statusText))},
                ${booleans(turnedUp.map(({ order }) => isTerminal(order.status)))},
                ${integers(turnedUp.map(({ order }) => order.filledQuantity))},
                ${decimals(turnedUp.map(({ order }) => order.averagePrice))}
              ) AS i (id, claim_version, broker_order_id, status, status_text, is_final, filled_quantity, average_price)
              WHERE s.id = i.id AND s.claim_version = i.claim_version AND s.stage IN ('SCHEDULED', 'FAILED', 'SKIPPED')
                AND s.replaced_by IS NULL AND s.carried_quantity = 0
              RETURNING s.id`
          ).pipe(Effect.map(idsOf)),

        leaveOrderList: (ids, now) =>
          query(
            "DoubtStore.leaveOrderList",
            Id,
            sql`
              UPDATE order_slices SET left_book_at = ${instant(now)}, updated_at = ${instant(now)}
              WHERE id = ANY(${texts(ids)}) AND ${isFollowed(sql)}
              RETURNING id`
          ).pipe(Effect.map(idsOf))
      })
    })
  )
}
