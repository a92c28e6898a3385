import { assert, describe, it } from "@effect/vitest"
import { Clock, Effect } from "effect"
import { TestClock } from "effect/testing"
import { PlacementGate } from "../../src/broker/PlacementGate.ts"
import { Instance } from "../../src/runtime/Instance.ts"
import { memoryDaemon, startDaemon, Watch } from "../support/memoryDaemon.ts"
import { BrokerScript, completed, openOrder } from "../support/scriptedBroker.ts"

const laterMillis = 7_200_000

/** A broker that fills every order at once. */
const fillAll = Effect.map(BrokerScript, (script) => {
  script.onPlace = ({ tag, quantity }) =>
    Effect.sync(() => {
      const order = openOrder(tag, script.orderList.length + 1)
      script.orderList.push(completed(order, quantity))
      return { brokerOrderId: order.brokerOrderId }
    })
})

/** The daemon after ten minutes of rest, with a slice that is due in two hours. */
const atRest = Effect.gen(function* () {
  const watch = yield* Watch
  yield* fillAll
  watch.insertOrder("later", laterMillis)
  yield* startDaemon
  yield* TestClock.adjust("10 minutes")
  watch.sent.clear()
  return watch
})

const placedAt = Effect.map(BrokerScript, ({ placed }) =>
  placed.map(({ placement, atMillis }) => [placement.orderId as string, atMillis] as const)
)

const sum = (sent: ReadonlyMap<string, number>) => [...sent.values()].reduce((all, count) => all + count, 0)

/** The milliseconds from now until something holds, looked at every 100 ms of the test's clock; at most half a minute. */
const millisUntil = <R>(holds: Effect.Effect<boolean, never, R>) =>
  Effect.gen(function* () {
    const began = yield* Clock.currentTimeMillis
    while (!(yield* holds)) {
      if ((yield* Clock.currentTimeMillis) - began > 30_000) return assert.fail("it does not come to hold")
      yield* TestClock.adjust("100 millis")
    }
    return (yield* Clock.currentTimeMillis) - began
  })

const isPlaced = (orderId: string) => Effect.map(placedAt, (placed) => placed.some(([id]) => id === orderId))

