import { Context, type DateTime, Effect, Layer } from "effect"
import { Db } from "../../db/Db.ts"
import type { DbError } from "../../db/DbError.ts"
import { booleans, decimals, instant, integers, numbers, texts } from "../../db/parameters.ts"
import type { Readable } from "../../db/Readable.ts"
import type { DifferenceKind } from "../../domain/lifecycle/settlement.ts"
import { type BrokerOrder, isTerminal } from "../../domain/model/BrokerOrder.ts"
import { type ClaimedSlice, OpenSlice, type SliceTransition, UnresolvedSlice } from "../../domain/model/OrderSlice.ts"
import type { Reason } from "../../domain/model/reason.ts"
import { slicesInDoubt } from "../sql/claims.ts"
import { type BrokerEvent, insertEvents } from "../sql/insertEvents.ts"
import { isOnRecord } from "../sql/isOnRecord.ts"
import { processed, putResults, takeWorking } from "../sql/moves.ts"
import { isCancelWanted, joinCompletion } from "../sql/wantedCancels.ts"
import {
  type AnsweredCancel,
  cancelAnswered,
  type ClaimedCancel,
  claimCancels,
  releaseCancels,
  stopCancels
} from "./cancels.ts"
import { claimDue, type ClaimOptions } from "./claimDue.ts"
import { type MovedSlice, transition } from "./writeOutcomes.ts"

export type { MovedSlice } from "./writeOutcomes.ts"

/** An open slice, and the state of its broker order now. */
export interface BrokerState {
  readonly slice: OpenSlice
  readonly state: BrokerOrder
  /** The difference that people were told of with this state; null if none. Without its record the state is not written. */
  readonly noted: DifferenceKind | null
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
    readonly claimDue: (options: ClaimOptions) => Effect.Effect<Readable<ClaimedSlice>, DbError>

    /**
     * Moves slices out of IN_PROGRESS, each only under its current claim, and writes the audit of the calls behind them, in
     * one statement. Returns the slices that moved; a missing one had another owner by then. A slice that would become
     * SCHEDULED becomes SKIPPED if its order was cancelled, and is on hold if its order is. `now`: when they are written, which
     * may be long after they came about.
     */
    readonly transition: (
      transitions: ReadonlyArray<SliceTransition>,
      events: ReadonlyArray<BrokerEvent>,
      now?: DateTime.Utc
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
    ) => Effect.Effect<Readable<OpenSlice>, DbError>

    /** Writes the broker's states of open slices. A final state is never overwritten. */
    readonly saveBrokerStates: (states: ReadonlyArray<BrokerState>, now: DateTime.Utc) => Effect.Effect<void, DbError>

    /**
     * Claims the sending of a cancel for up to `limit` of these slices, so that one of several monitors sends it: where
     * none was sent or, with `mayRepeat`, where the pause after the last one is over. Returns those claimed.
     */
    readonly claimCancels: (options: {
      readonly ids: ReadonlyArray<string>
      readonly limit: number
      readonly now: DateTime.Utc
      readonly mayRepeat: boolean
    }) => Effect.Effect<ReadonlyArray<ClaimedCancel>, DbError>

    /** Writes the answer of a claimed cancel, on which the next pause depends, and its audit in one statement. */
    readonly cancelAnswered: (
      answered: AnsweredCancel,
      events: ReadonlyArray<BrokerEvent>
    ) => Effect.Effect<void, DbError>

    /** Gives back first claims of which no cancel had an effect, so that they count as never sent. */
    readonly releaseCancels: (
      slices: ReadonlyArray<Pick<OpenSlice, "key">>,
      claimedAt: DateTime.Utc
    ) => Effect.Effect<void, DbError>

    /** Writes why no cancels of these slices are sent; returns the ids of those for which that is news. */
    readonly stopCancels: (ids: ReadonlyArray<string>, reason: Reason) => Effect.Effect<ReadonlyArray<string>, DbError>

    /** Appends broker calls to the audit. */
    readonly audit: (events: ReadonlyArray<BrokerEvent>) => Effect.Effect<void, DbError>
  }
>()("pulse-background/SliceStore") {
  static readonly layer: Layer.Layer<SliceStore, never, Db> = Layer.effect(
    SliceStore,
    Effect.gen(function* () {
      const db = yield* Db
      return SliceStore.of({
        claimDue: claimDue(db),
        transition: transition(db),

        unresolved: unresolved(db),
        open: open(db),
        saveBrokerStates: saveBrokerStates(db),
        claimCancels: claimCancels(db),
        cancelAnswered: cancelAnswered(db),
        releaseCancels: releaseCancels(db),
        stopCancels: stopCancels(db),
        audit: (events) => db.execute("SliceStore.audit", insertEvents(db.sql, events))
      })
    })
  )
}

