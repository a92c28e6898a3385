import { type DateTime, Effect, Schema } from "effect"
import type { Db, Sql } from "../../db/Db.ts"
import type { DbError } from "../../db/DbError.ts"
import { booleans, channel, decimals, instant, instants, integers, jsons, numbers, texts } from "../../db/parameters.ts"
import { isTerminal } from "../../domain/model/BrokerOrder.ts"
import { leavesTheQueue, type NextStage, type SliceTransition, Stage, stageOf } from "../../domain/model/OrderSlice.ts"
import { dueInQueue } from "../sql/dueInQueue.ts"
import { Id } from "../sql/ids.ts"
import { type BrokerEvent, insertEvents } from "../sql/insertEvents.ts"
import { putResults, putWorking, skipped, takeQueued } from "../sql/moves.ts"
import { reasonCode } from "../sql/reasonCode.ts"

export interface MovedSlice {
  readonly id: string
  readonly stage: Stage
}

/** What was written of an outcome. `isAudited`: the call behind it is written with the move. */
interface Written {
  readonly key: number
  readonly stage: Stage
  readonly isAudited: boolean
}
const Stayed = Schema.Struct({ key: Schema.Number, stage: Stage, isAudited: Schema.Boolean })

/**
 * Writes outcomes: what stays in the queue or comes back in one statement, which locks orders, then what leaves it in another. Both
 * write the audit of the calls whose slices they move out of their claim, so each call is written exactly once, and a second
 * writing of the same outcomes moves nothing. The other calls are written by their ids.
 */
export const transition =
  (db: Db["Service"]) =>
  (
    transitions: ReadonlyArray<SliceTransition>,
    events: ReadonlyArray<BrokerEvent>,
    now: DateTime.Utc | null = null
  ): Effect.Effect<ReadonlyArray<MovedSlice>, DbError> =>
    Effect.gen(function* () {
      const calls = new Map(events.filter(({ call }) => call === "place").map((event) => [event.sliceId, event]))
      const outcomes = transitions.map((transition) => ({ transition, call: calls.get(transition.slice.id) ?? null }))
      const leaving = outcomes.filter(({ transition: { next } }) => leavesTheQueue(next))
      const staying = outcomes.filter(({ transition: { next } }) => !leavesTheQueue(next))
      const back = staying.filter(({ transition: { next } }) => next._tag === "Rescheduled")
      const steps = [
        ...(back.length > 0 ? [lockOrders(db, back)] : []),
        ...(staying.length > 0 ? [stay(db, staying, now)] : []),
        ...(leaving.length > 0 ? [leave(db, leaving)] : [])
      ]
      const all = Effect.map(Effect.all(steps), (answers) => answers.flat())
      const written = yield* steps.length > 1 ? db.transaction("SliceStore.transition", all) : all
      const byKey = new Map(written.map((one) => [one.key, one]))
      const moved: Array<MovedSlice> = []
      const audited = new Set<BrokerEvent>()
      for (const { transition, call } of outcomes) {
        const one = byKey.get(transition.slice.key)
        if (one === undefined) continue
        moved.push({ id: transition.slice.id, stage: one.stage })
        if (call !== null && one.isAudited) audited.add(call)
      }
      const unwritten = events.filter((event) => !audited.has(event))
      if (unwritten.length > 0) yield* db.execute("SliceStore.audit", insertEvents(db.sql, unwritten))
      return moved
    })

/**
 * Locks the orders of what comes back, before any slice, as every transaction does that changes the slices of a whole order. A
 * statement of its own, so that the next one sees what it waited for: a cancel, a hold, a new plan.
 */
const lockOrders = ({ sql, query }: Db["Service"], back: ReadonlyArray<Outcome>) =>
  query(
    "SliceStore.lockOrders",
    Id,
    sql`
      SELECT id FROM orders WHERE id = ANY(${texts(back.map(({ transition: { slice } }) => slice.orderId))})
      ORDER BY id FOR SHARE`
  ).pipe(Effect.map((): ReadonlyArray<Written> => []))

interface Outcome {
  readonly transition: SliceTransition
  readonly call: BrokerEvent | null
}

const found = (next: NextStage) => (next._tag === "Processed" ? next.found : null)

