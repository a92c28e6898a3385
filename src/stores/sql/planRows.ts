import type { DateTime, Duration } from "effect"
import type { Sql } from "../../db/Db.ts"
import { decimals, durationMillis, instant, instants, integers, jsons, numbers, texts } from "../../db/parameters.ts"
import { defaultMaxLatenessSeconds } from "../../domain/model/Order.ts"
import type { OrderPlan } from "../../domain/planning/planOrder.ts"
import { algorithmVersion } from "../../domain/planning/schedule/Schedule.ts"
import { atInstant, dueInQueue } from "./dueInQueue.ts"
import { reasonCode } from "./reasonCode.ts"

interface PlanOptions {
  readonly now: DateTime.Utc
  readonly windowGrace: Duration.Duration
  /** The number of the slice that the plan cuts in two; null for a plan of all that was not sent. */
  readonly cutSequence?: number | null
}

/**
 * Parts of a statement's WITH, before its part `planned`: the slices of the plans, and `orphaned`, the orders among them of which the
 * broker has slices already, because the database has forgotten an earlier plan of them. `planned` puts these on hold.
 */
export const plannedSlices = (sql: Sql, plans: ReadonlyArray<OrderPlan>) => {
  const slices = plans.flatMap(({ orderId, slices }) => slices.map((slice) => ({ ...slice, orderId })))
  return sql`
  input AS NOT MATERIALIZED (
    SELECT * FROM unnest(
      ${texts(slices.map((slice) => slice.id))},
      ${texts(slices.map((slice) => slice.orderId))},
      ${integers(slices.map((slice) => slice.sequenceNumber))},
      ${texts(slices.map((slice) => slice.tag))},
      ${integers(slices.map((slice) => slice.quantity))},
      ${numbers(slices.map((slice) => slice.dueMillis))}
    ) AS s (id, order_id, sequence_number, tag, quantity, due_millis)
  ), orphaned AS MATERIALIZED (
    SELECT DISTINCT input.order_id FROM input JOIN orphaned_tags o ON o.tag = input.tag
    WHERE EXISTS (SELECT FROM orphaned_tags)
  )`
}

/** Why an order of `orphaned` is on hold. */
export const orphanedWords =
  "the broker had orders for slices of this plan before it was written: the database had forgotten an earlier writing"

/** Columns of an UPDATE of orders, `o`, that put those of `orphaned` on hold. A hold that is there stays. */
export const holdOrphaned = (sql: Sql, now: DateTime.Utc) => sql`
  held_at = CASE WHEN o.hold_reason IS NULL AND o.id IN (SELECT order_id FROM orphaned) THEN ${instant(now)} ELSE o.held_at END,
  hold_reason = coalesce(o.hold_reason, CASE WHEN o.id IN (SELECT order_id FROM orphaned) THEN ${orphanedWords}::text END)`

/**
 * Parts of a statement's WITH, after its part `planned` that answers with the columns of orders, and the {@link plannedSlices}. They
 * write one plan and its slices for each order of `planned`. The slices of an order that was cancelled meanwhile start as SKIPPED, and
 * those that the broker has already as PROCESSED.
 */
export const planRows = (sql: Sql, plans: ReadonlyArray<OrderPlan>, options: PlanOptions) => {
  const dueNow = dueInQueue(sql, sql.literal("due_at"), atInstant(sql, options.now))
  return sql`
  planning AS MATERIALIZED (${plansOfOrders(sql, plans, options)}
  ), plans AS (
    INSERT INTO order_plans (
      order_id, revision, first_sequence, algorithm_version, input, starts_at, ends_at, completes_at, closes_at, sessions,
      instrument, side, order_type, limit_price, product_type, validity, request_id, trace_id, market, cause, note,
      cut_sequence, created_at)
    SELECT order_id, revision, first_sequence, ${algorithmVersion}, input, starts_at, ends_at, completes_at, closes_at, sessions,
      instrument, side, order_type, limit_price, product_type, validity, request_id, trace_id, market, cause, note,
      ${options.cutSequence ?? null}::int, ${instant(options.now)}
    FROM planning WHERE number IS NOT NULL
  ), slices AS MATERIALIZED (${slicesOfPlans(sql)}
  ), planned_slices AS (
    INSERT INTO slice_plan (slice, order_number, scheduled_at, not_after, quantity, revision, id, tag)
    SELECT slice, number, due_at, not_after, quantity, revision, id, tag FROM slices
  ), queued AS (
    INSERT INTO slice_queue (
      slice, due_at, not_after, quantity, format, is_held, keeps_hours, is_unpriced, tag, facts, stale_at, id,
      scheduled_at)
    SELECT slice, ${dueNow}, not_after, quantity, 1, is_held, market IS NOT NULL, is_unpriced, tag, facts, stale_at, id,
      CASE WHEN ${dueNow} > due_at THEN due_at END
    FROM slices WHERE NOT is_cancelled AND found_order_id IS NULL
  ), found AS (
    INSERT INTO slice_working (
      slice, version, attempts, quantity, broker_order_id, broker_status, stale_at, acknowledged_at, updated_at, reason, reason_code)
    SELECT slice, 0, 0, quantity, found_order_id, 'PENDING', stale_at, ${instant(options.now)}, ${instant(options.now)},
      ${orphanedWords}, ${reasonCode(sql, "forgotten_by_database")}
    FROM slices WHERE found_order_id IS NOT NULL
  ), skipped AS (
    INSERT INTO slice_results (slice, updated_at, version, attempts, quantity, stage, stale_at, reason, reason_code)
    SELECT slice, ${instant(options.now)}, 0, 0, quantity, 'S', stale_at, 'order cancelled', ${reasonCode(sql, "order_cancelled")}
    FROM slices WHERE is_cancelled AND found_order_id IS NULL
  )`
}

