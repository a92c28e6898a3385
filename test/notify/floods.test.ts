import { assert, describe, it } from "@effect/vitest"
import { DateTime, Duration, Effect, Layer, Option } from "effect"
import { TestConsole } from "effect/testing"
import { Db } from "../../src/db/Db.ts"
import { makeDeliverNext, makeLook } from "../../src/notify/Notifier.ts"
import { DeliveryStore } from "../../src/stores/operations/DeliveryStore.ts"
import { NotificationStore } from "../../src/stores/operations/NotificationStore.ts"
import { delivered, deliveredKeys, failures, halt, notifierWith, outbox, refusedKeys } from "../support/notifier.ts"
import { at } from "../support/replanning.ts"
import { setClock } from "../support/service.ts"

const service = notifierWith({})

/** Notes orders that the service has refused, which another program has sent with ids from `prefix`1 on. */
const noteRefused = (count: number, prefix = "f") =>
  Effect.gen(function* () {
    const { sql, execute } = yield* Db
    yield* execute(
      "test.refused",
      sql`
        INSERT INTO orders (id, instrument, side, total_quantity, order_queue_status, status_reason, updated_at)
        SELECT ${prefix}::text || n, 'bad', 'BUY', 100, 'FAILED', 'instrument: must look like EXCHANGE:SYMBOL', 'epoch'
        FROM generate_series(1, ${count}::int) n`
    )
    yield* (yield* NotificationStore).noteUnfilled(yield* DateTime.now)
  })

/** Slices 1 to `count` are placed twice. */
const placeTwice = (count: number) =>
  Effect.flatMap(Db, ({ sql, execute }) =>
    execute(
      "test.doubles",
      sql`
        INSERT INTO double_placements (tag, order_id, slice_id, broker_order_ids, seen_at)
        SELECT 'PB' || n, 'order-' || n, 'slice-' || n, '{b1,b2}', 'epoch' FROM generate_series(1, ${count}::int) n`
    )
  )

const look = Effect.flatten(makeLook)
const deliver = Effect.flatten(makeDeliverNext)
const deliverTimes = (times: number) => Effect.repeat(deliver, { times: times - 1 })

