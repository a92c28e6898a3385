import { assert, describe, it } from "@effect/vitest"
import { BigDecimal, DateTime, Deferred, Duration, Effect, Fiber, Layer, Schema } from "effect"
import { Db } from "../../src/db/Db.ts"
import { BrokerOrderId, Tag } from "../../src/domain/model/Ids.ts"
import { NotificationStore } from "../../src/stores/operations/NotificationStore.ts"
import { OperatorActionStore } from "../../src/stores/operations/OperatorActionStore.ts"
import { OrderCommands } from "../../src/stores/orders/OrderCommands.ts"
import { SliceCommands } from "../../src/stores/slices/SliceCommands.ts"
import { makeFollowBroker } from "../../src/workers/monitor/followBroker.ts"
import { makeFollowThrough } from "../../src/workers/monitor/followThrough.ts"
import {
  amendOrder,
  at,
  claimDue,
  conservation,
  lockOrder,
  move,
  splitOrder,
  untilWaiting
} from "../support/replanning.ts"
import { BrokerScript, openOrder, scriptedBroker } from "../support/scriptedBroker.ts"
import { asked, serviceLayer, setClock, sliceRows } from "../support/service.ts"

const service = Layer.mergeAll(SliceCommands.layer, OperatorActionStore.layer, NotificationStore.layer).pipe(
  Layer.provideMerge(serviceLayer({ broker: scriptedBroker }))
)

const first = Effect.flatMap(sliceRows("o1"), ([slice]) => Effect.succeed(slice ?? assert.fail("no slice")))

/** An order of five slices of 20, of which the first was refused at its due time. */
const withRefused = (changed: Readonly<Record<string, unknown>> = {}) =>
  Effect.gen(function* () {
    yield* splitOrder("o1", changed)
    yield* move(yield* claimDue(1), () => ({ _tag: "Failed", code: "broker_refused", reason: "margin: too little" }))
    yield* at(5)
    return (yield* first).id
  })

const retry = (id: string, atSeconds: number | null = null) =>
  Effect.gen(function* () {
    const options = {
      now: yield* DateTime.now,
      at: atSeconds === null ? null : DateTime.makeUnsafe(atSeconds * 1000),
      windowGrace: Duration.minutes(10),
      orderListSince: (yield* BrokerScript).orderListSince
    }
    return yield* (yield* SliceCommands).retry(id, options, asked)
  })

const refusal = (id: string) => Effect.map(Effect.flip(retry(id)), ({ message }) => message)

const balanced = Effect.gen(function* () {
  const [order = assert.fail("no order")] = yield* conservation
  assert.deepInclude(order, { unaccounted: 0, overfilled: 0 })
  return order
})

const recorded = Effect.gen(function* () {
  return (yield* (yield* OperatorActionStore).list("o1", 100)).map(({ action }) => action)
})

const notified = Effect.flatMap(Db, ({ sql, query }) =>
  query("test.notified", Schema.Struct({ key: Schema.String }), sql`SELECT key FROM notifications`)
)

