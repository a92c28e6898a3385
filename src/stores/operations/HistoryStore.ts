import { Context, type DateTime, type Duration, Effect, Layer, type Option, Schema } from "effect"
import { Db } from "../../db/Db.ts"
import type { DbError } from "../../db/DbError.ts"
import { booleans, channel, decimals, durationMillis, instant, integers, jsons, texts } from "../../db/parameters.ts"
import { isTerminal } from "../../domain/model/BrokerOrder.ts"
import { BrokerOrderId, OrderId, SliceId, Tag } from "../../domain/model/Ids.ts"
import { ClaimVersion, Stage } from "../../domain/model/OrderSlice.ts"
import type { FoundOnList, FoundSlice, TaggedSlice } from "../../domain/operations/serverHistory.ts"
import { foundMoves } from "../sql/foundMoves.ts"
import { isSettledRow, markUnsettled } from "../sql/history.ts"
import { Id, idsOf } from "../sql/ids.ts"
import { insertActions } from "../sql/insertActions.ts"

/** A history on which something may be missing. */
export const UnsettledHistory = Schema.Struct({
  /** Names this loss: another one has another time. */
  since: Schema.DateTimeUtcFromDate,
  /** How long ago that was, at least, in milliseconds. */
  forMillis: Schema.Finite,
  reason: Schema.String,
  /** When a daemon last looked at the history before, to a minute; null if none did. */
  seenAt: Schema.NullOr(Schema.DateTimeUtcFromDate)
})
export type UnsettledHistory = typeof UnsettledHistory.Type

const StoredSlice = Schema.Struct({
  id: SliceId,
  orderId: OrderId,
  tag: Tag,
  requestId: Schema.NullOr(Schema.String),
  traceId: Schema.NullOr(Schema.String),
  stage: Stage,
  claimVersion: ClaimVersion,
  brokerOrderId: Schema.NullOr(BrokerOrderId),
  isReplaced: Schema.Boolean
})

/** Who halts when the service itself does. */
export const theService = "the service"

/**
 * Whether the database still has what it has committed, and the way back after it has not. Its invariant: from the moment at which
 * the server's history is another one than the recorded one, or is marked, until `settle`, nothing is claimed and no order gets a
 * new plan. Called by the lookout, by the monitor, and for outcomes whose slice the database does not have as it was claimed.
 */
export class HistoryStore extends Context.Service<
  HistoryStore,
  {
    /**
     * Marks the server's history as unsettled, for all daemons, unless that is so already. `isAnew`: also then, so that the time
     * until it is settled begins again; a timeline that is not the marked one does so, too.
     */
    readonly mark: (reason: string, isAnew: boolean, now: DateTime.Utc) => Effect.Effect<void, DbError>

    /** The mark; none while the history is settled. */
    readonly unsettled: (now: DateTime.Utc) => Effect.Effect<Option.Option<UnsettledHistory>, DbError>

    /** The slices that have these tags, in any stage. */
    readonly tagged: (tags: ReadonlySet<Tag>) => Effect.Effect<ReadonlyArray<TaggedSlice>, DbError>

    /**
     * → PROCESSED with the broker order, whoever has claimed the slice, for each one that has not changed since it was read and has
     * no broker order; returns the ids of those that moved.
     */
    readonly adopt: (
      found: ReadonlyArray<FoundSlice>,
      reason: string,
      now: DateTime.Utc
    ) => Effect.Effect<ReadonlySet<string>, DbError>

    /**
     * How many slices without a broker order were due before `until`, when the broker's order list begins, and could still be placed
     * at `from`, when a daemon last looked at the settled history: no list shows whether they were.
     */
    readonly unprovable: (from: DateTime.Utc, until: DateTime.Utc) => Effect.Effect<number, DbError>

    /**
     * Remembers broker orders with tags of ours that no slice has, so that the slices that get these tags are looked up first; returns
     * for how many of them placements were not halted yet.
     */
    readonly noteOrphans: (orphans: FoundOnList["orphaned"], now: DateTime.Utc) => Effect.Effect<number, DbError>

    /**
     * Records the server's history as settled, halts in the same statement if there is a reason to, and wakes the executors. False,
     * without any change, if the mark is not that of `since` any more, is younger than `wait`, or the timeline has changed again.
     */
    readonly settle: (options: {
      readonly since: DateTime.Utc
      readonly wait: Duration.Duration
      readonly halt: string | null
      readonly now: DateTime.Utc
    }) => Effect.Effect<boolean, DbError>
  }