/** The columns of `input` that every outcome has. */
const outcomeColumns = (outcomes: ReadonlyArray<Outcome>) => {
  const of = outcomes.map(({ transition }) => transition)
  return {
    names: "key, version, next_reason, next_code, made_attempts, sent_at, at",
    values: [
      numbers(of.map(({ slice }) => slice.key)),
      integers(of.map(({ slice }) => slice.claimVersion)),
      texts(of.map(({ next }) => ("reason" in next ? next.reason : null))),
      texts(of.map(({ next }) => ("code" in next ? next.code : null))),
      integers(of.map(({ attempts }) => attempts)),
      instants(of.map(({ placedAt }) => placedAt)),
      instants(of.map(({ at }) => at))
    ]
  }
}

/** The columns of `input` for the audit; `called_at` is NULL where no call was made. */
const callColumns = (outcomes: ReadonlyArray<Outcome>) => {
  const of = outcomes.map(({ call }) => call)
  return {
    names: "called_at, duration_millis, deadline, attempt, broker, call_outcome, response, call_order_id, request",
    values: [
      instants(of.map((call) => call?.calledAt ?? null)),
      numbers(of.map((call) => call?.durationMillis ?? null)),
      instants(of.map((call) => call?.deadline ?? null)),
      integers(of.map((call) => call?.attempt ?? null)),
      texts(of.map((call) => call?.broker ?? null)),
      texts(of.map((call) => (call === null || call.outcome === "ok" ? null : call.outcome))),
      jsons(of.map((call) => (call === null || call.outcome === "ok" ? null : call.response))),
      texts(of.map((call) => call?.brokerOrderId ?? null)),
      jsons(of.map((call) => (call?.keepsRequest === true ? call.request() : null)))
    ]
  }
}

/**
 * The slice `q` is still claimed as it was by whoever reports the outcome `i`. Hardly any slice is claimed when statistics are taken, so
 * of a plain comparison the planner would expect one row, and compare each outcome with the whole queue.
 */
const isMine = "q.slice = i.slice AND q.version = i.version AND q.claim + 0 <> 0"

/** What the parts that move answer for {@link auditOf}. */
const callAnswers =
  "i.called_at, i.duration_millis, i.deadline, i.attempt, i.broker, i.call_outcome, i.response, i.call_order_id, i.request"

const auditOf = (sql: Sql, source: string, isAudited = "true") => sql`
  INSERT INTO broker_calls (
    slice, called_at, duration_millis, claim, deadline, version, attempt, call, broker, broker_order_id, outcome, response, request)
  SELECT slice, called_at, duration_millis, claim, deadline, version, attempt, 'p', broker, call_order_id, call_outcome, response, request
  FROM ${sql.literal(`${source} WHERE called_at IS NOT NULL AND ${isAudited}`)}`

/**
 * The lease of a claim was over at the time `at`. Few claims last that long, so most slices need no look at their own: no lease
 * that a slice can still have ended before the earliest one.
 */
const wasLapsed = (claim: string, at: string) => `(
  ${at} >= coalesce((SELECT min(lease_expires_at) FROM slice_claims WHERE NOT is_over), '-infinity')
  AND EXISTS (SELECT FROM slice_claims l WHERE l.id = ${claim} AND l.lease_expires_at <= ${at}))`

/** Since when the slice has been in doubt: its outcome comes after its owner said that it is unknown, or after its lease. */
const doubtAt = `CASE WHEN unknown_at IS NOT NULL OR ${wasLapsed("gone.claim", "at")} THEN at ELSE in_doubt_at END`

/** How many slices have left, their keys if that is not all, and the keys of those whose call the audit has not got with it. */
const Left = Schema.Struct({
  count: Schema.Int,
  keys: Schema.NullOr(Schema.Array(Schema.Number)),
  unaudited: Schema.NullOr(Schema.Array(Schema.Number))
})

