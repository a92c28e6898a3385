import { Context, type DateTime, Effect, Layer, Schema } from "effect"
import { Db } from "../../db/Db.ts"
import type { DbError } from "../../db/DbError.ts"
import { channel, instant, texts } from "../../db/parameters.ts"
import { type DifferenceKind, SettledSlice } from "../../domain/lifecycle/settlement.ts"
import { holdSlices } from "../sql/holdSlices.ts"
import type { Asked } from "../sql/insertActions.ts"
import { reasonCode } from "../sql/reasonCode.ts"
import { settledSlices } from "../sql/settledSlices.ts"
import { type Repair, repairSlices } from "./repairSlices.ts"

/** A difference between a slice, or the tag of none, and the broker's order list. */
export interface NotedDifference {
  readonly tag: string
  readonly kind: DifferenceKind
  readonly facts: string
  readonly orderId: string | null
  readonly sliceId: string | null
  readonly brokerOrderIds: ReadonlyArray<string>
  readonly words: string
  readonly isCritical: boolean
  /** Its order goes on hold, if it is new. */
  readonly isHeld: boolean
}

/** A difference that the order list still shows. */
export const CurrentDifference = Schema.Struct({
  tag: Schema.String,
  kind: Schema.String,
  orderId: Schema.NullOr(Schema.String),
  sliceId: Schema.NullOr(Schema.String),
  brokerOrderIds: Schema.Array(Schema.String),
  words: Schema.String,
  isCritical: Schema.Boolean,
  seenAt: Schema.DateTimeUtcFromDate
})
export type CurrentDifference = typeof CurrentDifference.Type

/**
 * The statements of the continuous settlement: the slices to compare with the broker's order list, and the differences that were
 * found. The monitor calls it for what has changed in the order list, `doctor` for what is there.
 */
export class SettlementStore extends Context.Service<
  SettlementStore,
  {
    /** The slices with these tags, in whatever stage. */
    readonly slices: (tags: ReadonlyArray<string>) => Effect.Effect<ReadonlyArray<SettledSlice>, DbError>
    /**
     * Notes a difference once for its facts, puts its order on hold if it says so, and gives the alarm in the same transaction: if
     * the process dies in between, the next look finds it again. False when it was noted before.
     */
    readonly note: (
      difference: NotedDifference,
      now: DateTime.Utc,
      alarm: Effect.Effect<void>
    ) => Effect.Effect<boolean, DbError>
    /** See {@link repairSlices}. */
    readonly repair: (repairs: ReadonlyArray<Repair>, asked: Asked, now: DateTime.Utc) => Effect.Effect<number, DbError>
    /** Notes that the order list no longer shows these differences. */
    readonly end: (
      differences: ReadonlyArray<{ readonly tag: string; readonly kind: string }>,
      now: DateTime.Utc
    ) => Effect.Effect<void, DbError>
    /**
     * Differences that the order list still shows, seen since then, critical ones first. Those of an order that a person has resumed
     * or cancelled after that are left out.
     */
    readonly current: (since: DateTime.Utc) => Effect.Effect<ReadonlyArray<CurrentDifference>, DbError>
  }
>()("pulse-background/SettlementStore") {
  static readonly layer: Layer.Layer<SettlementStore, never, Db> = Layer.effect(
    SettlementStore,
    Effect.map(Db, (db) =>
      SettlementStore.of({
        slices: slices(db),
        note: note(db),
        repair: repairSlices(db, "settlement"),
        end: end(db),
        current: current(db)
      })
    )
  )
}

const slices =
  ({ sql, query }: Db["Service"]): SettlementStore["Service"]["slices"] =>
  (tags) =>
    query(
      "SettlementStore.slices",
      SettledSlice,
      sql`
        WITH tagged AS MATERIALIZED (SELECT slice FROM slice_plan WHERE tag = ANY(${texts(tags)}))
        ${settledSlices(sql, "tagged")}`
    )

const note =
  (db: Db["Service"]): SettlementStore["Service"]["note"] =>
  (difference, now, alarm) =>
    db.transaction(
      "SettlementStore.note",
      Effect.gen(function* () {
        const isNew = (yield* insertDifference(db, difference, now)).length > 0
        if (!isNew) return false
        if (difference.isHeld && difference.orderId !== null) {
          yield* holdOrder(db, difference.orderId, difference.words, now)
          yield* holdSlices(db, difference.orderId, now)
          yield* db.execute("SettlementStore.notify", db.sql`SELECT pg_notify(${channel}, 'cancels')`)
        }
        yield* alarm
        return true
      })
    )

const insertDifference = ({ sql, query }: Db["Service"], difference: NotedDifference, now: DateTime.Utc) =>
  query(
    "SettlementStore.insert",
    Schema.Struct({ tag: Schema.String }),
    sql`
      INSERT INTO broker_differences AS d (
        tag, kind, facts, order_id, slice_id, broker_order_ids, words, is_critical, seen_at)
      VALUES (${difference.tag}, ${difference.kind}, ${difference.facts}, ${difference.orderId}, ${difference.sliceId},
        ${texts(difference.brokerOrderIds)}, ${difference.words}, ${difference.isCritical}, ${instant(now)})
      ON CONFLICT (tag, kind) DO UPDATE SET
        facts = excluded.facts, broker_order_ids = excluded.broker_order_ids, words = excluded.words, seen_at = excluded.seen_at,
        ended_at = NULL
      WHERE d.facts <> excluded.facts OR d.ended_at IS NOT NULL
      RETURNING d.tag`
  )

const holdOrder = ({ sql, execute }: Db["Service"], orderId: string, words: string, now: DateTime.Utc) =>
  execute(
    "SettlementStore.hold",
    sql`
      UPDATE orders SET held_at = ${instant(now)}, updated_at = ${instant(now)}, hold_reason = ${words},
        hold_reason_code = ${reasonCode(sql, "broker_differs")}
      WHERE id = ${orderId}`
  )

const end =
  ({ sql, execute }: Db["Service"]): SettlementStore["Service"]["end"] =>
  (differences, now) =>
    execute(
      "SettlementStore.end",
      sql`
        UPDATE broker_differences d SET ended_at = ${instant(now)}
        FROM unnest(${texts(differences.map(({ tag }) => tag))}, ${texts(differences.map(({ kind }) => kind))}) AS gone (tag, kind)
        WHERE d.tag = gone.tag AND d.kind = gone.kind AND d.ended_at IS NULL`
    )

const current =
  ({ sql, query }: Db["Service"]): SettlementStore["Service"]["current"] =>
  (since) =>
    query(
      "SettlementStore.current",
      CurrentDifference,
      sql`
        SELECT tag, kind, order_id, slice_id, broker_order_ids, words, is_critical, seen_at
        FROM broker_differences d
        WHERE ended_at IS NULL AND seen_at >= ${instant(since)}
          AND NOT EXISTS (SELECT FROM orders o
            WHERE o.id = d.order_id AND greatest(o.resumed_at, o.cancel_requested_at) >= d.seen_at)
        ORDER BY is_critical DESC, seen_at, tag, kind`
    )