describe("an idle daemon", () => {
  it.effect("sends at most half a statement a second", () =>
    Effect.gen(function* () {
      const watch = yield* atRest
      yield* TestClock.adjust("10 minutes")
      const sent = Object.fromEntries(watch.sent)
      assert.isAtMost(sum(watch.sent), 300, JSON.stringify(sent))
      assert.isAtMost(sent["LookoutStore.look"] ?? 0, 120)
      // Each of them is asked once a minute even so.
      for (const operation of [
        "OrderStore.claimPending",
        "SliceStore.claimDue",
        "HaltStore.current",
        "RecoveryStore.look"
      ]) {
        assert.approximately(sent[operation] ?? 0, 10, 1, operation)
      }
    }).pipe(Effect.scoped, Effect.provide(memoryDaemon()))
  )

  it.effect("comes to rest again after it has placed something", () =>
    Effect.gen(function* () {
      const watch = yield* atRest
      const now = yield* Clock.currentTimeMillis
      for (let n = 0; n < 20; n++) watch.insertOrder(`o${n}`, now + n * 1000)
      watch.notify("orders")
      yield* TestClock.adjust("1 minute")
      assert.lengthOf(yield* placedAt, 20)
      watch.sent.clear()
      yield* TestClock.adjust("10 minutes")
      assert.isAtMost(sum(watch.sent), 300, JSON.stringify(Object.fromEntries(watch.sent)))
    }).pipe(Effect.scoped, Effect.provide(memoryDaemon()))
  )

  it.effect("places what is due after hours of rest at its time", () =>
    Effect.gen(function* () {
      yield* atRest
      yield* TestClock.adjust("2 hours")
      assert.deepStrictEqual(yield* placedAt, [["later", laterMillis]])
    }).pipe(Effect.scoped, Effect.provide(memoryDaemon()))
  )

  it.effect("is told at once of a new order", () =>
    Effect.gen(function* () {
      const watch = yield* atRest
      watch.insertOrder("new", yield* Clock.currentTimeMillis)
      watch.notify("orders")
      assert.isAtMost(yield* millisUntil(isPlaced("new")), 1000)
    }).pipe(Effect.scoped, Effect.provide(memoryDaemon()))
  )

  for (const [isListening, maxMillis] of [
    [true, 6000],
    [false, 2000]
  ] as const) {
    it.effect(
      `finds a new order without a notification, ${isListening ? "" : "sooner if none is heard, "}within ${maxMillis} ms`,
      () =>
        Effect.gen(function* () {
          const watch = yield* atRest
          watch.isListening = isListening
          yield* TestClock.adjust("1 second")
          watch.insertOrder("new", yield* Clock.currentTimeMillis)
          assert.isAtMost(yield* millisUntil(isPlaced("new")), maxMillis)
        }).pipe(Effect.scoped, Effect.provide(memoryDaemon()))
    )

    it.effect(`obeys a halt and a resume without a notification, ${isListening ? "" : "sooner if none is heard"}`, () =>
      Effect.gen(function* () {
        const watch = yield* atRest
        const gate = yield* PlacementGate
        const { id } = yield* Instance
        watch.isListening = isListening
        yield* TestClock.adjust("1 second")
        for (const [number, isHalted] of [
          [1, true],
          [2, false]
        ] as const) {
          const requestedAt = yield* Clock.currentTimeMillis
          watch.memory.halts.push({ id: number, isHalted, reason: "test", requestedBy: "tester", requestedAt })
          const isClosed = Effect.map(gate.current, (closure) => (closure !== null) === isHalted)
          assert.isAtMost(yield* millisUntil(isClosed), maxMillis - 900)
          assert.strictEqual(watch.memory.workers.get(`${id}/executor`)?.acknowledgedHalt, number)
        }
      }).pipe(Effect.scoped, Effect.provide(memoryDaemon()))
    )

    it.effect(
      `places on time what another process has brought forward, ${isListening ? "" : "sooner if none is heard"}`,
      () =>
        Effect.gen(function* () {
          const watch = yield* atRest
          watch.isListening = isListening
          yield* TestClock.adjust("1 second")
          const due = (yield* Clock.currentTimeMillis) + maxMillis
          for (const slice of watch.memory.slices.values()) slice.notBefore = due
          yield* TestClock.adjust("10 seconds")
          assert.deepStrictEqual(yield* placedAt, [["later", due]])
        }).pipe(Effect.scoped, Effect.provide(memoryDaemon()))
    )
  }

  it.effect("finds a claim whose owner is gone within seconds of its end, and looks it up", () =>
    Effect.gen(function* () {
      const watch = yield* atRest
      const now = yield* Clock.currentTimeMillis
      for (const slice of watch.memory.slices.values()) {
        Object.assign(slice, {
          stage: "IN_PROGRESS",
          claimVersion: 1,
          claimedBy: "gone",
          claimedAt: now,
          leaseExpiresAt: now + 20_000
        })
      }
      yield* TestClock.adjust("19 seconds")
      assert.isUndefined(watch.sent.get("SliceStore.unresolved"))
      const isLookedUp = Effect.sync(() => watch.sent.has("SliceStore.unresolved"))
      assert.isAtMost(yield* millisUntil(isLookedUp), 1000 + 6000)
    }).pipe(Effect.scoped, Effect.provide(memoryDaemon()))
  )

  it.effect("writes heartbeats whose rows were deleted, and acknowledges the halt in them again", () =>
    Effect.gen(function* () {
      const watch = yield* atRest
      const { id } = yield* Instance
      watch.memory.halts.push({ id: 1, isHalted: true, reason: "test", requestedBy: "tester", requestedAt: 0 })
      watch.notify("halts")
      yield* TestClock.adjust("1 second")
      assert.strictEqual(watch.memory.workers.get(`${id}/executor`)?.acknowledgedHalt, 1)
      watch.memory.workers.clear()
      yield* TestClock.adjust("15 seconds")
      assert.sameMembers(
        [...watch.memory.workers.values()].map(({ worker }) => worker),
        ["splitter", "executor", "monitor"]
      )
      assert.strictEqual(watch.memory.workers.get(`${id}/executor`)?.acknowledgedHalt, 1)
    }).pipe(Effect.scoped, Effect.provide(memoryDaemon()))
  )

  for (const how of ["failing", "hanging"] as const) {
    it.effect(`asks at every poll, and writes its heartbeats, while its looks are ${how}`, () =>
      Effect.gen(function* () {
        const watch = yield* atRest
        watch[how].add("LookoutStore.look")
        yield* TestClock.adjust("15 seconds")
        watch.sent.clear()
        watch.insertOrder("new", yield* Clock.currentTimeMillis)
        assert.isAtMost(yield* millisUntil(isPlaced("new")), 6100)
        yield* TestClock.adjust("1 minute")
        assert.isAtLeast(watch.sent.get("SliceStore.claimDue") ?? 0, 60)
        assert.isAtLeast(watch.sent.get("RecoveryStore.look") ?? 0, 30)
        assert.isAtLeast(watch.sent.get("HeartbeatStore.beat") ?? 0, 5)
      }).pipe(Effect.scoped, Effect.provide(memoryDaemon()))
    )
  }

  it.effect("asks at every poll what fails, so that its heartbeat tells", () =>
    Effect.gen(function* () {
      const watch = yield* atRest
      const { id } = yield* Instance
      watch.failing.add("SliceStore.claimDue")
      yield* TestClock.adjust("2 minutes")
      const { heartbeatAt, staleAfterMillis } =
        watch.memory.workers.get(`${id}/executor`) ?? assert.fail("no heartbeat")
      assert.isAbove((yield* Clock.currentTimeMillis) - heartbeatAt, staleAfterMillis)
    }).pipe(Effect.scoped, Effect.provide(memoryDaemon()))
  )

  it.effect("tells a loop that hangs from the others", () =>
    Effect.gen(function* () {
      const watch = yield* atRest
      const { id } = yield* Instance
      watch.hanging.add("RecoveryStore.look")
      yield* TestClock.adjust("2 minutes")
      const now = yield* Clock.currentTimeMillis
      const isStale = (worker: string) => {
        const row = watch.memory.workers.get(`${id}/${worker}`)
        return row === undefined || now - row.heartbeatAt > row.staleAfterMillis
      }
      assert.deepStrictEqual(["splitter", "executor", "monitor"].map(isStale), [false, false, true])
    }).pipe(Effect.scoped, Effect.provide(memoryDaemon()))
  )
})
