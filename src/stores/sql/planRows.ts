import type { DateTime, Duration } from "effect"
import type { Sql } from "../../db/Db.ts"
import { decimals, durationMillis, instant, instants, integers, jsons, numbers, texts } from "../../db/parameters.ts"
import { defaultMaxLatenessSeconds } from "../../domain/model/Order.ts"
import type { OrderPlan } from "../../domain/planning/planOrder.ts"
import { algorithmVersion } from "../../domain/planning/schedule/Schedule.ts"
import { reasonCode } from "./reasonCode.ts"

/**
 * Two parts of a statement's WITH, `plans` and `inserted`, after its part `planned`. They write one plan and its slices for
 * each order of `planned`. The slices of an order that was cancelled meanwhile start as SKIPPED.
 */
export const planRows = (
  sql: Sql,
  plans: ReadonlyArray<OrderPlan>,
  { now, windowGrace }: { readonly now: DateTime.Utc; readonly windowGrace: Duration.Duration }
) => {
  const slices = plans.flatMap(({ orderId, market, slices }) => slices.map((slice) => ({ ...slice, orderId, market })))
  const millis = (count: string) => sql.literal(`${count} * interval '1 millisecond'`)
  const tooLateAt = sql`
    p.starts_at + ${millis("s.due_millis")}
      + coalesce(o.max_lateness_seconds, ${defaultMaxLatenessSeconds}::int)::float8 * interval '1 second'`
  return sql`
    plans AS (
      INSERT INTO order_plans (
        order_id, revision, first_sequence, algorithm_version, input, starts_at, ends_at, completes_at, sessions, order_type,
        limit_price, cause, note, created_at)
      SELECT o.id, p.revision, p.first_sequence, ${algorithmVersion}, p.input, coalesce(p.starts_at, o.created_at),
        coalesce(p.starts_at, o.created_at) + ${millis("p.end_millis")},
        coalesce(p.starts_at, o.created_at) + ${millis("p.complete_millis")},
        p.sessions, p.order_type, p.limit_price, p.cause, p.note, ${instant(now)}
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
        ${texts(plans.map(({ cause }) => cause))},
        ${texts(plans.map(({ note }) => note))}
      ) AS p (id, revision, first_sequence, input, starts_at, end_millis, complete_millis, sessions, order_type, limit_price, cause,
        note)
      JOIN planned o ON o.id = p.id
      RETURNING *
    ), inserted AS (
      INSERT INTO order_slices (
        id, order_id, sequence_number, tag, instrument, side, quantity, order_type, limit_price, product_type, validity,
        request_id, trace_id, market, scheduled_at, not_before, not_after, stale_at, stage, stage_reason, reason_code, is_held, created_at,
        updated_at)
      SELECT s.id, o.id, s.sequence_number, s.tag, o.instrument, o.side, s.quantity, p.order_type, p.limit_price,
        o.product_type, o.validity, o.request_id, o.origin_trace_id, s.market,
        p.starts_at + ${millis("s.due_millis")},
        p.starts_at + ${millis("s.due_millis")},
        least(
          p.ends_at + ${durationMillis(windowGrace)}::float8 * interval '1 millisecond',
          CASE WHEN o.lateness_policy = 'SKIP' AND p.cause <> 'COMPLETION' THEN ${tooLateAt} END),
        CASE WHEN o.lateness_policy = 'RESPREAD' AND p.cause <> 'COMPLETION' THEN ${tooLateAt} END,
        CASE WHEN o.cancel_requested_at IS NULL THEN 'SCHEDULED' ELSE 'SKIPPED' END,
        CASE WHEN o.cancel_requested_at IS NULL THEN NULL ELSE 'order cancelled' END,
        CASE WHEN o.cancel_requested_at IS NULL THEN NULL ELSE ${reasonCode(sql, "order_cancelled")} END,
        o.hold_reason IS NOT NULL,
        ${instant(now)}, ${instant(now)}
      FROM unnest(
        ${texts(slices.map((slice) => slice.id))},
        ${texts(slices.map((slice) => slice.orderId))},
        ${integers(slices.map((slice) => slice.sequenceNumber))},
        ${texts(slices.map((slice) => slice.tag))},
        ${integers(slices.map((slice) => slice.quantity))},
        ${numbers(slices.map((slice) => slice.dueMillis))},
        ${texts(slices.map((slice) => slice.market))}
      ) AS s (id, order_id, sequence_number, tag, quantity, due_millis, market)
      JOIN planned o ON o.id = s.order_id
      JOIN plans p ON p.order_id = s.order_id
    )`
}
