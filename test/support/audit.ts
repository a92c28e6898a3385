import { DateTime, Effect } from "effect"
import type { Statement } from "effect/sql/Statement"
import { Db } from "../../src/db/Db.ts"
import { BrokerOrderId } from "../../src/domain/model/Ids.ts"
import { AuditVerifyStore } from "../../src/stores/operations/AuditVerifyStore.ts"
import { HaltStore } from "../../src/stores/operations/HaltStore.ts"
import { OrderCommands } from "../../src/stores/orders/OrderCommands.ts"
import { SliceStore } from "../../src/stores/slices/SliceStore.ts"
import { makeSealAll } from "../../src/workers/supervision/auditSealer.ts"
import { claimDue, splitOrder } from "./replanning.ts"
import { asked } from "./service.ts"

/** What a round of the sealer does. */
export const sealAll = Effect.flatten(makeSealAll)

export const verified = Effect.flatMap(AuditVerifyStore, ({ verify }) => verify({ known: [], limit: 1000 }))

type AnyStatement = Statement<Readonly<Record<string, unknown>>>

/** As somebody does who owns the tables: no trigger refuses. */
export const withoutTriggers = (...statements: ReadonlyArray<AnyStatement>) =>
  Effect.gen(function* () {
    const { sql, transaction } = yield* Db
    const set = (role: string) => sql.unsafe(`SET LOCAL session_replication_role = ${role}`)
    yield* transaction(
      "test.withoutTriggers",
      Effect.all([set("replica"), ...statements, set("origin")], { discard: true }).pipe(Effect.orDie)
    )
  })

/** Places the slices of a new order, with the audit of each, and looks the broker's order list up. */
export const placeAudited = (id: string) =>
  Effect.gen(function* () {
    yield* splitOrder(id, { duration_minutes: 0 })
    const at = yield* DateTime.now
    const slices = yield* claimDue(100)
    const call = {
      calledAt: at,
      durationMillis: 1.25,
      broker: "mock",
      attempt: 1,
      deadline: at,
      worker: "owner",
      response: {}
    }
    const placements = slices.map((slice) => ({
      ...call,
      id: `${slice.id}:place:${slice.claimVersion}`,
      call: "place" as const,
      outcome: "ok",
      orderId: slice.orderId,
      sliceId: slice.id,
      brokerOrderId: `b-${slice.id}`,
      request: () => ({})
    }))
    const lookUp = { ...call, id: `look-up-${id}`, call: "find_by_tag" as const, outcome: "timeout", attempt: null }
    yield* (yield* SliceStore).transition(
      slices.map((slice) => ({
        slice,
        next: { _tag: "Processed", brokerOrderId: BrokerOrderId.make(`b-${slice.id}`), found: null },
        attempts: 1,
        placedAt: at,
        at
      })),
      [
        ...placements,
        {
          ...lookUp,
          orderId: null,
          sliceId: null,
          brokerOrderId: null,
          deadline: null,
          request: () => ({ tags: [id] })
        }
      ]
    )
  })

/** Halts, resumes, an operator's action, and placements of two orders, in two seals of each table. */
export const makeAudit = Effect.gen(function* () {
  const { sql, execute } = yield* Db
  const halts = yield* HaltStore
  for (const id of ["o1", "o2"]) {
    const requestedAt = yield* DateTime.now
    yield* placeAudited(id)
    yield* halts.request({ isHalted: true, reason: `halt ${id}`, requestedBy: "tester", requestedAt })
    yield* halts.request({ isHalted: false, reason: `resume ${id}`, requestedBy: "tester", requestedAt })
    yield* (yield* OrderCommands).pause(id, asked, requestedAt)
    // Numbers that were given and never committed.
    yield* execute(
      "test.gap",
      sql`SELECT nextval('broker_calls_number_seq'), nextval('operator_actions_id_seq'), nextval('placement_halts_id_seq')`
    )
    yield* sealAll
  }
})
