import { assert, describe, it } from "@effect/vitest"
import { DateTime, Duration, Effect, Layer, Result, Schema } from "effect"
import { TestClock } from "effect/testing"
import { Db } from "../../src/db/Db.ts"
import { BrokerOrderId } from "../../src/domain/model/Ids.ts"
import type { NextStage } from "../../src/domain/model/OrderSlice.ts"
import { because } from "../../src/domain/model/reason.ts"
import { OrderCommands } from "../../src/stores/orders/OrderCommands.ts"
import { PlanStore } from "../../src/stores/orders/PlanStore.ts"
import { SliceCommands } from "../../src/stores/slices/SliceCommands.ts"
import { makeFollowThrough } from "../../src/workers/monitor/followThrough.ts"
import { makeSweep } from "../../src/workers/monitor/sweep.ts"
import { makeSplitPending } from "../../src/workers/OrderSplitter.ts"
import { type Choices, choicesOf } from "../support/generate.ts"
import { amendOrder, claimDue, conservation, explained, move, splitOrder } from "../support/replanning.ts"
import { scriptedBroker } from "../support/scriptedBroker.ts"
import { asked, insertOrder, serviceLayer, sliceRows } from "../support/service.ts"

const service = Layer.mergeAll(PlanStore.layer, SliceCommands.layer).pipe(
  Layer.provideMerge(serviceLayer({ broker: scriptedBroker }))
)

const policies = [
  { lateness_policy: "RESPREAD", max_lateness_seconds: 5 },
  { carry_rejected: true, carry_unfilled: true },
  { completion: "CROSS", carry_rejected: true },
  {
    completion: "CROSS",
    lateness_policy: "RESPREAD",
    max_lateness_seconds: 3,
    carry_unfilled: true,
    carry_rejected: true
  },
  { lateness_policy: "SKIP", max_lateness_seconds: 10 }
] as const

const lateIds = Array.from({ length: 20 }, (_, index) => `late${index}`)
const orderIds = Array.from({ length: 10 }, (_, index) => `o${index}`)

/** Checks repeatedly that the quantities of every order add up, in whatever state other fibers have committed. */
const balanced = Effect.gen(function* () {
  for (const { orderId, unaccounted, overfilled } of yield* conservation) {
    assert.deepStrictEqual({ orderId, unaccounted, overfilled }, { orderId, unaccounted: 0, overfilled: 0 })
  }
})

/** Acts as an executor whose broker gives generated answers, and counts the placements of each slice. */
const execute = (choices: Choices, placed: Map<string, number>) =>
  Effect.gen(function* () {
    const claimed = yield* claimDue(choices.int(1, 6))
    yield* move(claimed, ({ id, tag }): NextStage => {
      const answer = choices.int(1, 10)
      if (answer === 1) return { _tag: "Rescheduled", code: "broker_try_later", reason: "later", notBefore: null }
      if (answer === 2) return { _tag: "Failed", code: "broker_refused", reason: "refused" }
      placed.set(tag, (placed.get(tag) ?? 0) + 1)
      return answer === 3
        ? { _tag: "Unknown", code: "outcome_unknown", reason: "no answer" }
        : { _tag: "Processed", brokerOrderId: BrokerOrderId.make(id), found: null }
    })
  })

/** Acts as the broker later on: orders finish, filled or in part. */
const endSome = Effect.flatMap(Db, ({ sql, execute }) =>
  execute(
    "test.end",
    sql`
      UPDATE order_slices SET broker_is_final = true, broker_status = CASE WHEN sequence_number % 3 = 0 THEN 'REJECTED'
          WHEN sequence_number % 3 = 1 THEN 'CANCELLED' ELSE 'COMPLETE' END,
        filled_quantity = CASE sequence_number % 3 WHEN 0 THEN 0 WHEN 1 THEN quantity / 2 ELSE quantity END
      WHERE id IN (SELECT id FROM slice_plan WHERE slice IN (
        SELECT slice FROM slice_working ORDER BY random() LIMIT 5 FOR UPDATE SKIP LOCKED))`
  )
)

/** Unknown outcomes turn out to have been placed. */
const findUnknown = Effect.flatMap(Db, ({ sql, execute }) =>
  execute(
    "test.find",
    sql`
      UPDATE order_slices SET stage = 'PROCESSED', broker_order_id = id, outcome_unknown_at = NULL
      WHERE stage = 'IN_PROGRESS' AND outcome_unknown_at IS NOT NULL`
  )
)

const amendAny = (choices: Choices) =>
  amendOrder(choices.pick(["o0", "o1", "o2", "o3", "o4", "o5", "o6", "o7", "o8", "o9"]), {
    remainingQuantity: choices.chance(0.5) ? choices.int(10, 200) : null,
    numSlices: choices.int(1, 10),
    remainingWindow: choices.chance(0.7) ? Duration.seconds(choices.int(5, 90)) : null
  }).pipe(Effect.catchTag("CannotReplan", () => Effect.void))

