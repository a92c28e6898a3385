import { assert, describe, it } from "@effect/vitest"
import { Effect, Schema } from "effect"
import { hostname } from "node:os"
import { Db } from "../../src/db/Db.ts"
import { withDatabase } from "../support/daemon.ts"
import { liveAs } from "../support/liveAs.ts"
import { runMain } from "../support/processes.ts"
import { contractRow } from "../support/service.ts"

/**
 * Colours, a window's title, C1 escapes, bidi marks, line breaks, invisible, wide and combined characters, a command and HTML, as
 * another program may write them.
 */
const nasty =
  "a\u001b[31m\u202eb\u009b2J\u2066c\nFAKE\r\u2028d\u0007株\u001b]0;t\u0007\u200b\ufeff\u3164👍🏽e\u0301$(touch x)<script>&'"
const huge = `${nasty}${"long ".repeat(200_000)}`
const orderId = `over ${nasty}`
const heldId = `held ${nasty}`
const sliceId = `slice ${nasty}`
const hugeId = "huge"
/** A daemon that health takes to be alive. */
const livingId = `hostile-${process.pid}`

/** Inserts an order of each kind, and a row of every other kind that a command shows, all with hostile text. */
const hostileRows = Effect.gen(function* () {
  const { sql, execute } = yield* Db
  yield* hostileAccount
  const changed = { instrument: nasty, side: nasty, order_queue_status: "DONE", order_unique_key: null }
  for (const id of [orderId, heldId]) {
    yield* execute("test.order", sql`INSERT INTO orders ${sql.insert(contractRow(id, changed))}`)
  }
  yield* execute("test.held", sql`UPDATE orders SET hold_reason = ${nasty}, held_at = now() WHERE id = ${heldId}`)
  yield* execute("test.reason", sql`UPDATE orders SET status_reason = ${nasty}`)
  const failed = { ...changed, order_queue_status: "FAILED", instrument: huge, side: huge }
  yield* execute("test.huge", sql`INSERT INTO orders ${sql.insert(contractRow(hugeId, failed))}`)
  yield* execute("test.hugeReason", sql`UPDATE orders SET status_reason = ${huge} WHERE id = ${hugeId}`)
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
        hold, last_error, layout)
      SELECT id, worker, ${hostname()}, 1, ${nasty}, ${nasty}, now(), now(), 600000, ${nasty}, ${nasty}, 2
      FROM unnest(ARRAY['splitter', 'executor', 'monitor']) AS worker, unnest(ARRAY[${nasty}, ${livingId}]) AS id`
  )
  yield* liveAs(livingId)
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

/** The rows that belong to no order. */
const hostileAccount = Effect.gen(function* () {
  const { sql, execute } = yield* Db
  yield* execute(
    "test.profile",
    sql`INSERT INTO volume_profiles (instrument, volumes, updated_by, updated_at) VALUES (${nasty}, '{1,2}', ${nasty}, now())`
  )
  yield* execute(
    "test.calendar",
    sql`
      INSERT INTO calendar_imports (number, source, form, announcements, imported_by, imported_at)
      VALUES (1, ${nasty}, ${nasty}, jsonb_build_object('days', jsonb_build_array(jsonb_build_object('day', '2026-12-24',
        'markets', 'all', 'sessions', '[]'::jsonb, 'name', ${nasty}::text))), ${nasty}, now())`
  )
  yield* execute(
    "test.instrument",
    sql`
      INSERT INTO instruments (instrument, name, lot_size, tick_size, instrument_type, segment, token, source, synced_at)
      VALUES ('NSE:ODD', ${nasty}, 1, 0.05, ${nasty}, ${nasty}, 1, 'mock', now())`
  )
  yield* execute(
    "test.token",
    sql`
      INSERT INTO broker_credentials (broker, access_token, set_at, set_by, refused_at, refused_reason, user_id)
      VALUES ('zerodha', 'token', now(), ${nasty}, now(), ${nasty}, ${nasty})`
  )
  yield* execute("test.account", sql`UPDATE broker_in_use SET account = ${nasty}`)
  yield* execute(
    "test.foreign",
    sql`
      INSERT INTO mock_broker_orders (broker_order_id, tag, instrument, side, quantity, order_type, product_type, validity,
        placed_at, visible_at, opens_at, settles_at, fill_quantity, rejection)
      VALUES (${nasty}, 'foreign', 'NSE:ODD', 'BUY', 10, 'MARKET', 'CNC', 'DAY', now(), now(), now(), now(), 0, ${nasty})`
  )
})

/** The events, plans and notifications of the orders. */
const hostileHistory = Effect.gen(function* () {
  const { sql, execute } = yield* Db
  yield* execute(
    "test.event",
    sql`
      INSERT INTO broker_events (id, called_at, duration_millis, broker, call, outcome, order_id, slice_id, attempt,
        broker_order_id, request, response, worker)
      VALUES ('e1', now(), 1, ${nasty}, 'place', ${nasty}, ${orderId}, ${sliceId}, 1, ${nasty}, '{}',
        ${JSON.stringify({ message: nasty, code: nasty })}::jsonb, ${nasty})`
  )
  yield* execute(
    "test.plan",
    sql`
      INSERT INTO order_plans (order_id, revision, first_sequence, algorithm_version, input, starts_at, ends_at, order_type,
        cause, note, created_at)
      SELECT ${orderId}, n, n, 999, '{}', now(), now() + interval '1 minute', 'MARKET', 'AMENDMENT', ${nasty}, now()
      FROM generate_series(1, 2) AS n`
  )
  yield* execute(
    "test.double",
    sql`
      INSERT INTO double_placements (tag, order_id, slice_id, broker_order_ids, seen_at)
      VALUES ('tag1', ${orderId}, ${sliceId}, ARRAY[${nasty}, ${nasty}], now())`
  )
  yield* execute(
    "test.notification",
    sql`
      INSERT INTO notifications (key, kind, severity, message, found_at, next_attempt_at, last_error, given_up_at)
      VALUES ('k', ${nasty}, 'critical', ${nasty}, now(), now(), ${nasty}, now())`
  )
})

const assertHarmless = (output: string, args: ReadonlyArray<string>) => {
  const command = args.join(" ")
  assert.notMatch(output, /[^\P{Cc}\n]|[\p{Cf}\p{Zl}\p{Zp}]/u, command)
  assert.notMatch(output, /^\s*FAKE/m, command)
}

/** Each command with a part of its output that proves that the rows were shown. */
const commands: ReadonlyArray<readonly [args: ReadonlyArray<string>, part: string]> = [
  [["order", "list"], "over a?[31m?b?2J?c?FAKE??d?株"],
  [["order", "show", orderId], "Order over a?[31m?b"],
  [["order", "show", heldId], "on hold: a?[31m?b"],
  [["order", "show", hugeId], "long long"],
  [["order", "show", nasty], "There is no order"],
  [["order", "watch", orderId], "a?[31m?b"],
  [["order", "watch", hugeId], "a?[31m?b"],
  [["order", "cancel", orderId], "is unfilled already"],
  [["order", "amend", orderId, "--remaining", "5", "--reason", nasty], "a?[31m?b"],
  [["order", "pause", heldId, "--wait", "0"], "is on hold already: a?[31m?b"],
  [["order", "resume", orderId], "is not on hold"],
  [["slice", "skip", sliceId, "--reason", "x"], "FAILED, a?[31m?b"],
  [["slice", "retry", sliceId, "--reason", "x"], "a?[31m?b"],
  [["slice", "placed", sliceId, "1", "--reason", "x"], "a?[31m?b"],
  [["slice", "skip", `${heldId}/7`, "--reason", "x"], "has no slice"],
  [["top", "--once"], "Halted"],
  [["workers"], "a?[31m?b"],
  [["health"], "a?[31m?b"],
  [["doctor"], "PROBLEM"],
  [["actions"], "a?[31m?b"],
  [["report", orderId], "a [31m b"],
  [["report", hugeId], "a [31m b"],
  [["report", orderId, "--html", "-"], "a [31m b"],
  [["audit", orderId], "a [31m b"],
  [["audit", hugeId], "a [31m b"],
  [["explain", orderId], "a?[31m?b"],
  [["profile", "list"], "a?[31m?b"],
  [["profile", "remove", `${nasty}x`], "has no profile"],
  [["calendar", "show"], "a?[31m?b"],
  [["calendar", "show", "2026-12-24"], "a?[31m?b"],
  [["instruments", "show", "NSE:ODD"], "NSE:ODD: a?[31m?b"],
  [["instruments", "show", nasty], "There is no instrument a?[31m?b"],
  [["instruments", "status"], "1 instruments"],
  [["settle"], "a?[31m?b"],
  [["zerodha", "token", "show"], "a?[31m?b"],
  [
    ["plan", "--instrument", nasty, "--side", "BUY", "--quantity", "1", "--splits", "1", "--duration", "0"],
    "is not valid"
  ],
  [["halt", "--reason", nasty, "--wait", "0"], "did not acknowledge"],
  [["no such command", nasty], "Unknown"]
]

/** The commands that print rows as JSON. */
const jsonCommands: ReadonlyArray<ReadonlyArray<string>> = [
  ["order", "list"],
  ["order", "show", orderId],
  ["order", "show", hugeId],
  ["top"],
  ["workers"],
  ["health"],
  ["doctor"],
  ["actions"],
  ["report", orderId],
  ["audit", orderId],
  ["explain", orderId],
  ["profile", "list"],
  ["calendar", "show"],
  ["instruments", "show", "NSE:ODD"],
  ["settle"],
  ["zerodha", "token", "show"]
]

const maxLine = 12_000

describe("rows with hostile text", () => {
  it.live("are shown as plain text by every command", () =>
    withDatabase((url) =>
      Effect.gen(function* () {
        yield* hostileRows
        yield* hostileHistory
        yield* Effect.forEach(
          commands,
          Effect.fnUntraced(function* ([args, part]) {
            const { output } = yield* runMain(args, { DATABASE_URL: url })
            assert.include(output, part, args.join(" "))
            assertHarmless(output, args)
            if (args.includes("--html")) return assert.notInclude(output, "<script", args.join(" "))
            assert.isBelow(Math.max(...output.split("\n").map(({ length }) => length)), maxLine, args.join(" "))
          }),
          { concurrency: 3, discard: true }
        )
      }).pipe(Effect.scoped)
    )
  )

  it.live("keep their value in JSON, and are escaped", () =>
    withDatabase((url) =>
      Effect.gen(function* () {
        yield* hostileRows
        yield* hostileHistory
        const pulse = (...args: ReadonlyArray<string>) => runMain(args, { DATABASE_URL: url })
        yield* Effect.forEach(
          jsonCommands,
          Effect.fnUntraced(function* (args) {
            const { output } = yield* pulse(...args, "--json")
            assertHarmless(output, args)
            assert.include(output, String.raw`\u001b[31m\u202eb\u009b2J`, args.join(" "))
          }),
          { concurrency: 3, discard: true }
        )
        const Orders = Schema.fromJsonString(
          Schema.Array(Schema.Struct({ orderId: Schema.String, instrument: Schema.String }))
        )
        const orders = yield* Schema.decodeEffect(Orders)((yield* pulse("order", "list", "--json")).output)
        assert.deepStrictEqual(
          new Map(orders.map(({ orderId, instrument }) => [orderId, instrument])),
          new Map([
            [heldId, nasty],
            [orderId, nasty],
            [hugeId, [...huge].slice(0, 10_000).join("")]
          ])
        )
        const watched = yield* pulse("order", "watch", orderId, "--json")
        assertHarmless(watched.output, ["order", "watch"])
        assert.lengthOf(watched.output.trim().split("\n"), 1)
      }).pipe(Effect.scoped)
    )
  )

  it.live("are plain text in the messages about settings, too", () =>
    withDatabase((url) =>
      Effect.gen(function* () {
        const names = ["BROKER_TYPE", "MOCK_BROKER_SEED", "LIMIT_INSTRUMENTS", "ZERODHA_URL", "TRADING_CALENDAR_FILE"]
        const settings = Object.fromEntries(names.map((name) => [name, nasty]))
        for (const args of [["order", "list"], ["doctor"], []]) {
          const { code, output } = yield* runMain(args, { DATABASE_URL: url, ...settings })
          assert.strictEqual(code, 1)
          for (const name of names) assert.include(output, name)
          assertHarmless(output, args)
        }
      })
    )
  )
})