const leave = ({ sql, queryOne }: Db["Service"], outcomes: ReadonlyArray<Outcome>) => {
  const of = outcomes.map(({ transition }) => transition)
  const common = outcomeColumns(outcomes)
  const calls = callColumns(outcomes)
  const changes = {
    placed_at: sql.literal("coalesce(sent_at, placed_at)"),
    attempts: sql.literal("made_attempts"),
    in_doubt_at: sql.literal(doubtAt),
    reason: sql.literal("next_reason"),
    reason_code: sql.literal("next_code"),
    broker_order_id: sql.literal("found_order_id"),
    broker_status: sql.literal("found_status"),
    broker_status_text: sql.literal("found_status_text"),
    filled: sql.literal("found_filled"),
    average_price: sql.literal("found_price")
  }
  return queryOne(
    "SliceStore.transition",
    Left,
    sql`
      WITH input AS MATERIALIZED (
        SELECT i.key::bigint AS slice, i.* FROM unnest(
          ${sql.csv([...common.values, ...calls.values].map((value) => sql`${value}`))},
          ${texts(of.map(({ next }) => (next._tag === "Processed" ? "P" : next._tag === "Failed" ? "F" : "S")))},
          ${texts(of.map(({ next }) => (next._tag === "Processed" ? next.brokerOrderId : null)))},
          ${texts(of.map(({ next }) => found(next)?.status ?? null))},
          ${texts(of.map(({ next }) => found(next)?.statusText ?? null))},
          ${booleans(of.map(({ next }) => next._tag === "Processed" && !isTerminal(found(next)?.status ?? "PENDING")))},
          ${integers(of.map(({ next }) => found(next)?.filledQuantity ?? 0))},
          ${decimals(of.map(({ next }) => found(next)?.averagePrice ?? null))}
        ) AS i (${sql.literal(`${common.names}, ${calls.names}`)}, next_stage, found_order_id, found_status, found_status_text, is_open,
          found_filled, found_price)
        ORDER BY slice
      ), gone AS (${takeQueued(sql, {
        using: sql`input i`,
        where: sql.literal(isMine),
        more: sql.literal(`q.unknown_at, i.next_reason, i.next_code, i.made_attempts, i.sent_at, i.at, i.next_stage,
          i.found_order_id, i.found_status, i.found_status_text, i.is_open, i.found_filled, i.found_price, ${callAnswers}`)
      })}), working AS (${putWorking(sql, sql`gone WHERE is_open`, { ...changes, acknowledged_at: sql.literal("at") })}
      ), results AS (${putResults(sql, sql`gone WHERE NOT is_open`, {
        ...changes,
        acknowledged_at: sql.literal(`CASE WHEN next_stage = 'P' THEN at END`),
        stage: sql.literal(`next_stage::"char"`),
        updated_at: sql.literal("at")
      })}), audit AS (${auditOf(sql, "gone", "unknown_at IS NULL")})
      SELECT count(*)::int AS count,
        CASE WHEN count(*) < ${outcomes.length}::int THEN array_agg(slice::float8) END AS keys,
        array_agg(slice::float8) FILTER (WHERE unknown_at IS NOT NULL) AS unaudited
      FROM gone`
  ).pipe(Effect.map((left) => writtenOf(of, left)))
}

const writtenOf = (
  transitions: ReadonlyArray<SliceTransition>,
  { count, keys, unaudited }: typeof Left.Type
): ReadonlyArray<Written> => {
  const left = new Set(keys ?? [])
  const isUnaudited = new Set(unaudited ?? [])
  return transitions
    .filter(({ slice }) => count === transitions.length || left.has(slice.key))
    .map(({ slice: { key }, next }) => ({ key, stage: stageOf(next), isAudited: !isUnaudited.has(key) }))
}

/** The window of the latest plan that was made since ends the slice's, too. */
const closesAt = `(
  SELECT min(closes_at) FROM order_plans f WHERE f.order_id = i.order_id
    AND f.revision > coalesce(q.window_revision, (SELECT revision FROM slice_plan WHERE slice = q.slice), 0))`

const wasInDoubt = `(q.unknown_at IS NOT NULL OR ${wasLapsed("q.claim", "i.at")})`

const stayInput = (sql: Sql, outcomes: ReadonlyArray<Outcome>) => {
  const of = outcomes.map(({ transition }) => transition)
  const common = outcomeColumns(outcomes)
  const calls = callColumns(outcomes)
  return sql`
    SELECT i.key::bigint AS slice, i.* FROM unnest(
      ${sql.csv([...common.values, ...calls.values].map((value) => sql`${value}`))},
      ${texts(of.map(({ slice }) => slice.orderId))},
      ${booleans(of.map(({ next }) => next._tag === "Unknown"))},
      ${instants(of.map(({ next }) => (next._tag === "Rescheduled" ? next.notBefore : null)))}
    ) AS i (${sql.literal(`${common.names}, ${calls.names}`)}, order_id, is_unknown, next_due_at)
    ORDER BY slice`
}

