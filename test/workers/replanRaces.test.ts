import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect, Fiber } from "effect"
import { Duration } from "effect"
import { Db } from "../../src/db/Db.ts"
import { OrderDesk } from "../../src/stores/OrderDesk.ts"
import { OverdueStore } from "../../src/stores/OverdueStore.ts"
import { amendOrder, at, claimDue, conservation, move, splitOrder, untilWaiting } from "../support/replanning.ts"
import { scriptedBroker } from "../support/scriptedBroker.ts"
import { serviceLayer, sliceRows } from "../support/service.ts"
import { DateTime } from "effect"
import { BrokerOrderId } from "../../src/domain/Ids.ts"

const service = serviceLayer({ broker: scriptedBroker })

/** Holds the lock of one slice until it is let go: whoever needs it waits. */
const holdSlice = (id: string) =>
  Effect.gen(function* () {
    const { sql, execute, transaction } = yield* Db
    const isHeld = yield* Deferred.make<void>()
    const letGo = yield* Deferred.make<void>()
    const holder = yield* transaction(
      "test.holdSlice",
      Effect.gen(function* () {
        yield* execute("test.lock", sql`SELECT id FROM order_slices WHERE id = ${id} FOR UPDATE`)
        yield* Deferred.succeed(isHeld, undefined)
        yield* Deferred.await(letGo)
      })
    ).pipe(Effect.forkChild)
    yield* Deferred.await(isHeld)
    return Effect.andThen(Deferred.succeed(letGo, undefined), Fiber.join(holder))
  })

const heldSlices = Effect.flatMap(
  Db,
  ({ sql }) => sql<{ stage: string; isHeld: boolean }>`
  SELECT stage, is_held FROM order_slices WHERE replaced_by IS NULL AND stage = 'SCHEDULED'`
)

const longer = { remainingWindow: Duration.minutes(5) }

describe("an amendment while", () => {
  it.effect("the order is put on hold: the new slices are on hold too", () =>
    Effect.gen(function* () {
      yield* splitOrder("o1")
      const [first = assert.fail("no slice")] = yield* sliceRows()
      const letGo = yield* holdSlice(first.id)
      const amending = yield* Effect.forkChild(amendOrder("o1", longer))
      yield* untilWaiting(1)
      const pausing = yield* Effect.forkChild((yield* OrderDesk).pause("o1", "a reason", yield* DateTime.now))
      yield* untilWaiting(2)
      yield* letGo
      yield* Fiber.join(amending)
      assert.isTrue(yield* Fiber.join(pausing))
      assert.isTrue((yield* heldSlices).every(({ isHeld }) => isHeld))
      assert.deepStrictEqual(yield* claimDue(), [])
    }).pipe(Effect.provide(service))
  )

  it.effect("the order is taken off hold: the new slices are off it too", () =>
    Effect.gen(function* () {
      yield* splitOrder("o1")
      yield* (yield* OrderDesk).pause("o1", "a reason", yield* DateTime.now)
      const [first = assert.fail("no slice")] = yield* sliceRows()
      const letGo = yield* holdSlice(first.id)
      const amending = yield* Effect.forkChild(amendOrder("o1", longer))
      yield* untilWaiting(1)
      const resuming = yield* Effect.forkChild((yield* OrderDesk).resume("o1", yield* DateTime.now))
      yield* untilWaiting(2)
      yield* letGo
      yield* Fiber.join(amending)
      assert.isTrue(yield* Fiber.join(resuming))
      assert.isTrue((yield* heldSlices).every(({ isHeld }) => !isHeld))
    }).pipe(Effect.provide(service))
  )

  it.effect("the order is cancelled: none of the new slices is left to be sent", () =>
    Effect.gen(function* () {
      yield* splitOrder("o1")
      const [first = assert.fail("no slice")] = yield* sliceRows()
      const letGo = yield* holdSlice(first.id)
      const amending = yield* Effect.forkChild(amendOrder("o1", longer))
      yield* untilWaiting(1)
      const cancelling = yield* Effect.forkChild((yield* OrderDesk).requestCancel("o1", "me", yield* DateTime.now))
      yield* untilWaiting(2)
      yield* letGo
      yield* Fiber.join(amending)
      yield* Fiber.join(cancelling)
      assert.deepStrictEqual(yield* heldSlices, [])
      assert.deepInclude((yield* conservation)[0], { givenUp: 100, unaccounted: 0 })
    }).pipe(Effect.provide(service))
  )

  it.effect("outcomes of its slices are written: neither waits for the other", () =>
    Effect.gen(function* () {
      yield* splitOrder("o1")
      yield* at(15)
      const claimed = yield* claimDue()
      const [one = assert.fail("no slice"), other = assert.fail("no slice")] = claimed
      for (const [held, order] of [
        [one, [other, one]],
        [other, [one, other]]
      ] as const) {
        const letGo = yield* holdSlice(held.id)
        const amending = yield* Effect.forkChild(amendOrder("o1", { remainingWindow: Duration.seconds(20) }))
        yield* untilWaiting(1)
        const writing = yield* Effect.forkChild(move(order, () => ({ _tag: "Unknown", reason: "no answer" })))
        yield* untilWaiting(2)
        yield* letGo
        yield* Fiber.join(amending)
        assert.strictEqual((yield* Fiber.join(writing)).length, 2)
      }
      yield* move(claimed, ({ id }) => ({ _tag: "Processed", brokerOrderId: BrokerOrderId.make(id), found: null }))
      assert.deepInclude((yield* conservation)[0], { working: 40, scheduled: 60, unaccounted: 0 })
    }).pipe(Effect.provide(service))
  )

  it.effect("what is too late of it is skipped: neither waits for the other", () =>
    Effect.gen(function* () {
      yield* splitOrder("o1")
      yield* at(3600)
      const rows = (yield* sliceRows()).toSorted((a, b) => (a.id < b.id ? -1 : 1))
      for (const { id } of rows) {
        const letGo = yield* holdSlice(id)
        const amending = yield* Effect.forkChild(Effect.exit(amendOrder("o1", longer)))
        yield* untilWaiting(1)
        const skipping = yield* Effect.forkChild((yield* OverdueStore).skipStale(yield* DateTime.now, "too late"))
        yield* Effect.raceFirst(Fiber.await(skipping), untilWaiting(2))
        yield* letGo
        yield* Fiber.join(amending)
        yield* Fiber.join(skipping)
        assert.deepInclude((yield* conservation)[0], { unaccounted: 0 })
      }
    }).pipe(Effect.provide(service))
  )
})