describe("slice retry", () => {
  it.effect("schedules a refused slice again under the same tag, and records the operator and the reason", () =>
    Effect.gen(function* () {
      const id = yield* withRefused()
      assert.deepInclude(yield* balanced, { givenUp: 20, scheduled: 80 })
      yield* retry(id)
      assert.deepInclude(yield* balanced, { givenUp: 0, scheduled: 100 })
      assert.deepInclude(yield* first, {
        stage: "SCHEDULED",
        stageReason: "retried by tester for 1970-01-01T00:00:05.000Z: a reason",
        attempts: 0
      })
      const [claimed] = yield* claimDue()
      assert.deepStrictEqual([claimed?.id, claimed?.tag, claimed?.notBeforeMillis], [id, (yield* first).tag, 5000])
      const [action] = yield* (yield* OperatorActionStore).list("o1", 10)
      assert.deepInclude(action, {
        operator: "tester",
        action: "slice retry",
        reason: "a reason",
        orderId: "o1",
        sliceId: id,
        sequenceNumber: 1
      })
      assert.deepInclude(action?.details, { was: "FAILED", because: "margin: too little", looked_up_first: false })
    }).pipe(Effect.provide(service))
  )

  it.effect("changes and records nothing when a retry is not allowed", () =>
    Effect.gen(function* () {
      const id = yield* withRefused()
      yield* at(3600)
      const before = yield* sliceRows()
      assert.match(yield* refusal(id), /its time was over at .* Nothing was changed\.$/)
      assert.match(yield* refusal("nobody"), /there is no such slice/)
      assert.deepStrictEqual(yield* sliceRows(), before)
      assert.deepStrictEqual(yield* recorded, [])
      yield* retry(id, 3700)
      yield* at(3699)
      assert.notInclude(
        (yield* claimDue()).map((slice) => slice.id),
        id
      )
      yield* at(3700)
      assert.include(
        (yield* claimDue()).map((slice) => slice.id),
        id
      )
    }).pipe(Effect.provide(service))
  )

  it.effect("never lets a slice go before its due time, to the microsecond", () =>
    Effect.gen(function* () {
      const { sql, execute } = yield* Db
      yield* splitOrder("o1")
      yield* execute(
        "test.fraction",
        sql`
          UPDATE order_slices SET scheduled_at = scheduled_at + interval '456 microseconds',
            not_before = not_before + interval '456 microseconds'`
      )
      const [, second = assert.fail("no slice")] = yield* sliceRows("o1")
      yield* (yield* SliceCommands).skip(second.id, asked, yield* DateTime.now)
      yield* retry(second.id)
      yield* at(15)
      assert.notInclude(
        (yield* claimDue()).map(({ id }) => id),
        second.id
      )
      yield* at(16)
      assert.deepStrictEqual(
        (yield* claimDue()).map(({ id, notBeforeMillis }) => [id, notBeforeMillis]),
        [[second.id, 15_001]]
      )
    }).pipe(Effect.provide(service))
  )

  it.effect("waits while the order is on hold, and reopens a finished order", () =>
    Effect.gen(function* () {
      const { sql, execute } = yield* Db
      const id = yield* withRefused()
      yield* execute("test.finish", sql`UPDATE orders SET settled_at = '1970-01-01Z', status_reason = 'no room'`)
      yield* (yield* OrderCommands).pause("o1", asked, yield* DateTime.now)
      yield* retry(id)
      assert.deepStrictEqual(yield* claimDue(), [])
      yield* (yield* OrderCommands).resume("o1", asked, yield* DateTime.now)
      assert.lengthOf(yield* claimDue(), 1)
      assert.deepStrictEqual(yield* recorded, ["order resume", "slice retry", "order pause"])
      const order = yield* Effect.flatMap((yield* OrderCommands).progress("o1"), Effect.fromOption)
      assert.deepInclude(order, { state: "working", statusReason: null })
    }).pipe(Effect.provide(service))
  )
})

describe("slice retry of a slice that was in doubt", () => {
  const inDoubtThenSkipped = Effect.gen(function* () {
    yield* splitOrder("o1")
    yield* move(yield* claimDue(1), () => ({ _tag: "Unknown", code: "outcome_unknown", reason: "no answer" }))
    yield* at(5)
    const { id } = yield* first
    assert.isTrue(yield* (yield* SliceCommands).skip(id, asked, yield* DateTime.now))
    yield* retry(id)
    assert.deepInclude(yield* first, { stage: "IN_PROGRESS", isUnknown: true })
    assert.deepInclude(yield* balanced, { inDoubt: 20, scheduled: 80 })
    return yield* first
  })

  it.effect("takes over the order that the broker has, and never sends a second one", () =>
    Effect.gen(function* () {
      const { tag } = yield* inDoubtThenSkipped
      const { orderList } = yield* BrokerScript
      orderList.push(openOrder(Tag.make(tag), 7))
      yield* Effect.flatten(makeFollowBroker)
      assert.deepInclude(yield* first, { stage: "PROCESSED", brokerOrderId: "b7" })
      assert.match(yield* refusal((yield* first).id), /placed as b7, and would be there twice/)
    }).pipe(Effect.provide(service))
  )

  it.effect("schedules it when the quarantine is over and the broker's order list does not show it", () =>
    Effect.gen(function* () {
      yield* inDoubtThenSkipped
      const follow = yield* makeFollowBroker
      yield* at(30)
      yield* follow
      assert.deepInclude(yield* first, { stage: "IN_PROGRESS", isUnknown: true })
      yield* at(70)
      yield* follow
      assert.deepInclude(yield* first, { stage: "SCHEDULED" })
      assert.deepInclude(yield* balanced, { scheduled: 100 })
    }).pipe(Effect.provide(service))
  )
})