const millis = (sql: Sql, count: string) => sql.literal(`${count} * interval '1 millisecond'`)

/**
 * Each plan with what its slices take from their order; `number` is NULL where `planned` has no such order. The outer join keeps
 * the number of plans in the planner's estimate: it expects one row of an UPDATE, and would compare each slice with each plan.
 */
const plansOfOrders = (sql: Sql, plans: ReadonlyArray<OrderPlan>, { windowGrace }: PlanOptions) => {
  const startsAt = sql.literal("coalesce(p.starts_at, o.created_at)")
  const endsAt = sql`${startsAt} + ${millis(sql, "p.end_millis")}`
  const limitPrice = sql.literal("p.limit_price::numeric(15,4)")
  return sql`
    SELECT p.id AS order_id, o.number, p.revision, p.first_sequence, p.input, ${startsAt} AS starts_at, ${endsAt} AS ends_at,
      ${startsAt} + ${millis(sql, "p.complete_millis")} AS completes_at,
      ${endsAt} + ${durationMillis(windowGrace)}::float8 * interval '1 millisecond' AS closes_at,
      p.sessions, p.order_type, ${limitPrice} AS limit_price, p.market, p.cause, p.note,
      o.instrument, o.side, o.product_type, o.validity, o.request_id, o.origin_trace_id AS trace_id,
      o.hold_reason IS NOT NULL AS is_held, o.cancel_requested_at IS NOT NULL AS is_cancelled,
      p.limit_price IS NULL AND o.reference_price IS NULL AS is_unpriced,
      CASE WHEN p.cause <> 'COMPLETION' THEN o.lateness_policy END AS lateness_policy,
      coalesce(o.max_lateness_seconds, ${defaultMaxLatenessSeconds}::int)::float8 * interval '1 second' AS max_lateness,
      slice_facts(p.id, o.instrument, o.side, p.order_type, ${limitPrice}, o.product_type, o.validity, o.request_id,
        o.origin_trace_id, p.market, o.reference_price, o.algo_id) AS facts
    FROM unnest(
      ${texts(plans.map(({ orderId }) => orderId))},
      ${integers(plans.map(({ revision }) => revision))},
      ${integers(plans.map(({ firstSequence }) => firstSequence))},
      ${jsons(plans.map(({ input }) => input))},
      ${instants(plans.map(({ startsAt }) => startsAt))},
      ${numbers(plans.map(({ endMillis }) => endMillis))},
      ${numbers(plans.map(({ completeMillis }) => completeMillis))},
      ${jsons(plans.map(({ sessions }) => sessions))},
      ${texts(plans.map(({ orderType }) => orderType))},
      ${decimals(plans.map(({ limitPrice }) => limitPrice))},
      ${texts(plans.map(({ market }) => market))},
      ${texts(plans.map(({ cause }) => cause))},
      ${texts(plans.map(({ note }) => note))}
    ) AS p (id, revision, first_sequence, input, starts_at, end_millis, complete_millis, sessions, order_type, limit_price, market,
      cause, note)
    LEFT JOIN planned o ON o.id = p.id`
}

const slicesOfPlans = (sql: Sql) => {
  const dueAt = sql`p.starts_at + ${millis(sql, "s.due_millis")}`
  const tooLateAt = sql`${dueAt} + p.max_lateness`
  return sql`
    SELECT (p.number << 20) + s.sequence_number AS slice, p.number, p.revision, s.id, s.tag, s.quantity, ${dueAt} AS due_at,
      least(p.closes_at, CASE WHEN p.lateness_policy = 'SKIP' THEN ${tooLateAt} END) AS not_after,
      CASE WHEN p.lateness_policy = 'RESPREAD' THEN ${tooLateAt} END AS stale_at,
      p.is_held, p.is_cancelled, p.is_unpriced, p.market, p.facts,
      (SELECT broker_order_ids[1] FROM orphaned_tags t WHERE t.tag = s.tag) AS found_order_id
    FROM input s JOIN planning p ON p.order_id = s.order_id
    WHERE p.number IS NOT NULL`
}