/** What comes back to the queue is on hold if its order is, and SKIPPED if its order was cancelled. */
const stay = (
  { sql, query }: Db["Service"],
  outcomes: ReadonlyArray<Outcome>,
  now: DateTime.Utc | null
): Effect.Effect<ReadonlyArray<Written>, DbError> => {
  const isTaken = sql.literal(isMine)
  const answers = sql.literal(`i.key, ${callAnswers}`)
  const writtenAt = sql`greatest(i.at, ${now === null ? null : instant(now)}::timestamptz)`
  const dueAgain = dueInQueue(sql, sql.literal("greatest(i.next_due_at, q.due_at)"), writtenAt)
  return query(
    "SliceStore.transition",
    Stayed,
    sql`
      WITH input AS MATERIALIZED (${stayInput(sql, outcomes)}
      ), parents AS MATERIALIZED (
        SELECT coalesce(array_agg(id) FILTER (WHERE is_cancelled), '{}') AS cancelled,
          coalesce(array_agg(id) FILTER (WHERE is_held), '{}') AS held
        FROM (
          SELECT id, cancel_requested_at IS NOT NULL AS is_cancelled, hold_reason IS NOT NULL AS is_held FROM orders
          WHERE id IN (SELECT order_id FROM input WHERE NOT is_unknown)
        ) parent
      ), unknown AS (
        UPDATE slice_queue q SET
          claim = -abs(q.claim), unknown_at = i.at, in_doubt_at = i.at, attempts = i.made_attempts,
          placed_at = coalesce(i.sent_at, q.placed_at), reason = i.next_reason, reason_code = i.next_code, updated_at = i.at
        FROM input i
        -- One that is unknown already was written before.
        WHERE ${isTaken} AND i.is_unknown AND q.claim > 0
        RETURNING q.slice, abs(q.claim) AS claim, q.version, ${answers}
      ), back AS (
        UPDATE slice_queue q SET
          claim = 0, last_claim = abs(q.claim), unknown_at = NULL,
          due_at = ${dueAgain}, not_after = least(q.not_after, ${sql.literal(closesAt)}),
          scheduled_at = CASE WHEN ${dueAgain} > q.due_at OR ${sql.literal(closesAt)} < q.not_after THEN coalesce(q.scheduled_at, q.due_at)
            ELSE q.scheduled_at END,
          is_held = i.order_id = ANY(p.held),
          in_doubt_at = CASE WHEN ${sql.literal(wasInDoubt)} THEN i.at ELSE q.in_doubt_at END,
          attempts = i.made_attempts, placed_at = coalesce(i.sent_at, q.placed_at), reason = i.next_reason,
          reason_code = i.next_code, updated_at = i.at
        FROM input i CROSS JOIN parents p
        WHERE ${isTaken} AND NOT i.is_unknown AND NOT i.order_id = ANY(p.cancelled)
        -- It was in doubt if it is marked now.
        RETURNING q.slice, q.last_claim AS claim, q.version, q.in_doubt_at IS DISTINCT FROM i.at AS is_audited, i.next_code, ${answers}
      ), gone AS (${takeQueued(sql, {
        using: sql`input i CROSS JOIN parents p`,
        where: sql`${isTaken} AND NOT i.is_unknown AND i.order_id = ANY(p.cancelled)`,
        more: sql`q.unknown_at, i.at, i.sent_at, i.made_attempts, ${answers}`
      })}), results AS (${putResults(sql, sql`gone`, {
        placed_at: sql.literal("coalesce(sent_at, placed_at)"),
        attempts: sql.literal("made_attempts"),
        in_doubt_at: sql.literal(doubtAt),
        stage: skipped(sql),
        updated_at: sql.literal("at"),
        reason: sql`'order cancelled'`,
        reason_code: reasonCode(sql, "order_cancelled")
      })}),
      audit_unknown AS (${auditOf(sql, "unknown")}), audit_back AS (${auditOf(sql, "back", "is_audited")}),
      audit_gone AS (${auditOf(sql, "gone", "unknown_at IS NULL")})
      SELECT key, 'IN_PROGRESS' AS stage, true AS is_audited, NULL AS told FROM unknown
      -- What a daemon leaves to the others may be due at once. Nobody is woken of what would soon come back again.
      UNION ALL SELECT key, 'SCHEDULED', is_audited, CASE WHEN next_code IN (${reasonCode(sql, "executor_stopped")}, ${reasonCode(sql, "gate_closed")})
        THEN pg_notify(${channel}, 'slices')::text END FROM back
      UNION ALL SELECT key, 'SKIPPED', unknown_at IS NULL, NULL FROM gone`
  )
}