describe("slice retry of a slice that was in doubt hours ago", () => {
  const skippedInDoubt = Effect.gen(function* () {
    yield* splitOrder("o1", { duration_minutes: 600 })
    yield* move(yield* claimDue(1), () => ({ _tag: "Unknown", code: "outcome_unknown", reason: "no answer" }))
    yield* at(5)
    const { id } = yield* first
    yield* (yield* SliceCommands).skip(id, asked, yield* DateTime.now)
    yield* at(4 * 3600)
    return id
  })

  it.effect("waits for a new quarantine, without a notification meanwhile", () =>
    Effect.gen(function* () {
      yield* retry(yield* skippedInDoubt)
      const follow = yield* makeFollowBroker
      yield* follow
      yield* (yield* NotificationStore).noteUnknown(Duration.minutes(3), yield* DateTime.now)
      assert.deepInclude(yield* first, { stage: "IN_PROGRESS", isUnknown: true })
      assert.deepStrictEqual(yield* notified, [])
      yield* at(4 * 3600 + 60)
      yield* follow
      assert.deepInclude(yield* first, { stage: "SCHEDULED" })
    }).pipe(Effect.provide(service))
  )

  it.effect("is refused when the order list began after that, until a person says what the broker shows", () =>
    Effect.gen(function* () {
      const id = yield* skippedInDoubt
      const script = yield* BrokerScript
      script.orderListSince = DateTime.makeUnsafe(3600_000)
      assert.match(
        yield* refusal(id),
        /the broker's order list goes back to 1970-01-01T01:00:00.000Z only\..*"slice placed"/
      )
      assert.deepInclude(yield* first, { stage: "SKIPPED" })
      const now = yield* DateTime.now
      const brokerOrderId = BrokerOrderId.make("b1")
      const { placed } = yield* SliceCommands
      assert.isFalse(yield* placed(id, { brokerOrderId, fill: null }, asked, now))
      assert.isTrue(
        yield* placed(id, { brokerOrderId, fill: { quantity: 20, price: BigDecimal.fromBigInt(1n) } }, asked, now)
      )
      assert.deepInclude(yield* first, { stage: "PROCESSED", brokerOrderId: "b1" })
      assert.deepInclude(yield* balanced, { filled: 20, scheduled: 80, givenUp: 0 })
    }).pipe(Effect.provide(service))
  )

  it.effect("does not accept `slice placed` for a slice that was never in doubt", () =>
    Effect.gen(function* () {
      const id = yield* withRefused()
      const order = { brokerOrderId: BrokerOrderId.make("b1"), fill: { quantity: 0, price: null } }
      assert.isFalse(yield* (yield* SliceCommands).placed(id, order, asked, yield* DateTime.now))
    }).pipe(Effect.provide(service))
  )
})

describe("slice retry while", () => {
  /** Lets two changes wait for the order's lock, in this sequence, and returns the slice after both. */
  const race = <A, E, R, B, E2, R2>(one: Effect.Effect<A, E, R>, two: Effect.Effect<B, E2, R2>) =>
    Effect.gen(function* () {
      const unlock = yield* lockOrder("o1")
      const earlier = yield* Effect.forkChild(one)
      yield* untilWaiting(1)
      const later = yield* Effect.forkChild(two)
      yield* untilWaiting(2)
      yield* unlock
      yield* Fiber.await(earlier)
      yield* Fiber.await(later)
      return yield* first
    })

  const cancel = Effect.gen(function* () {
    yield* (yield* OrderCommands).requestCancel("o1", asked, yield* DateTime.now)
  })

  it.effect("its order is cancelled: the cancel wins after the retry", () =>
    Effect.gen(function* () {
      const id = yield* withRefused()
      assert.deepInclude(yield* race(retry(id), cancel), { stage: "SKIPPED", stageReason: "order cancelled" })
      assert.deepStrictEqual(yield* recorded, ["order cancel", "slice retry"])
      assert.match(yield* refusal(id), /order o1 was cancelled/)
      assert.deepInclude(yield* balanced, { scheduled: 0, givenUp: 100 })
    }).pipe(Effect.provide(service))
  )

  it.effect("its order is cancelled: the retry is refused after the cancel", () =>
    Effect.gen(function* () {
      const id = yield* withRefused()
      assert.deepInclude(yield* race(cancel, retry(id)), { stage: "FAILED" })
      assert.deepStrictEqual(yield* recorded, ["order cancel"])
    }).pipe(Effect.provide(service))
  )

  for (const [what, changed, seconds] of [
    ["its unfilled quantity is carried", { carry_rejected: true }, 5],
    ["its order is completed", { completion: "CROSS" }, 61]
  ] as const) {
    it.effect(`${what}: its quantity is scheduled only once`, () =>
      Effect.gen(function* () {
        const id = yield* withRefused(changed)
        yield* at(seconds)
        const follow = yield* makeFollowThrough
        const taken = yield* race(follow, Effect.ignore(retry(id)))
        assert.strictEqual(taken.stage, "FAILED")
        assert.match(yield* refusal(id), /later slices took over 20 of it|was completed at/)
        assert.deepInclude(yield* balanced, { scheduled: 100, givenUp: 0 })
      }).pipe(Effect.provide(service))
    )
  }

  it.effect("its unfilled quantity is about to be carried: an earlier retry wins, and nothing is carried", () =>
    Effect.gen(function* () {
      const id = yield* withRefused({ carry_rejected: true })
      const sent = yield* race(retry(id), yield* makeFollowThrough)
      assert.strictEqual(sent.stage, "SCHEDULED")
      assert.deepInclude(yield* balanced, { scheduled: 100, givenUp: 0 })
    }).pipe(Effect.provide(service))
  )

  it.effect("another person retries it: one of them is refused", () =>
    Effect.gen(function* () {
      const id = yield* withRefused()
      assert.strictEqual((yield* race(retry(id), Effect.ignore(retry(id)))).stage, "SCHEDULED")
      assert.deepStrictEqual(yield* recorded, ["slice retry"])
    }).pipe(Effect.provide(service))
  )

  it.effect("it is replaced by an amendment: the retry is refused", () =>
    Effect.gen(function* () {
      yield* splitOrder("o1")
      yield* amendOrder("o1", { remainingWindow: Duration.minutes(2) })
      assert.match(yield* refusal((yield* first).id), /the slices of plan 2 stand in for it/)
    }).pipe(Effect.provide(service))
  )

  it.effect("an amendment set the remaining quantity: earlier losses are not retried, a later skip is", () =>
    Effect.gen(function* () {
      const id = yield* withRefused()
      yield* amendOrder("o1", { remainingQuantity: 90 })
      assert.match(
        yield* refusal(id),
        /an amendment \(plan 2\) says how much is still to be sent: amend the order again/
      )
      assert.deepInclude(yield* balanced, { givenUp: 20, scheduled: 90 })
      yield* at(6)
      const next = (yield* sliceRows("o1")).find(({ stage }) => stage === "SCHEDULED") ?? assert.fail("no slice")
      yield* (yield* SliceCommands).skip(next.id, asked, yield* DateTime.now)
      yield* retry(next.id)
      assert.deepInclude(yield* balanced, { givenUp: 20, scheduled: 90 })
    }).pipe(Effect.provide(service))
  )
})