>()("pulse-background/HistoryStore") {
  static readonly layer: Layer.Layer<HistoryStore, never, Db> = Layer.effect(
    HistoryStore,
    Effect.map(Db, (db) =>
      HistoryStore.of({
        mark: mark(db),
        unsettled: unsettled(db),
        tagged: tagged(db),
        adopt: adopt(db),
        unprovable: unprovable(db),
        noteOrphans: noteOrphans(db),
        settle: settle(db)
      })
    )
  )
}

type Store = HistoryStore["Service"]

const mark =
  ({ sql, execute }: Db["Service"]): Store["mark"] =>
  (reason, isAnew, now) =>
    execute(
      "HistoryStore.mark",
      sql`
        ${markUnsettled(sql, reason, now)}
        WHERE ${isAnew}::boolean OR h.unsettled_timeline <> n.timeline OR (h.unsettled_since IS NULL AND NOT ${isSettledRow(sql)})`
    )

const unsettled =
  ({ sql, queryOption }: Db["Service"]): Store["unsettled"] =>
  (now) =>
    queryOption(
      "HistoryStore.unsettled",
      UnsettledHistory,
      sql`
        SELECT unsettled_since AS since, unsettled_reason AS reason, seen_at,
          floor(extract(epoch FROM least(clock_timestamp(), ${instant(now)}) - unsettled_since) * 1000)::float8 AS for_millis
        FROM server_history WHERE unsettled_since IS NOT NULL`
    )

const tagged =
  ({ sql, query }: Db["Service"]): Store["tagged"] =>
  (tags) =>
    query(
      "HistoryStore.tagged",
      StoredSlice,
      sql`
        SELECT s.id, s.order_id, s.tag, s.request_id, s.trace_id, s.stage, s.claim_version, s.broker_order_id,
          s.replaced_by IS NOT NULL OR s.carried_quantity > 0 AS is_replaced
        FROM slice_plan p JOIN slice_rows s ON s.slice = p.slice
        WHERE p.tag = ANY(${texts([...tags])})`
    )

const adopt =
  ({ sql, query }: Db["Service"]): Store["adopt"] =>
  (found, reason, now) =>
    query(
      "HistoryStore.adopt",
      Id,
      sql`
        WITH input AS MATERIALIZED (
          SELECT p.slice AS key, i.* FROM unnest(
            ${texts(found.map(({ slice }) => slice.id))},
            ${integers(found.map(({ slice }) => slice.claimVersion))},
            ${texts(found.map(({ order }) => order.brokerOrderId))},
            ${texts(found.map(({ order }) => order.status))},
            ${texts(found.map(({ order }) => order.statusText))},
            ${booleans(found.map(({ order }) => !isTerminal(order.status)))},
            ${integers(found.map(({ order }) => order.filledQuantity))},
            ${decimals(found.map(({ order }) => order.averagePrice))}
          ) AS i (id, read_version, found_order_id, found_status, found_status_text, is_open, found_filled, found_price)
          JOIN slice_plan p ON p.id = i.id
          ORDER BY p.slice
        ), ${foundMoves(sql, {
          queue: sql`q.version = i.read_version`,
          results: sql`r.version = i.read_version AND r.stage IN ('F', 'S') AND r.replaced_by IS NULL AND r.carried = 0`,
          reason,
          code: "forgotten_by_database",
          now,
          // It is looked up for another day: whoever had claimed it may have sent it.
          endsDoubt: true,
          answers: "id"
        })}
        SELECT id FROM found`
    ).pipe(Effect.map((rows) => new Set(idsOf(rows))))