describe("a flood of notifications", () => {
  it.effect("stands behind what is critical, and is one message", () =>
    Effect.gen(function* () {
      yield* setClock()
      yield* noteRefused(4000)
      yield* at(60)
      yield* halt(true)
      yield* placeTwice(1)
      yield* look
      yield* deliverTimes(4)
      assert.deepStrictEqual(deliveredKeys(), ["halt:1", "double:PB1:2", "summary:shortfall:f1"])
      const [, , flood = assert.fail("no summary")] = delivered
      assert.deepInclude(flood, { kind: "shortfall", severity: "warning", orderId: null, sliceId: null, count: 4000 })
      assert.match(
        flood.message,
        /^4000 orders are over .*Order f1 \(BUY 100 bad\) is FAILED.*Order f3 \(BUY.*order list --limit 4000$/
      )
      assert.notInclude(flood.message, "Order f4 ")
      assert.isTrue((yield* outbox).every(({ isDelivered, attempts }) => isDelivered && attempts === 1))
    }).pipe(Effect.provide(service))
  )

  it.effect("begins with the sixth of a kind that is due", () =>
    Effect.gen(function* () {
      yield* setClock()
      yield* noteRefused(5)
      yield* deliverTimes(6)
      assert.deepStrictEqual(
        delivered.map(({ key, count }) => [key, count]),
        [1, 2, 3, 4, 5].map((n) => [`shortfall:f${n}`, undefined])
      )
      yield* noteRefused(6, "g")
      yield* deliverTimes(2)
      assert.deepStrictEqual(
        delivered.slice(5).map(({ key, count }) => [key, count]),
        [["summary:shortfall:g1", 6]]
      )
    }).pipe(Effect.provide(service))
  )

  it.effect("waits behind a critical notification that the webhook refused, when that is due again", () =>
    Effect.gen(function* () {
      yield* setClock()
      yield* halt(true)
      yield* placeTwice(1)
      yield* look
      yield* noteRefused(5)
      refusedKeys.add("halt:1")
      yield* deliverTimes(2)
      // What the webhook refuses keeps nothing else back.
      assert.deepStrictEqual(deliveredKeys(), ["double:PB1:2"])
      refusedKeys.clear()
      yield* at(5)
      yield* deliverTimes(2)
      assert.deepStrictEqual(deliveredKeys(), ["double:PB1:2", "halt:1", "shortfall:f1"])
    }).pipe(Effect.provide(service))
  )

  it.effect("keeps its key and its notifications until it is delivered, whoever delivers it", () =>
    Effect.gen(function* () {
      yield* setClock()
      yield* noteRefused(10)
      const store = yield* DeliveryStore
      // A daemon that dies after sending.
      const claimed = Option.getOrThrow(yield* store.claim(yield* DateTime.now))
      assert.deepInclude(claimed.delivery, { key: "summary:shortfall:f1", count: 10 })
      yield* noteRefused(7, "later")
      yield* deliverTimes(2)
      assert.deepStrictEqual(deliveredKeys(), ["summary:shortfall:later1"])
      yield* at(60)
      failures.push("it answered 503")
      yield* deliver
      yield* noteRefused(1, "last")
      yield* at(70)
      yield* deliverTimes(3)
      assert.deepStrictEqual(
        delivered.slice(1).map(({ key, count }) => [key, count]),
        [
          ["summary:shortfall:f1", 10],
          ["shortfall:last1", undefined]
        ]
      )
      assert.isTrue((yield* outbox).every(({ isDelivered }) => isDelivered))
    }).pipe(Effect.provide(service))
  )

  it.effect("is delivered once by several replicas", () =>
    Effect.gen(function* () {
      yield* setClock()
      yield* noteRefused(200)
      const deliverer = yield* makeDeliverNext
      yield* Effect.all([deliverer, deliverer, deliverer, deliverer], { concurrency: "unbounded" })
      yield* Effect.repeat(deliverer, { times: 10 })
      assert.strictEqual(
        delivered.reduce((sum, { count }) => sum + (count ?? 1), 0),
        200
      )
      assert.isTrue((yield* outbox).every(({ isDelivered, attempts }) => isDelivered && attempts === 1))
    }).pipe(Effect.provide(service))
  )

  it.effect("names each order that a person has to act on", () =>
    Effect.gen(function* () {
      yield* setClock()
      yield* placeTwice(46)
      yield* look
      yield* deliverTimes(10)
      assert.deepStrictEqual(
        delivered.map(({ count }) => count),
        [20, 20, 6]
      )
      const named = delivered.flatMap(({ message }) => message.match(/order-\d+/g) ?? [])
      assert.sameMembers(
        named,
        Array.from({ length: 46 }, (_, n) => `order-${n + 1}`)
      )
      for (const { message } of delivered) assert.match(message, /by hand at the broker.*order resume ID$/)
    }).pipe(Effect.provide(service))
  )

  it.effect("is told of in one log line when nobody could deliver it, and what is critical is still delivered", () =>
    Effect.gen(function* () {
      yield* setClock()
      yield* noteRefused(100)
      yield* halt(true)
      yield* look
      failures.push("it answered 503")
      yield* deliver
      yield* setClock("23 hours")
      yield* deliverTimes(3)
      assert.deepStrictEqual(deliveredKeys(), ["halt:1"])
      const lines = (yield* TestConsole.logLines).map(String).filter((line) => line.includes("Nobody was told"))
      assert.lengthOf(lines, 1)
      assert.match(lines[0] ?? "", /within 1h, in 0 attempts: .* The 100 notifications were: 100 orders are over/)
    }).pipe(Effect.provide(Layer.mergeAll(service, TestConsole.layer)))
  )
})

describe("a critical notification", () => {
  it.effect("is tried for a day", () =>
    Effect.gen(function* () {
      yield* setClock()
      yield* halt(true)
      yield* look
      const store = yield* DeliveryStore
      failures.push(...Array.from({ length: 1000 }, () => "it answered 503"))
      for (let minute = 0; minute < 24 * 60; minute += 30) {
        yield* setClock(Duration.minutes(minute))
        yield* deliver
      }
      const since = DateTime.makeUnsafe(0)
      assert.deepInclude(yield* store.deliveryState(since), { waiting: 1, critical: 1, givenUp: 0, criticalGivenUp: 0 })
      yield* setClock("24 hours")
      yield* deliver
      assert.deepInclude(yield* store.deliveryState(since), { waiting: 0, critical: 0, givenUp: 1, criticalGivenUp: 1 })
    }).pipe(Effect.provide(service))
  )

  it.effect("is noted when another part of the look fails", () =>
    Effect.gen(function* () {
      const { sql, execute } = yield* Db
      yield* setClock()
      yield* halt(true)
      yield* execute("test.gone", sql`ALTER TABLE double_placements RENAME TO gone`)
      const error = yield* Effect.flip(look)
      assert.include(error.message, "NotificationStore.noteDoubles")
      assert.deepStrictEqual(
        (yield* outbox).map(({ key, severity }) => [key, severity]),
        [["halt:1", "critical"]]
      )
    }).pipe(Effect.provide(service))
  )
})
