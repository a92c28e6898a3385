import { Context, type DateTime, Effect, Layer, Schema } from "effect"
import { Db } from "../../db/Db.ts"
import type { DbError } from "../../db/DbError.ts"
import { booleans, channel, instant, jsons, texts } from "../../db/parameters.ts"
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

/** A difference that is still there. */
export const CurrentDifference = Schema.Struct({
  tag: Schema.String,
  kind: Schema.String,
  orderId: Schema.NullOr(Schema.String),
  sliceId: Schema.NullOr(Schema.String),
  brokerOrderIds: Schema.Array(Schema.String),
  words: Schema.String,
  isCritical: Schema.Boolean,
  /** The order list does not say so any more, and the order is still on hold for it. */
  isEnded: Schema.Boolean,
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
     * Notes differences of one kind in one order, each once for its facts, puts the order on hold if they say so, and gives the alarm in
     * the same transaction: if the process dies in between, the next look finds them again. False when all were noted before.
     */
    readonly note: (
      differences: ReadonlyArray<NotedDifference>,
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
     * Differences seen since then that the order list still shows, or for which an order is still on hold, critical ones first. Those
     * of an order that a person has resumed or cancelled after that are left out.
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
  (differences, now, alarm) =>
    db.transaction(
      "SettlementStore.note",
      Effect.gen(function* () {
        // Whoever has the order locked is not waited for long: the pass goes on, and the next one notes it.
        yield* db.execute("SettlementStore.impatient", db.sql`SELECT set_config('lock_timeout', ${impatience}, true)`)
        const isNew = (yield* insertDifferences(db, differences, now)).length > 0
        const [first, ...more] = differences
        if (!isNew || first === undefined) return false
        if (first.isHeld && first.orderId !== null) {
          const words = more.length === 0 ? first.words : `${first.words}; and ${more.length} more`
          yield* holdOrder(db, first.orderId, words, now)
          yield* holdSlices(db, first.orderId, now)
          yield* db.execute("SettlementStore.notify", db.sql`SELECT pg_notify(${channel}, 'cancels')`)
        }
        yield* alarm
        return true
      })
    )

const impatience = "500ms"

/** The most broker orders of one difference that are stored. */
const maxStored = 20

const insertDifferences = (
  { sql, query }: Db["Service"],
  differences: ReadonlyArray<NotedDifference>,
  now: DateTime.Utc
) =>
  query(
    "SettlementStore.insert",
    Schema.Struct({ tag: Schema.String }),
    sql`
      INSERT INTO broker_differences AS d (
        tag, kind, facts, order_id, slice_id, broker_order_ids, words, is_critical, is_held, seen_at)
      SELECT i.tag, i.kind, i.facts, i.order_id, i.slice_id, ARRAY(SELECT jsonb_array_elements_text(i.ids)), i.words, i.is_critical,
        i.is_held, ${instant(now)}
      FROM unnest(
        ${texts(differences.map(({ tag }) => tag))},
        ${texts(differences.map(({ kind }) => kind))},
        ${texts(differences.map(({ facts }) => facts))},
        ${texts(differences.map(({ orderId }) => orderId))},
        ${texts(differences.map(({ sliceId }) => sliceId))},
        ${jsons(differences.map(({ brokerOrderIds }) => brokerOrderIds.slice(0, maxStored)))},
        ${texts(differences.map(({ words }) => words))},
        ${booleans(differences.map(({ isCritical }) => isCritical))},
        ${booleans(differences.map(({ isHeld }) => isHeld))}
      ) AS i (tag, kind, facts, order_id, slice_id, ids, words, is_critical, is_held)
      ORDER BY i.tag, i.kind
      ON CONFLICT (tag, kind) DO UPDATE SET
        facts = excluded.facts, broker_order_ids = excluded.broker_order_ids, words = excluded.words, seen_at = excluded.seen_at,
        ended_at = NULL
      WHERE d.facts <> excluded.facts OR d.ended_at IS NOT NULL
      RETURNING d.tag`
  )

/** What a person is told of an order that is on hold already stays beside the new words; a double placement's hold stays as it is. */
const holdOrder = ({ sql, execute }: Db["Service"], orderId: string, words: string, now: DateTime.Utc) =>
  execute(
    "SettlementStore.hold",
    sql`
      UPDATE orders SET held_at = CASE WHEN hold_reason IS NULL THEN ${instant(now)} ELSE held_at END, updated_at = ${instant(now)},
        hold_reason = concat(${words}::text, CASE WHEN hold_reason_code IS DISTINCT FROM ${reasonCode(sql, "broker_differs")}
          THEN '; it was on hold before: ' || hold_reason END),
        hold_reason_code = ${reasonCode(sql, "broker_differs")}
      WHERE id = ${orderId} AND hold_reason_code IS DISTINCT FROM ${reasonCode(sql, "double_placement")}`
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
        SELECT d.tag, d.kind, d.order_id, d.slice_id, d.broker_order_ids, d.words, d.is_critical, d.ended_at IS NOT NULL AS is_ended,
          d.seen_at
        FROM broker_differences d LEFT JOIN orders o ON o.id = d.order_id
        WHERE (d.ended_at IS NULL OR (d.is_held AND o.hold_reason IS NOT NULL)) AND d.seen_at >= ${instant(since)}
          AND (greatest(o.resumed_at, o.cancel_requested_at) >= d.seen_at) IS NOT TRUE
        ORDER BY d.is_critical DESC, d.seen_at, d.tag, d.kind`
    )
