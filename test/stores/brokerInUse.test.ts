import { assert, describe, it } from "@effect/vitest"
import { DateTime, Effect, Layer } from "effect"
import { brokerIdentity } from "../../src/broker/brokerIdentity.ts"
import { Db } from "../../src/db/Db.ts"
import { Instance } from "../../src/runtime/Instance.ts"
import { BrokerInUseStore } from "../../src/stores/account/BrokerInUseStore.ts"
import { HaltStore } from "../../src/stores/operations/HaltStore.ts"
import { HeartbeatStore } from "../../src/stores/operations/HeartbeatStore.ts"
import { makeSplitPending } from "../../src/workers/OrderSplitter.ts"
import { scriptedBroker } from "../support/scriptedBroker.ts"
import { insertOrder, serviceLayer, setClock } from "../support/service.ts"

const live = "zerodha https://api.kite.trade"
const service = Layer.mergeAll(BrokerInUseStore.layer, HaltStore.layer).pipe(
  Layer.provideMerge(serviceLayer({ broker: scriptedBroker }))
)

/** Starts a daemon with this broker; returns why it is refused, if it is. */
const start = (broker: string, id = broker) =>
  Effect.gen(function* () {
    const store = yield* BrokerInUseStore
    const instance = Instance.of({ id, hostname: "h", pid: 1, version: "1" })
    return yield* store.take(broker, instance, yield* DateTime.now).pipe(
      Effect.as("started"),
      Effect.catchTag("AnotherBrokerInUse", (error) => Effect.succeed(`${error.why}: ${error.theirs}`))
    )
  })

const stop = (id: string) =>
  Effect.gen(function* () {
    yield* (yield* HeartbeatStore).leave({ ...(yield* Instance), id })
  })

describe("the broker in use", () => {
  it("differs by address and by dry run", () => {
    const zerodha = { brokerType: "zerodha", zerodhaUrl: "https://api.kite.trade", dryRun: false } as const
    const all = [
      zerodha,
      { ...zerodha, dryRun: true },
      { ...zerodha, zerodhaUrl: "http://127.0.0.1:8765" },
      { ...zerodha, brokerType: "mock" } as const
    ]
    assert.deepStrictEqual(all.map(brokerIdentity), [
      live,
      `${live} (dry run)`,
      "zerodha http://127.0.0.1:8765",
      "mock"
    ])
  })

  it.effect("is the same for all daemons: no simulator or dry run starts beside live ones", () =>
    Effect.gen(function* () {
      yield* setClock("1 hour")
      assert.strictEqual(yield* start(live, "first"), "started")
      assert.strictEqual(yield* start(live, "second"), "started")
      for (const other of [`${live} (dry run)`, "zerodha http://127.0.0.1:8765", "mock"]) {
        assert.strictEqual(yield* start(other), `daemons: ${live}`)
      }
      yield* stop("first")
      assert.strictEqual(yield* start("mock"), `daemons: ${live}`)
      yield* stop("second")
      assert.strictEqual(yield* start("mock"), "started")
    }).pipe(Effect.provide(service))
  )

  it.effect("is decided by one of several daemons that start at the same moment", () =>
    Effect.gen(function* () {
      const answers = yield* Effect.all([start(live), start("mock"), start(`${live} (dry run)`)], {
        concurrency: "unbounded"
      })
      assert.strictEqual(answers.filter((answer) => answer === "started").length, 1)
    }).pipe(Effect.provide(service))
  )

  it.effect("stays the same while slices are unfinished, although no daemon runs", () =>
    Effect.gen(function* () {
      const { sql, execute } = yield* Db
      yield* start("mock")
      yield* stop("mock")
      yield* insertOrder("o1")
      yield* Effect.flatten(makeSplitPending)
      for (const [stage, isFinal, answer] of [
        ["SCHEDULED", false, "slices: mock"],
        ["IN_PROGRESS", false, "slices: mock"],
        ["PROCESSED", false, "slices: mock"],
        ["PROCESSED", true, "started"]
      ] as const) {
        yield* execute(
          "test.move",
          sql`UPDATE order_slices SET stage = ${stage}, broker_is_final = ${isFinal}, broker_order_id = id,
            claimed_by = 'x', lease_expires_at = now()`
        )
        assert.strictEqual(yield* start(live), answer)
      }
    }).pipe(Effect.provide(service))
  )
})

describe("the account in use", () => {
  it.effect("is the first known one, and changes only while halted and with no unfinished slices", () =>
    Effect.gen(function* () {
      const store = yield* BrokerInUseStore
      const halts = yield* HaltStore
      const { sql, execute } = yield* Db
      yield* start("mock")
      assert.isNull(yield* store.account)
      assert.strictEqual(yield* store.changeAccount("AB1"), "AB1")
      assert.strictEqual(yield* store.claimAccount("XY2"), "AB1")
      assert.strictEqual(yield* store.changeAccount("XY2"), "AB1")
      yield* insertOrder("o1")
      yield* Effect.flatten(makeSplitPending)
      yield* halts.request({
        isHalted: true,
        reason: "other account",
        requestedBy: "me",
        requestedAt: yield* DateTime.now
      })
      assert.strictEqual(yield* store.changeAccount("XY2"), "AB1")
      yield* execute("test.skip", sql`UPDATE order_slices SET stage = 'SKIPPED'`)
      assert.strictEqual(yield* store.changeAccount("XY2"), "XY2")
      assert.strictEqual(yield* store.account, "XY2")

      // Accounts of another broker are independent.
      yield* stop("mock")
      yield* start(live)
      assert.isNull(yield* store.account)
    }).pipe(Effect.provide(service))
  )
})