describe("slice skip", () => {
  it.effect("is refused for a slice that is claimed at the same moment, and allowed for one that was given back", () =>
    Effect.gen(function* () {
      const { transaction } = yield* Db
      const commands = yield* SliceCommands
      yield* splitOrder("o1")
      const { id } = yield* first
      const isClaimed = yield* Deferred.make<void>()
      const commit = yield* Deferred.make<void>()
      const claiming = yield* transaction(
        "test.claim",
        claimDue(1).pipe(
          Effect.tap(() => Deferred.succeed(isClaimed, undefined)),
          Effect.tap(() => Deferred.await(commit))
        )
      ).pipe(Effect.forkChild)
      yield* Deferred.await(isClaimed)
      const skipping = yield* Effect.forkChild(commands.skip(id, asked, yield* DateTime.now))
      yield* untilWaiting(1)
      yield* Deferred.succeed(commit, undefined)
      assert.isFalse(yield* Fiber.join(skipping))
      assert.deepStrictEqual(yield* recorded, [])

      yield* move(yield* Fiber.join(claiming), () => ({
        _tag: "Rescheduled",
        code: "broker_try_later",
        reason: "later",
        notBefore: null
      }))
      assert.isTrue(yield* commands.skip(id, asked, yield* DateTime.now))
      assert.deepInclude(yield* first, { stage: "SKIPPED", stageReason: "skipped by tester: a reason" })
      assert.deepStrictEqual(yield* recorded, ["slice skip"])
      assert.deepInclude(yield* balanced, { givenUp: 20, scheduled: 80 })
    }).pipe(Effect.provide(service))
  )

  it.effect("fences the last owner, and can be undone by a retry", () =>
    Effect.gen(function* () {
      const commands = yield* SliceCommands
      yield* splitOrder("o1")
      const { id } = yield* first
      yield* commands.skip(id, asked, yield* DateTime.now)
      yield* retry(`${id}`)
      const [claimed = assert.fail("nothing was claimed")] = yield* claimDue(1)
      yield* setClock(Duration.minutes(3))
      assert.isTrue(yield* commands.skip(id, asked, yield* DateTime.now))
      const next = { _tag: "Processed" as const, brokerOrderId: BrokerOrderId.make("b1"), found: null }
      assert.deepStrictEqual(yield* move([claimed], () => next), [])
      assert.deepStrictEqual(yield* recorded, ["slice skip", "slice retry", "slice skip"])
    }).pipe(Effect.provide(service))
  )
})