const unprovable =
  ({ sql, queryOne }: Db["Service"]): Store["unprovable"] =>
  (from, until) =>
    queryOne(
      "HistoryStore.unprovable",
      Schema.Struct({ count: Schema.Int }),
      sql`
        SELECT (
          (SELECT count(*) FROM slice_queue WHERE due_at < ${instant(until)} AND not_after >= ${instant(from)})
          -- What was given up since, because its window is over.
          + (SELECT count(*) FROM slice_results r JOIN slice_plan p ON p.slice = r.slice
            WHERE r.stage IN ('F', 'S') AND r.replaced_by IS NULL AND r.updated_at >= ${instant(from)}
              AND coalesce(r.due_at, p.scheduled_at) < ${instant(until)}
              AND coalesce(r.not_after, p.not_after) >= ${instant(from)})
        )::int AS count`
    ).pipe(Effect.map(({ count }) => count))

const noteOrphans =
  ({ sql, queryOne }: Db["Service"]): Store["noteOrphans"] =>
  (orphans, now) =>
    queryOne(
      "HistoryStore.noteOrphans",
      Schema.Struct({ count: Schema.Int }),
      sql`
        WITH noted AS (INSERT INTO orphaned_tags (tag, broker_order_ids, found_at)
        SELECT i.tag, ARRAY(SELECT jsonb_array_elements_text(i.orders)), ${instant(now)}
        FROM unnest(${texts(orphans.map(({ tag }) => tag))}, ${jsons(orphans.map(({ brokerOrderIds }) => brokerOrderIds))})
          AS i (tag, orders)
        WHERE NOT EXISTS (SELECT FROM slice_plan p WHERE p.tag = i.tag)
        ON CONFLICT (tag) DO UPDATE SET broker_order_ids = excluded.broker_order_ids
        RETURNING is_told)
        SELECT count(*)::int AS count FROM noted WHERE NOT is_told`
    ).pipe(Effect.map(({ count }) => count))

/** Seconds since 2026: more than any slice was ever claimed times, and the next time more again. */
const versionBase = "extract(epoch FROM clock_timestamp() - timestamptz '2026-01-01Z')::int"

const settle =
  ({ sql, query }: Db["Service"]): Store["settle"] =>
  ({ since, wait, halt, now }) =>
    query(
      "HistoryStore.settle",
      Schema.Struct({ timeline: Schema.String }),
      sql`
        WITH settled AS (
          UPDATE server_history h SET
            timeline = n.timeline, system_identifier = n.system_identifier, seen_at = ${instant(now)},
            version_base = greatest(h.version_base + 1, ${sql.literal(versionBase)}),
            unsettled_since = NULL, unsettled_timeline = NULL, unsettled_reason = NULL
          FROM server_history_now() n
          WHERE h.unsettled_timeline = n.timeline
            AND h.unsettled_since = ${instant(since)}::timestamptz
            AND h.unsettled_since + ${durationMillis(wait)}::float8 * interval '1 millisecond'
              <= least(clock_timestamp(), ${instant(now)}::timestamptz)
          RETURNING h.timeline
        ), requested AS (
          INSERT INTO placement_halts (is_halted, reason, requested_by, requested_at)
          SELECT true, ${halt}::text, ${theService}::text, ${instant(now)}::timestamptz FROM settled WHERE ${halt}::text IS NOT NULL
          RETURNING id
        ), told AS (
          UPDATE orphaned_tags SET is_told = true WHERE NOT is_told AND EXISTS (SELECT FROM requested)
        ), recorded AS (${insertActions(
          sql,
          { name: "halt", asked: { by: theService, reason: halt ?? "" }, now },
          sql`SELECT NULL::text, NULL::text, '{}'::jsonb FROM requested`
        )})
        SELECT timeline, pg_notify(${channel}, 'halts'), pg_notify(${channel}, 'slices') FROM settled`
    ).pipe(Effect.map((rows) => rows.length === 1))