const unresolved =
  ({ sql, queryReadable }: Db["Service"]): SliceStore["Service"]["unresolved"] =>
  (now, limit) =>
    queryReadable(
      "SliceStore.unresolved",
      UnresolvedSlice,
      sql`
        WITH doubtful AS MATERIALIZED (SELECT slice, since FROM ${slicesInDoubt(sql, now, limit)} doubtful)
        SELECT s.slice::float8 AS key, s.id, s.order_id, s.tag, s.claim_version, s.attempts,
          floor(extract(epoch FROM s.not_after) * 1000)::float8 AS not_after_millis,
          -- A slice that a person had looked up first may have been claimed by nobody that is known.
          floor(extract(epoch FROM coalesce(s.claimed_at, s.created_at)) * 1000)::float8 AS first_sent_millis,
          ceil(extract(epoch FROM d.since) * 1000)::float8 AS last_sent_millis,
          floor(extract(epoch FROM clock_timestamp()) * 1000)::float8 AS read_millis, s.request_id, s.trace_id
        FROM doubtful d JOIN slice_rows s ON s.slice = d.slice
        ORDER BY d.since, d.slice`
    )

const open =
  ({ sql, queryReadable }: Db["Service"]): SliceStore["Service"]["open"] =>
  (after, limit, now) =>
    queryReadable(
      "SliceStore.open",
      OpenSlice,
      sql`
        SELECT s.slice::float8 AS key, s.id, o.id AS order_id, s.tag, w.broker_order_id, w.quantity, w.filled AS filled_quantity, w.acknowledged_at,
          ${isCancelWanted(sql, now)} AS is_cancel_wanted,
          CASE WHEN s.revision IS NULL THEN s.request_id ELSE f.request_id END AS request_id,
          CASE WHEN s.revision IS NULL THEN s.trace_id ELSE f.trace_id END AS trace_id
        FROM slice_working w JOIN slice_plan s ON s.slice = w.slice JOIN orders o ON o.number = s.order_number
        LEFT JOIN order_plans f ON f.order_id = o.id AND f.revision = s.revision
        ${joinCompletion(sql)}
        WHERE w.left_book_at IS NULL
          AND (${after === null ? null : instant(after.acknowledgedAt)}::timestamptz IS NULL
            OR (w.acknowledged_at, s.id) > (${after === null ? null : instant(after.acknowledgedAt)}, ${after?.id ?? null}::text))
        ORDER BY w.acknowledged_at, s.id
        LIMIT ${limit}`
    )

/** A state that is not final changes a row of slice_working; a final one moves it to slice_results, for good. */
const saveBrokerStates =
  ({ sql, execute }: Db["Service"]): SliceStore["Service"]["saveBrokerStates"] =>
  (states, now) => {
    const isOlder = sql`w.slice = i.slice AND w.broker_order_id = i.order_id AND i.filled >= w.filled`
    return execute(
      "SliceStore.saveBrokerStates",
      sql`
        WITH input AS MATERIALIZED (
          SELECT i.key::bigint AS slice, i.* FROM unnest(
            ${numbers(states.map(({ slice }) => slice.key))},
            ${texts(states.map(({ slice }) => slice.brokerOrderId))},
            ${texts(states.map(({ state }) => state.status))},
            ${texts(states.map(({ state }) => state.statusText))},
            ${booleans(states.map(({ state }) => isTerminal(state.status)))},
            ${integers(states.map(({ state }) => state.filledQuantity))},
            ${decimals(states.map(({ state }) => state.averagePrice))},
            ${texts(states.map(({ slice }) => slice.tag))},
            ${texts(states.map(({ noted }) => noted))}
          ) AS i (key, order_id, status, status_text, is_final, filled, price, tag, noted)
          WHERE ${isOnRecord(sql, sql`i.tag`)}
          ORDER BY slice
        ), changed AS (
          UPDATE slice_working w SET
            broker_status = i.status, broker_status_text = i.status_text, filled = i.filled,
            average_price = coalesce(i.price, w.average_price), updated_at = ${instant(now)}
          FROM input i
          WHERE ${isOlder} AND NOT i.is_final
            AND (w.broker_status, w.broker_status_text, w.filled, w.average_price)
              IS DISTINCT FROM (i.status, i.status_text, i.filled, coalesce(i.price, w.average_price))
        ), gone AS (${takeWorking(sql, {
          using: sql`input i`,
          where: sql`${isOlder} AND i.is_final`,
          more: sql.literal("i.status, i.status_text, i.filled AS final_filled, i.price")
        })})
        ${putResults(sql, sql`gone`, {
          stage: processed(sql),
          updated_at: sql`${instant(now)}::timestamptz`,
          broker_status: sql.literal("status"),
          broker_status_text: sql.literal("status_text"),
          filled: sql.literal("final_filled"),
          average_price: sql.literal("coalesce(price, average_price)")
        })}`
    )
  }
