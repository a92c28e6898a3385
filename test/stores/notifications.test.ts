import { assert, describe, it } from "@effect/vitest"
import { DateTime, Duration, Effect } from "effect"
import { execFileSync } from "node:child_process"
import { Db } from "../../src/db/Db.ts"
import { HaltStore } from "../../src/stores/operations/HaltStore.ts"
import { NotificationStore } from "../../src/stores/operations/NotificationStore.ts"
import { makeSweep } from "../../src/workers/monitor/sweep.ts"
import { makeSplitPending } from "../../src/workers/OrderSplitter.ts"
import { notifierWith, outbox } from "../support/notifier.ts"
import { at } from "../support/replanning.ts"
import { insertOrder, setClock } from "../support/service.ts"

const service = notifierWith({})
const megabyte = "long ".repeat(200_000)
const refused = { order_queue_status: "FAILED", updated_at: "1970-01-01T00:00:00Z" }

const messages = Effect.map(outbox, (rows) => rows.map(({ message }) => message))

describe("noting", () => {
  it.effect("cuts what a row of another program holds, and notes its neighbours", () =>
    Effect.gen(function* () {
      yield* setClock()
      const store = yield* NotificationStore
      yield* insertOrder("a", { ...refused, instrument: megabyte, side: megabyte, status_reason: megabyte })
      yield* insertOrder("b", { ...refused, reason_code: megabyte, total_quantity: -2_147_483_648, instrument: "" })
      yield* insertOrder("c", { ...refused, total_quantity: "1e5000", status_reason: "another reason" })
      yield* insertOrder("o".repeat(64), { ...refused, status_reason: "a reason" })
      yield* store.noteUnfilled(yield* DateTime.now)
      const [long = "", negative, many, good] = yield* messages
      assert.match(long, /^Order a \(BUY|^Order a \(long .*\) is FAILED, and nothing of it was placed: long /)
      assert.lengthOf(long, 2000)
      assert.strictEqual(negative, "Order b (BUY -2147483648 ) is FAILED, and nothing of it was placed")
      assert.strictEqual(
        many,
        "Order c (BUY 1000000000000000… NSE:RELIANCE) is FAILED, and nothing of it was placed: another reason"
      )
      assert.match(good ?? "", /^Order o{64} \(BUY 100 NSE:RELIANCE\) is FAILED, .*: a reason$/)
    }).pipe(Effect.provide(service))
  )

  it.effect("quotes an id in a suggested command so that a shell obeys none of it", () =>
    Effect.gen(function* () {
      yield* setClock()
      const { sql, execute } = yield* Db
      const store = yield* NotificationStore
      const ids = ["o1", "x;touch y;#", "$(reboot)", "`id`", "it's", '"quoted"', "back\\slash", "-rf", "!1"]
      for (const [index, id] of ids.entries()) {
        yield* execute(
          "test.double",
          sql`
            INSERT INTO double_placements (tag, order_id, slice_id, broker_order_ids, seen_at)
            VALUES (${`PB${index}`}, ${id}, 's1', '{b1,b2}', 'epoch')`
        )
      }
      yield* store.noteDoubles(yield* DateTime.now)
      const suggested = (yield* messages).map((message) => message.replace(/^.*order resume /, ""))
      const read = (word: string) => execFileSync("sh", ["-c", `printf %s ${word}`], { encoding: "utf8" })
      assert.deepStrictEqual(suggested.map(read).toSorted(), ids.toSorted())
      assert.include(suggested, "o1")
    }).pipe(Effect.provide(service))
  )

  it.effect("keeps the end of a critical message, which says what to do", () =>
    Effect.gen(function* () {
      const { sql, execute } = yield* Db
      yield* setClock()
      const store = yield* NotificationStore
      const now = yield* DateTime.now
      yield* execute(
        "test.doubles",
        sql`
          INSERT INTO double_placements (tag, order_id, slice_id, broker_order_ids, seen_at)
          VALUES ('PB1', 'o1', 's1', (SELECT array_agg('b' || n) FROM generate_series(1, 5000) n), 'epoch'),
            ('PB2', 'o2', 's2', ARRAY[${megabyte}, 'b2'], 'epoch'), ('PB3', 'o3', 's3', '{}', 'epoch')`
      )
      yield* store.noteDoubles(now)
      const [many = "", long = "", none = ""] = yield* messages
      assert.match(many, /the broker has b1, .*, b10 and 4990 more for slice s1, .*, then run: order resume o1$/)
      assert.match(long, /^DOUBLE PLACEMENT: the broker has long .* for slice s2, .*order resume o2$/)
      assert.match(none, /order resume o3$/)
    }).pipe(Effect.provide(service))
  )

  it.effect(
    "tells of an order that the service has put on hold, once for each hold, and of none that a person has",
    () =>
      Effect.gen(function* () {
        yield* at(60)
        const { sql, execute } = yield* Db
        const store = yield* NotificationStore
        for (const id of ["o1", "o2", "paused"]) yield* insertOrder(id)
        const forged = {
          hold_reason: "the broker refused",
          hold_reason_code: "refused_repeatedly",
          held_at: new Date(60_000)
        }
        yield* insertOrder("forged", forged)
        yield* Effect.flatten(makeSplitPending)
        yield* insertOrder("forged-later", forged)
        yield* insertOrder("forged-done", { ...forged, order_queue_status: "DONE", split_at: new Date(0) })
        const hold = (id: string, code: string, reason: string) =>
          execute(
            "test.hold",
            sql`UPDATE orders SET held_at = ${new Date(60_000)}, hold_reason = ${reason}, hold_reason_code = ${code} WHERE id = ${id}`
          )
        yield* hold("o1", "refused_repeatedly", "the broker refused 3 slices in a row: no funds")
        yield* hold("o2", "replan_impossible", megabyte)
        yield* hold("paused", "paused_by_operator", "paused by ops: lunch")
        yield* store.noteHeld(yield* DateTime.now)
        yield* store.noteHeld(yield* DateTime.now)
        const [first, second = "", ...others] = yield* messages
        assert.strictEqual(
          first,
          "Order o1 (BUY 100 NSE:RELIANCE) is on hold: the broker refused 3 slices in a row: no funds. " +
            "Mend the cause and take it off hold, or cancel it"
        )
        assert.match(
          second,
          /^Order o2 .* is on hold: long long .*\. Mend the cause and take it off hold, or cancel it$/
        )
        assert.deepStrictEqual(others, [])
      }).pipe(Effect.provide(service))
  )

  it.effect("tells once of an order that was inserted as DONE", () =>
    Effect.gen(function* () {
      yield* at(60)
      const store = yield* NotificationStore
      yield* insertOrder("o1", { order_queue_status: "DONE", split_at: new Date(0), total_quantity: "NaN" })
      yield* Effect.flatten(makeSweep)
      yield* store.noteUnfilled(yield* DateTime.now)
      yield* store.noteUnfilled(yield* DateTime.now)
      assert.deepStrictEqual(yield* messages, [
        "Order o1 (BUY NaN NSE:RELIANCE) was not inserted as PENDING, and nothing of it is placed: " +
          "order_queue_status: must be PENDING when the order is inserted, not DONE; the order is ignored"
      ])
    }).pipe(Effect.provide(service))
  )

  it.effect("tells when placements were halted, by whom and why, however long the words are", () =>
    Effect.gen(function* () {
      yield* at(9 * 3600 + 723)
      const now = yield* DateTime.now
      const halts = yield* HaltStore
      yield* halts.request({ isHalted: true, reason: "fat\u0000 finger", requestedBy: "ops", requestedAt: now })
      yield* halts.request({ isHalted: false, reason: megabyte, requestedBy: megabyte, requestedAt: now })
      yield* (yield* NotificationStore).noteHalts(now)
      const [halted, resumed = ""] = yield* messages
      assert.strictEqual(halted, "Placements are halted by ops, at 09:12:03 (UTC): fat\uFFFD finger")
      assert.match(resumed, /^Placements go on: resumed by long .*, at 09:12:03 \(UTC\): long /)
    }).pipe(Effect.provide(service))
  )

  it.effect("tells once for each loss that the database may have forgotten something", () =>
    Effect.gen(function* () {
      yield* at(60)
      const now = yield* DateTime.now
      const store = yield* NotificationStore
      assert.strictEqual(yield* store.noteLoss(now), 0)
      const { sql, execute } = yield* Db
      yield* execute(
        "test.loss",
        sql`
          UPDATE server_history SET unsettled_since = '1970-01-01T09:12:03Z', unsettled_timeline = '00000002',
            unsettled_reason = 'it is on timeline 00000002'`
      )
      assert.strictEqual(yield* store.noteLoss(now), 1)
      assert.strictEqual(yield* store.noteLoss(now), 0)
      assert.deepStrictEqual(yield* messages, [
        "The database may have forgotten what it had committed, since 09:12:03 (UTC): it is on timeline 00000002. " +
          "Nothing is placed until all that the broker has is known again"
      ])
    }).pipe(Effect.provide(service))
  )

  it.effect("notes thousands of refused orders at once, and none of them again", () =>
    Effect.gen(function* () {
      const { sql, execute } = yield* Db
      yield* setClock()
      const store = yield* NotificationStore
      yield* execute(
        "test.refused",
        sql`
          INSERT INTO orders (id, order_queue_status, updated_at)
          SELECT 'f' || n, 'FAILED', 'epoch' FROM generate_series(1, 12000) n`
      )
      const counts: Array<number> = []
      for (const minute of [0, 1, 2]) {
        yield* setClock(Duration.minutes(minute))
        yield* store.noteUnfilled(yield* DateTime.now)
        counts.push((yield* outbox).length)
      }
      assert.deepStrictEqual(counts, [10_000, 12_000, 12_000])
    }).pipe(Effect.provide(service))
  )
})
