import type { DateTime } from "effect"
import type { Sql } from "../../db/Db.ts"
import { instants, integers, jsons, numbers, texts } from "../../db/parameters.ts"

/** A broker call as the audit keeps it. An event that is written twice has the same `id`. It holds no secrets. */
export interface BrokerEvent {
  readonly id: string
  readonly calledAt: DateTime.Utc
  readonly durationMillis: number
  readonly broker: string
  readonly call: "place" | "find_by_tag" | "cancel"
  readonly outcome: string
  readonly orderId: string | null
  readonly sliceId: string | null
  readonly attempt: number | null
  readonly brokerOrderId: string | null
  /** Made only if it is written: the audit of a placement has it from the plan. */
  readonly request: () => Readonly<Record<string, unknown>>
  /** Whether the request of a placement has more than the plan tells; false by default. */
  readonly keepsRequest?: boolean
  /** How long a placement could wait for its turn; null for other calls. */
  readonly deadline: DateTime.Utc | null
  readonly response: Readonly<Record<string, unknown>>
  readonly worker: string
}

/**
 * The INSERT of calls whose outcome moved no slice: look-ups, cancels, and placements whose slice had another owner by then. A
 * placement may have been written with the move of its slice before; it must be a statement of its own, begun after that one.
 */
export const insertEvents = (sql: Sql, events: ReadonlyArray<BrokerEvent>) => sql`
  INSERT INTO broker_calls (
    id, called_at, duration_millis, broker, call, outcome, attempt, broker_order_id, request, response, worker, slice, order_id,
    slice_id)
  SELECT e.id, e.called_at, e.duration_millis, e.broker, left(e.call, 1)::"char", nullif(e.outcome, 'ok'), e.attempt,
    e.broker_order_id, e.request, e.response, e.worker, p.slice, CASE WHEN p.slice IS NULL THEN e.order_id END,
    CASE WHEN p.slice IS NULL THEN e.slice_id END
  FROM unnest(
    ${texts(events.map((event) => event.id))},
    ${instants(events.map((event) => event.calledAt))},
    ${numbers(events.map((event) => event.durationMillis))},
    ${texts(events.map((event) => event.broker))},
    ${texts(events.map((event) => event.call))},
    ${texts(events.map((event) => event.outcome))},
    ${texts(events.map((event) => event.orderId))},
    ${texts(events.map((event) => event.sliceId))},
    ${integers(events.map((event) => event.attempt))},
    ${texts(events.map((event) => event.brokerOrderId))},
    ${jsons(events.map((event) => event.request()))},
    ${jsons(events.map((event) => event.response))},
    ${texts(events.map((event) => event.worker))}
  ) AS e (id, called_at, duration_millis, broker, call, outcome, order_id, slice_id, attempt, broker_order_id, request, response, worker)
  LEFT JOIN slice_plan p ON p.id = e.slice_id
  WHERE NOT EXISTS (
    SELECT FROM broker_calls c
    WHERE c.slice = p.slice AND c.id IS NULL AND e.id = p.id || ':place:' || c.version)
  ON CONFLICT (id) WHERE id IS NOT NULL DO NOTHING`