/** Retries slices as a person does; returns how many. */
const retrySome = Effect.gen(function* () {
  const { sql, query } = yield* Db
  const commands = yield* SliceCommands
  const ended = yield* query(
    "test.ended",
    Schema.Struct({ id: Schema.String }),
    sql`
      SELECT id FROM order_slices WHERE stage IN ('FAILED', 'SKIPPED') AND replaced_by IS NULL
      ORDER BY updated_at DESC, id LIMIT 8`
  )
  const options = {
    now: yield* DateTime.now,
    at: null,
    windowGrace: Duration.minutes(10),
    orderListSince: DateTime.makeUnsafe(0)
  }
  const retried = yield* Effect.forEach(ended, ({ id }) => Effect.result(commands.retry(id, options, asked)))
  for (const result of retried) {
    if (Result.isFailure(result) && result.failure._tag === "DbError") return yield* result.failure
  }
  return retried.filter(Result.isSuccess).length
})

/** Counts of unfinished work and of deadlocks, which must be zero when all windows are over. */
const left = Effect.flatMap(Db, ({ sql, query }) =>
  query(
    "test.left",
    Schema.Struct({ onHold: Schema.Int, scheduled: Schema.Int, unfinished: Schema.Int, deadlocks: Schema.Int }),
    sql`
      SELECT count(*) FILTER (WHERE hold_reason IS NOT NULL)::int AS on_hold,
        (SELECT count(*)::int FROM order_slices WHERE stage = 'SCHEDULED') AS scheduled,
        count(*) FILTER (WHERE settled_at IS NULL AND cancel_requested_at IS NULL
          AND (carry_unfilled OR carry_rejected OR completion = 'CROSS'))::int AS unfinished,
        (SELECT deadlocks::int FROM pg_stat_database WHERE datname = current_database()) AS deadlocks
      FROM orders`
  )
).pipe(Effect.map(([row]) => row))

describe("all changes to orders at the same time", () => {
  it.effect("cause no deadlock, lose no slice and send none twice", () =>
    Effect.gen(function* () {
      const placed = new Map<string, number>()
      for (const [index, id] of orderIds.entries()) {
        yield* insertOrder(id, { total_quantity: 200, num_splits: 20, ...policies[index % policies.length] })
      }
      yield* splitOrder("extra")
      const commands = yield* OrderCommands
      const monitors = [yield* makeFollowThrough, yield* makeFollowThrough]
      const sweeps = yield* makeSweep
      const split = yield* makeSplitPending
      let retried = 0
      const actors = (round: number) => {
        const choices = choicesOf(`stress/${round}`)
        return [
          execute(choices, placed),
          execute(choicesOf(`other/${round}`), placed),
          ...(round < 20 ? [amendAny(choices), amendAny(choicesOf(`amend/${round}`))] : []),
          ...monitors,
          sweeps,
          endSome,
          findUnknown,
          balanced,
          ...(round < 30 ? [Effect.map(retrySome, (count) => void (retried += count))] : []),
          ...(round < 20
            ? [Effect.andThen(insertOrder(`late${round}`, policies[round % policies.length]), split)]
            : []),
          Effect.gen(function* () {
            const now = yield* DateTime.now
            if (round % 9 === 4) yield* commands.requestCancel(`late${round - 2}`, asked, now)
            if (round % 9 === 5) yield* commands.hold(`late${round - 2}`, because("replan_impossible", "a reason"), now)
            if (round === 25) yield* Effect.forEach(lateIds, (id) => commands.resume(id, asked, now))
            if (round % 9 === 8) yield* commands.resume(`late${round - 5}`, asked, now)
          })
        ]
      }
      for (let round = 0; round < 60; round += 1) {
        yield* TestClock.adjust(round < 20 ? "1500 millis" : "4 seconds")
        yield* Effect.all(actors(round), { concurrency: "unbounded", discard: true })
        yield* balanced
      }
      assert.deepStrictEqual(
        [...placed].filter(([, times]) => times > 1),
        []
      )
      assert.isAbove(retried, 20)
      // Every slice that was placed is recorded as placed, and stays part of its order.
      const rows = new Map((yield* sliceRows()).map((row) => [row.tag, row]))
      assert.isAbove(placed.size, 100)
      for (const tag of placed.keys()) assert.include(["PROCESSED", "IN_PROGRESS"], rows.get(tag)?.stage)
      const plans = yield* Effect.forEach(orderIds, (id) => explained(id))
      assert.deepStrictEqual(
        plans.flat().filter(({ differing }) => differing.length > 0),
        []
      )
      assert.deepStrictEqual([...new Set(plans.flat().map(({ cause }) => cause))].toSorted(), [
        "AMENDMENT",
        "CARRY",
        "COMPLETION",
        "LATENESS",
        "SPLIT"
      ])
      assert.deepStrictEqual(yield* left, { onHold: 0, scheduled: 0, unfinished: 0, deadlocks: 0 })
    }).pipe(Effect.provide(service))
  )
})
