import { Context, type DateTime, Effect, Layer, Schema } from "effect"
import { Db, type Sql } from "../../db/Db.ts"
import type { DbError } from "../../db/DbError.ts"
import { booleans, decimals, instant, instants, integers, texts } from "../../db/parameters.ts"
import type { MarketLimits } from "../../domain/limits/marketLimits.ts"
import { type BrokerOrder, isTerminal } from "../../domain/model/BrokerOrder.ts"
import type { SliceId } from "../../domain/model/Ids.ts"
import { maxQuantity, OrderType, ProductType, Validity } from "../../domain/model/Order.ts"
import {
  ClaimedSlice,
  type NextStage,
  OpenSlice,
  type SliceTransition,
  Stage,
  stageOf,
  UnresolvedSlice
} from "../../domain/model/OrderSlice.ts"
import { factColumns, marketFacts } from "../account/QuoteStore.ts"
import {
  cancelUnfilledAfter,
  isFollowed,
  isHalted,
  isInDoubt,
  inDoubtSince,
  isOpenAtBroker,
  isWindowOver
} from "../sql/conditions.ts"
import { Id, idsOf } from "../sql/ids.ts"
import { type BrokerEvent, insertEvents } from "../sql/insertEvents.ts"
import { reasonCode } from "../sql/reasonCode.ts"
import { unindexed } from "../sql/skipIndex.ts"

const dueFrom = (sql: Sql, from: DateTime.Utc | null) =>
  from === null ? sql.literal("") : sql`AND not_before >= ${instant(from)}`

const MovedSlice = Schema.Struct({ id: Schema.String, stage: Stage })
export type MovedSlice = typeof MovedSlice.Type

/** The part `facts` of a claim's WITH when no limit needs quotes: no rows. */
const noFacts = `
  facts AS (
    SELECT NULL::text AS instrument, NULL::numeric AS last_price, NULL::float8 AS last_price_millis,
      NULL::float8 AS recent_volume, NULL::float8 AS recent_volume_millis
    WHERE false
  )`

/** An open slice, and the state of its broker order now. */
export interface BrokerState {
  readonly slice: OpenSlice
  readonly state: BrokerOrder
}

/**
 * The queue of slices: claims, outcomes, and the states of open broker orders. A claim is committed before any call of the
 * broker, with a lease and a raised `claim_version`. Every outcome names that version, so a slice has one owner at a time,
 * and the owner of an older claim writes nothing. The SliceExecutor claims slices and writes outcomes; the TimeoutMonitor
 * resolves those in doubt and follows the open ones.
 */
export class SliceStore extends Context.Service<
  SliceStore,
  {
    /**
     * SCHEDULED → IN_PROGRESS for up to `limit` slices due by `horizon`, soonest first, each with a lease. Orders on hold
     * and kinds that only a newer version knows are left out, and nothing is claimed while placements are halted. With
     * `after`, a claimed slice, only later slices are claimed; with `from`, only those due from then on, and with
     * `isLatestFirst` the latest of them. With `quotes`, each has the facts of its market.
     */
    readonly claimDue: (options: {
      readonly now: DateTime.Utc
      readonly horizon: DateTime.Utc
      readonly leaseExpiresAt: DateTime.Utc
      readonly owner: string
      readonly limit: number
      readonly after?: SliceId | null
      readonly from?: DateTime.Utc | null
      readonly isLatestFirst?: boolean
      /** False without a trading calendar: slices that were planned with one are left to other daemons. */
      readonly keepsHours?: boolean
      readonly quotes?: Pick<MarketLimits, "volumePeriod" | "quoteAge"> | null
    }) => Effect.Effect<ReadonlyArray<ClaimedSlice>, DbError>

    /**
     * Moves slices out of IN_PROGRESS, each only under its current claim, and writes the audit of the calls behind them, in
     * one statement. Returns the slices that moved; a missing one had another owner by then. A slice that would become
     * SCHEDULED becomes SKIPPED if its order was cancelled, and is on hold if its order is.
     */
    readonly transition: (
      transitions: ReadonlyArray<SliceTransition>,
      events: ReadonlyArray<BrokerEvent>
    ) => Effect.Effect<ReadonlyArray<MovedSlice>, DbError>

    /** Up to `limit` slices in doubt, the longest in doubt first. */
    readonly unresolved: (now: DateTime.Utc, limit: number) => Effect.Effect<ReadonlyArray<UnresolvedSlice>, DbError>

    /**
     * Slices that are followed at the broker, longest-waiting first, from after `after` on. A cancel is wanted if the order
     * was cancelled, if the time for the fill is over, or if the order is being completed in another way.
     */
    readonly open: (
      after: OpenSlice | null,
      limit: number,
      now: DateTime.Utc
    ) => Effect.Effect<ReadonlyArray<OpenSlice>, DbError>

    /** Writes the broker's states of open slices. A final state is never overwritten. */
    readonly saveBrokerStates: (states: ReadonlyArray<BrokerState>, now: DateTime.Utc) => Effect.Effect<void, DbError>

    /**
     * Claims the sending of a cancel for up to `limit` of these slices, so that one of several monitors sends it: where
     * none was sent, or the last before `resendBefore`. Returns the ids of those claimed.
     */
    readonly claimCancels: (options: {
      readonly ids: ReadonlyArray<string>
      readonly limit: number
      readonly now: DateTime.Utc
      readonly resendBefore: DateTime.Utc
    }) => Effect.Effect<ReadonlyArray<string>, DbError>

    /** Appends broker calls to the audit. */
    readonly audit: (events: ReadonlyArray<BrokerEvent>) => Effect.Effect<void, DbError>
  }
