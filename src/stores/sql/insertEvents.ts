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
  readonly request: Readonly<Record<string, unknown>>
  readonly response: Readonly<Record<string, unknown>>
  readonly worker: string
}

/** The INSERT of events, alone or within a statement that also writes their consequences. */
export const insertEvents = (sql: Sql, events: ReadonlyArray<BrokerEvent>) => sql`
  INSERT INTO broker_events (
    id, called_at, duration_millis, broker, call, outcome, order_id, slice_id, attempt, broker_order_id,
    request, response, worker)
  SELECT * FROM unnest(
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
    ${jsons(events.map((event) => event.request))},
    ${jsons(events.map((event) => event.response))},
    ${texts(events.map((event) => event.worker))})
  ON CONFLICT (id) DO NOTHING`
