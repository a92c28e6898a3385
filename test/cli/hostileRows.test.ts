import { assert, describe, it } from "@effect/vitest"
import { Effect, Schema } from "effect"
import { hostname } from "node:os"
import { Db } from "../../src/db/Db.ts"
import { withDatabase } from "../support/daemon.ts"
import { runMain } from "../support/processes.ts"
import { contractRow } from "../support/service.ts"

/**
 * Colours, a C1 escape, bidi marks, a line break and a wide character, which another program may write.
 */
const nasty = "a\u001b[31m\u202eb\u009b2J\u2066c\nFAKE\r\u2028d\u0007株"
const orderId = `over ${nasty}`
const heldId = `held ${nasty}`
const sliceId = `slice ${nasty}`

/** Inserts a finished order, one on hold, a daemon, a halt and an action, all with hostile text. */
const hostileRows = Effect.gen(function* () {
  const { sql, execute } = yield* Db
  const changed = { instrument: nasty, side: nasty, order_queue_status: "DONE", order_unique_key: null }
  for (const id of [orderId, heldId]) {
    yield* execute("test.order", sql`INSERT INTO orders ${sql.insert(contractRow(id, changed))}`)
  }
  yield* execute("test.held", sql`UPDATE orders SET hold_reason = ${nasty}, held_at = now() WHERE id = ${heldId}`)
  yield* execute("test.reason", sql`UPDATE orders SET status_reason = ${nasty}`)
  yield* execute(
    "test.slices",
    sql`
      INSERT INTO order_slices (id, order_id, sequence_number, tag, instrument, side, quantity, order_type, product_type,
        validity, scheduled_at, not_before, not_after, stage, stage_reason, broker_order_id, broker_status, is_held)
      SELECT s.id, s.order_id, 1, s.tag, ${nasty}, 'BUY', 10, 'MARKET', 'CNC', 'DAY', now(), now(), now() + interval '1 hour',
        s.stage, ${nasty}, ${nasty}, ${nasty}, s.is_held
      FROM (VALUES (${sliceId}, ${orderId}, 'tag1', 'FAILED', false), ('s2', ${heldId}, 'tag2', 'SCHEDULED', true))
        AS s (id, order_id, tag, stage, is_held)`
  )
  yield* execute(
    "test.workers",
    sql`
      INSERT INTO workers (instance_id, worker, hostname, pid, version, broker, started_at, heartbeat_at, stale_after_millis,
        hold, last_error)
      SELECT ${nasty}, worker, ${hostname()}, 1, ${nasty}, ${nasty}, now(), now(), 600000, ${nasty}, ${nasty}
      FROM (VALUES ('splitter'), ('executor'), ('monitor')) AS w (worker)`
  )
  yield* execute(
    "test.halt",
    sql`INSERT INTO placement_halts (is_halted, reason, requested_by, requested_at) VALUES (true, ${nasty}, ${nasty}, now())`
  )
  yield* execute(
    "test.action",
    sql`
      INSERT INTO operator_actions (at, operator, action, reason, order_id)
      VALUES (now(), ${nasty}, ${nasty}, ${nasty}, ${orderId})`
  )
})

const assertHarmless = (output: string, args: ReadonlyArray<string>) => {
  const command = args.join(" ")
  assert.notMatch(output, /[^\P{Cc}\n]|[\p{Cf}\p{Zl}\p{Zp}]/u, command)
  assert.notMatch(output, /^\s*FAKE/m, command)
}

describe("rows with hostile text", () => {
  it.live("are shown as plain text by every command", () =>
    withDatabase((url) =>
      Effect.gen(function* () {
        yield* hostileRows
        const pulse = (...args: ReadonlyArray<string>) => runMain(args, { DATABASE_URL: url })
        /** Each command with a part of its output that proves that the rows were shown. */
        const commands: ReadonlyArray<readonly [ReadonlyArray<string>, string]> = [
          [["order", "list"], "over a?[31m?b?2J?c?FAKE??d?株"],
          [["order", "show", orderId], "Order over a?[31m?b"],
          [["order", "show", heldId], "on hold: a?[31m?b"],
          [["order", "show", nasty], "There is no order"],
          [["order", "watch", orderId], "a?[31m?b"],
          [["order", "cancel", orderId], "is unfilled already"],
          [["order", "pause", heldId, "--wait", "0"], "is on hold already: a?[31m?b"],
          [["slice", "skip", sliceId, "--reason", "x"], "FAILED, a?[31m?b"],
          [["top", "--once"], "Halted"],
          [["workers"], "a?[31m?b"],
          [["health"], "a?[31m?b"],
          [["doctor"], "PROBLEM"],
          [["actions"], "a?[31m?b"],
          [["report", orderId], "a [31m b"],
          [["audit", orderId], "a [31m b"],
          [["explain", orderId], "No plan is recorded"]
        ]
        for (const [args, part] of commands) {
          const { output } = yield* pulse(...args)
          assert.include(output, part, args.join(" "))
          assertHarmless(output, args)
        }
      })
    )
  )

  it.live("keep their value in JSON, and are escaped", () =>
    withDatabase((url) =>
      Effect.gen(function* () {
        yield* hostileRows
        const Orders = Schema.fromJsonString(
          Schema.Array(Schema.Struct({ orderId: Schema.String, instrument: Schema.String }))
        )
        const args = ["order", "list", "--json"]
        const { output } = yield* runMain(args, { DATABASE_URL: url })
        assertHarmless(output, args)
        const orders = yield* Schema.decodeEffect(Orders)(output)
        assert.deepStrictEqual(orders.map(({ orderId }) => orderId).toSorted(), [heldId, orderId].toSorted())
        assert.isTrue(orders.every(({ instrument }) => instrument === nasty))
        const watched = yield* runMain(["order", "watch", orderId, "--json"], { DATABASE_URL: url })
        assertHarmless(watched.output, ["order", "watch"])
        assert.lengthOf(watched.output.trim().split("\n"), 1)
      })
    )
  )
})