>()("pulse-background/SliceStore") {
  static readonly layer: Layer.Layer<SliceStore, never, Db> = Layer.effect(
    SliceStore,
    Effect.gen(function* () {
      const { sql, query, queryReadable, execute } = yield* Db
      const laterThan = (after: SliceId | null) =>
        after === null
          ? sql.literal("")
          : sql`AND (not_before, id) > ((SELECT not_before FROM order_slices WHERE id = ${after}), ${after})`
      const byId = unindexed(sql)

      return SliceStore.of({
        claimDue: (options) =>
          queryReadable(
            "SliceStore.claimDue",
            ClaimedSlice,
            sql`
              WITH picked AS MATERIALIZED (
                SELECT id, instrument FROM order_slices
                WHERE stage = 'SCHEDULED' AND NOT is_held AND not_before <= ${instant(options.horizon)}
                  ${laterThan(options.after ?? null)} ${dueFrom(sql, options.from ?? null)}
                  AND NOT ${isWindowOver(sql, options.now)}
                  AND order_type = ANY(${texts(OrderType.literals)}) AND product_type = ANY(${texts(ProductType.literals)})
                  AND validity = ANY(${texts(Validity.literals)})
                  AND (stale_at IS NULL OR stale_at >= ${instant(options.now)})
                  AND (market IS NULL OR ${options.keepsHours ?? true}) AND claim_version < ${maxQuantity}::int
                  AND NOT ${isHalted(sql)}
                ORDER BY ${sql.literal(options.isLatestFirst ? "not_before DESC, id DESC" : "not_before, id")}
                LIMIT ${options.limit}
                FOR UPDATE SKIP LOCKED
              ), ${options.quotes ? marketFacts(sql, { ...options.quotes, now: options.now }) : sql.literal(noFacts)}
              UPDATE order_slices s SET
                stage = 'IN_PROGRESS', stage_reason = NULL, reason_code = NULL, claim_version = s.claim_version + 1,
                claimed_by = ${options.owner}, claimed_at = ${instant(options.now)},
                lease_expires_at = ${instant(options.leaseExpiresAt)}, outcome_unknown_at = NULL,
                updated_at = ${instant(options.now)}
              FROM picked LEFT JOIN facts m USING (instrument)
              WHERE s.id = picked.id
              RETURNING s.id, s.order_id, s.tag, s.sequence_number, s.quantity, s.instrument, s.side, s.order_type,
                s.limit_price::text AS limit_price, s.product_type, s.validity, s.claim_version, s.attempts,
                ceil(extract(epoch FROM s.not_before) * 1000)::float8 AS not_before_millis,
                floor(extract(epoch FROM s.not_after) * 1000)::float8 AS not_after_millis,
                floor(extract(epoch FROM s.lease_expires_at) * 1000)::float8 AS lease_expires_millis,
                ceil(extract(epoch FROM s.scheduled_at) * 1000)::float8 AS scheduled_millis,
                CASE WHEN s.limit_price IS NULL THEN coalesce(
                  (SELECT reference_price FROM orders WHERE id = s.order_id),
                  (SELECT last_price FROM instruments i WHERE i.instrument = s.instrument))::text END AS reference_price,
                s.request_id, s.trace_id, s.market, ${sql.literal(factColumns)}`
          ),

        transition: (transitions, events) => {
          const found = (next: NextStage) => (next._tag === "Processed" ? next.found : null)
          return query(
            "SliceStore.transition",
            MovedSlice,
            sql`
              WITH input AS (
                SELECT * FROM unnest(
                  ${texts(transitions.map(({ slice }) => slice.id))},
                  ${texts(transitions.map(({ slice }) => slice.orderId))},
                  ${integers(transitions.map(({ slice }) => slice.claimVersion))},
                  ${texts(transitions.map(({ next }) => stageOf(next)))},
                  ${texts(transitions.map(({ next }) => ("reason" in next ? next.reason : null)))},
                  ${texts(transitions.map(({ next }) => ("code" in next ? next.code : null)))},
                  ${instants(transitions.map(({ next }) => (next._tag === "Rescheduled" ? next.notBefore : null)))},
                  ${booleans(transitions.map(({ next }) => next._tag === "Unknown"))},
                  ${integers(transitions.map(({ attempts }) => attempts))},
                  ${instants(transitions.map(({ placedAt }) => placedAt))},
                  ${instants(transitions.map(({ at }) => at))},
                  ${texts(transitions.map(({ next }) => (next._tag === "Processed" ? next.brokerOrderId : null)))},
                  ${texts(transitions.map(({ next }) => found(next)?.status ?? null))},
                  ${texts(transitions.map(({ next }) => found(next)?.statusText ?? null))},
                  ${booleans(transitions.map(({ next }) => isTerminal(found(next)?.status ?? "PENDING")))},
                  ${integers(transitions.map(({ next }) => found(next)?.filledQuantity ?? 0))},
                  ${decimals(transitions.map(({ next }) => found(next)?.averagePrice ?? null))}
                ) AS i (id, order_id, claim_version, stage, reason, reason_code, not_before, is_unknown, attempts, placed_at, at,
                  broker_order_id, broker_status, broker_status_text, broker_is_final, filled_quantity, average_price)
              ), parent AS MATERIALIZED (
                SELECT id, cancel_requested_at IS NOT NULL AS is_cancelled, hold_reason IS NOT NULL AS is_held FROM orders
                -- All orders are locked before any slice, as by every transaction that changes the slices of a whole order.
                WHERE id IN (SELECT order_id FROM input)
                FOR SHARE
              ), parents AS MATERIALIZED (
                SELECT coalesce(array_agg(id) FILTER (WHERE is_cancelled), '{}') AS cancelled,
                  coalesce(array_agg(id) FILTER (WHERE is_held), '{}') AS held
                FROM parent
              ), moved AS (
                UPDATE order_slices s SET
                  stage = CASE WHEN i.stage = 'SCHEDULED' AND i.order_id = ANY(p.cancelled) THEN 'SKIPPED' ELSE i.stage END,
                  stage_reason = CASE WHEN i.stage = 'SCHEDULED' AND i.order_id = ANY(p.cancelled) THEN 'order cancelled'
                    ELSE i.reason END,
                  reason_code = CASE WHEN i.stage = 'SCHEDULED' AND i.order_id = ANY(p.cancelled)
                    THEN ${reasonCode(sql, "order_cancelled")} ELSE i.reason_code END,
                  not_before = greatest(i.not_before, s.not_before),
                  is_held = i.stage = 'SCHEDULED' AND i.order_id = ANY(p.held),
                  outcome_unknown_at = CASE WHEN i.is_unknown THEN i.at END,
                  in_doubt_at = CASE WHEN i.is_unknown OR ${isInDoubt(sql, sql`i.at`, "s")} THEN i.at ELSE s.in_doubt_at END,
                  attempts = i.attempts,
                  placed_at = coalesce(i.placed_at, s.placed_at),
                  acknowledged_at = CASE WHEN i.stage = 'PROCESSED' THEN i.at END,
                  broker_order_id = i.broker_order_id, broker_status = i.broker_status,
                  broker_status_text = i.broker_status_text, broker_is_final = i.broker_is_final,
                  filled_quantity = i.filled_quantity, average_price = i.average_price,
                  updated_at = i.at
                FROM input i CROSS JOIN parents p
                WHERE s.id = i.id AND s.stage ${byId} = 'IN_PROGRESS' AND s.claim_version = i.claim_version
                RETURNING s.id, s.stage
              ), audit AS (${insertEvents(sql, events)})
              SELECT id, stage FROM moved`
          )
        },

        unresolved: (now, limit) =>
          queryReadable(
            "SliceStore.unresolved",
            UnresolvedSlice,
            sql`
              SELECT id, order_id, tag, claim_version, attempts,
                floor(extract(epoch FROM not_after) * 1000)::float8 AS not_after_millis,
                floor(extract(epoch FROM claimed_at) * 1000)::float8 AS first_sent_millis,
                ceil(extract(epoch FROM ${inDoubtSince(sql)}) * 1000)::float8 AS last_sent_millis,
                floor(extract(epoch FROM clock_timestamp()) * 1000)::float8 AS read_millis, request_id, trace_id
              FROM order_slices
              WHERE ${isInDoubt(sql, now)}
              ORDER BY ${inDoubtSince(sql)}
              LIMIT ${limit}`
          ),

        open: (after, limit, now) =>
          queryReadable(
            "SliceStore.open",
            OpenSlice,
            sql`
              SELECT s.id, s.order_id, s.tag, s.broker_order_id, s.quantity, s.filled_quantity, s.acknowledged_at,
                o.cancel_requested_at IS NOT NULL
                  OR (coalesce(p.completes_at <= ${instant(now)}, false) AND o.hold_reason IS NULL
                    AND NOT ${isHalted(sql)})
                  OR (p.cause IS DISTINCT FROM 'COMPLETION' AND coalesce(
                    s.acknowledged_at + ${cancelUnfilledAfter(sql, "o")} <= ${instant(now)}, false))
                  AS is_cancel_wanted, s.request_id, s.trace_id
              FROM order_slices s JOIN orders o ON o.id = s.order_id
              LEFT JOIN LATERAL (
                SELECT cause, completes_at FROM order_plans WHERE order_id = o.id ORDER BY revision DESC LIMIT 1
              ) p ON o.completion = 'CROSS'
              WHERE ${isFollowed(sql, "s")}
                AND (${after === null ? null : instant(after.acknowledgedAt)}::timestamptz IS NULL
                  OR (s.acknowledged_at, s.id) > (${after === null ? null : instant(after.acknowledgedAt)}, ${after?.id ?? null}::text))
              ORDER BY s.acknowledged_at, s.id
              LIMIT ${limit}`
          ),

        saveBrokerStates: (states, now) =>
          execute(
            "SliceStore.saveBrokerStates",
            sql`
              UPDATE order_slices s SET
                broker_status = i.status, broker_status_text = i.status_text, broker_is_final = i.is_final,
                filled_quantity = i.filled_quantity, average_price = coalesce(i.average_price, s.average_price),
                updated_at = ${instant(now)}
              FROM unnest(
                ${texts(states.map(({ slice }) => slice.id))},
                ${texts(states.map(({ slice }) => slice.brokerOrderId))},
                ${texts(states.map(({ state }) => state.status))},
                ${texts(states.map(({ state }) => state.statusText))},
                ${booleans(states.map(({ state }) => isTerminal(state.status)))},
                ${integers(states.map(({ state }) => state.filledQuantity))},
                ${decimals(states.map(({ state }) => state.averagePrice))}
              ) AS i (id, broker_order_id, status, status_text, is_final, filled_quantity, average_price)
              -- isOpenAtBroker without its index: the ids are few, and statistics do not know how many are open.
              WHERE s.id = i.id AND s.stage ${byId} = 'PROCESSED' AND s.broker_order_id = i.broker_order_id
                AND NOT s.broker_is_final AND i.filled_quantity >= s.filled_quantity
                AND (s.broker_status, s.broker_status_text, s.broker_is_final, s.filled_quantity, s.average_price)
                  IS DISTINCT FROM
                  (i.status, i.status_text, i.is_final, i.filled_quantity, coalesce(i.average_price, s.average_price))`
          ),

        claimCancels: ({ ids, limit, now, resendBefore }) =>
          query(
            "SliceStore.claimCancels",
            Id,
            sql`
              WITH picked AS MATERIALIZED (
                SELECT id FROM order_slices
                WHERE id = ANY(${texts(ids)}) AND ${isOpenAtBroker(sql)}
                  AND (cancel_sent_at IS NULL OR cancel_sent_at < ${instant(resendBefore)})
                ORDER BY cancel_sent_at NULLS FIRST, acknowledged_at
                LIMIT ${limit}
                FOR UPDATE SKIP LOCKED
              )
              UPDATE order_slices s SET cancel_sent_at = ${instant(now)}, updated_at = ${instant(now)}
              FROM picked WHERE s.id = picked.id
              RETURNING s.id`
          ).pipe(Effect.map(idsOf)),

        audit: (events) => execute("SliceStore.audit", insertEvents(sql, events))
      })
    })
  )
}
