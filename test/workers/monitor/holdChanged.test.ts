import { assert, describe, it } from "@effect/vitest"
import { BigDecimal, DateTime, Duration, Effect, Schema } from "effect"
import { mockInstruments } from "../../../src/broker/mock/mockInstruments.ts"
import { Db } from "../../../src/db/Db.ts"
import { InstrumentDetails } from "../../../src/domain/market/InstrumentDetails.ts"
import { Instrument } from "../../../src/domain/model/Order.ts"
import { InstrumentChangeStore } from "../../../src/stores/account/InstrumentChangeStore.ts"
import { InstrumentStore } from "../../../src/stores/account/InstrumentStore.ts"
import { OrderCommands } from "../../../src/stores/orders/OrderCommands.ts"
import { makeHoldChanged, makeHoldNewlyChanged } from "../../../src/workers/monitor/holdChanged.ts"
import { makeSplitPending } from "../../../src/workers/OrderSplitter.ts"
import { scriptedBroker } from "../../support/scriptedBroker.ts"
import { asked, insertOrder, serviceLayer, setClock, start } from "../../support/service.ts"

const service = serviceLayer({ broker: scriptedBroker })

const nifty = "NFO:NIFTY99DECFUT"
const second = "NFO:NIFTY99DECFUT2"

/** The mock's list with an instrument of a second lot of the same underlying, and what is changed of some of them. */
const listWith = (changed: Readonly<Record<string, Partial<InstrumentDetails> | null>> = {}) => {
  const future = mockInstruments.find(({ instrument }) => instrument === nifty) ?? assert.fail("no such future")
  const all = [...mockInstruments, { ...future, instrument: Instrument.make(second), lotSize: 130, token: 99 }]
  return all.flatMap((details) => {
    const changes = changed[details.instrument]
    return changes === null ? [] : [InstrumentDetails.make({ ...details, ...changes })]
  })
}

const sync = (hours: number, changed?: Parameters<typeof listWith>[0]) =>
  Effect.gen(function* () {
    yield* setClock(Duration.hours(hours))
    yield* (yield* InstrumentStore).replaceAll("zerodha", listWith(changed), yield* DateTime.now)
  })

const holdChanged = Effect.flatten(makeHoldChanged)

const holds = Effect.flatMap(Db, ({ sql, query }) =>
  query(
    "test.holds",
    Schema.Struct({ id: Schema.String, reason: Schema.NullOr(Schema.String), heldSlices: Schema.Int }),
    sql`
      SELECT id, hold_reason AS reason, (SELECT count(*)::int FROM slice_queue q WHERE q.slice >> 20 = o.number AND is_held) AS held_slices
      FROM orders o ORDER BY id`
  )
)

const changesSince = (at: DateTime.Utc) =>
  Effect.flatMap(InstrumentChangeStore, ({ since }) => since(at, 100)).pipe(
    Effect.map((found) => found.map(({ instrument, what, before, after }) => [instrument, what, before, after]))
  )

describe("a changed list", () => {
  it.effect("holds the orders that were planned with another lot, once, and says why", () =>
    Effect.gen(function* () {
      yield* sync(0)
      const day = { duration_minutes: 1440, num_splits: 2, product_type: "NRML" }
      yield* insertOrder("a", { instrument: nifty, total_quantity: 260, ...day })
      yield* insertOrder("b", { instrument: second, total_quantity: 260, ...day })
      yield* insertOrder("c", { instrument: "NSE:INFY", ...day, product_type: "CNC" })
      yield* Effect.flatten(makeSplitPending)
      assert.deepStrictEqual(yield* holdChanged, [])

      yield* sync(1, { [nifty]: { lotSize: 75 }, "NSE:INFY": { tickSize: BigDecimal.fromStringUnsafe("0.1") } })
      assert.sameDeepMembers(
        [...(yield* changesSince(start))],
        [
          [nifty, "lot_size", "65", "75"],
          ["NSE:INFY", "tick_size", "0.05", "0.1"]
        ]
      )
      assert.deepStrictEqual(yield* holdChanged, ["a"])
      const [a, b, c] = yield* holds
      assert.strictEqual(a?.heldSlices, 2)
      assert.match(
        a?.reason ?? "",
        /its lot was 65 and is 75\. "order amend" plans the rest anew, before "order resume"/
      )
      // A MARKET order does not mind the tick, and each contract has a lot of its own.
      assert.deepStrictEqual([b?.reason, c?.reason], [null, null])

      // Whoever resumes it has decided, until the next change.
      yield* setClock(Duration.hours(2))
      yield* (yield* OrderCommands).resume("a", asked, yield* DateTime.now)
      assert.deepStrictEqual(yield* holdChanged, [])
      yield* sync(3, { [nifty]: { lotSize: 100 }, "NSE:INFY": { tickSize: BigDecimal.fromStringUnsafe("0.1") } })
      assert.deepStrictEqual(yield* holdChanged, ["a"])
    }).pipe(Effect.provide(service))
  )

  it.effect("is looked for after each change, and once an hour for orders that were on hold meanwhile", () =>
    Effect.gen(function* () {
      yield* sync(0)
      const day = { num_splits: 2, product_type: "NRML", duration_minutes: 1440 }
      yield* insertOrder("a", { instrument: nifty, total_quantity: 260, ...day })
      yield* Effect.flatten(makeSplitPending)
      const holdNew = yield* makeHoldNewlyChanged
      const reason = Effect.map(holds, ([order]) => order?.reason ?? "none")
      const commands = yield* OrderCommands
      yield* commands.pause("a", asked, yield* DateTime.now)
      yield* sync(1, { [nifty]: { lotSize: 75 } })
      yield* holdNew
      yield* holdNew
      yield* commands.resume("a", asked, yield* DateTime.now)
      yield* holdNew
      assert.strictEqual(yield* reason, "none")
      yield* setClock(Duration.hours(2))
      yield* holdNew
      assert.include(yield* reason, "its lot was 65 and is 75")
      yield* commands.resume("a", asked, yield* DateTime.now)
      yield* sync(2.5, { [nifty]: { lotSize: 50 } })
      yield* holdNew
      assert.include(yield* reason, "its lot was 65 and is 50")
    }).pipe(Effect.provide(service))
  )

  it.effect("holds orders off the new tick, beyond the new expiry, and of a symbol that is gone", () =>
    Effect.gen(function* () {
      yield* sync(0)
      const day = { duration_minutes: 1440, num_splits: 2 }
      const limit = { order_type: "LIMIT", limit_price: "100.05" }
      yield* insertOrder("a", { instrument: nifty, total_quantity: 260, product_type: "NRML", ...day })
      yield* insertOrder("b", { instrument: "NSE:INFY", ...day, ...limit })
      yield* insertOrder("c", { instrument: "NSE:TCS", ...day, order_type: "LIMIT", limit_price: "100.1" })
      yield* insertOrder("d", { instrument: "NSE:ITC", ...day })
      yield* insertOrder("e", { instrument: "NSE:SBIN", ...day })
      yield* Effect.flatten(makeSplitPending)
      yield* (yield* OrderCommands).requestCancel("e", asked, yield* DateTime.now)

      const tickSize = BigDecimal.fromStringUnsafe("0.1")
      yield* sync(1, {
        [nifty]: { expiry: "1970-01-01" },
        "NSE:INFY": { tickSize },
        "NSE:TCS": { tickSize },
        "NSE:ITC": { instrument: Instrument.make("NSE:ITC-BE") },
        "NSE:SBIN": null
      })
      assert.deepStrictEqual(yield* holdChanged, ["a", "b", "d"])
      const reasons = new Map((yield* holds).map(({ id, reason }) => [id, reason ?? ""]))
      assert.include(reasons.get("a"), "it expires on 1970-01-01 now, before the order's window is over on 1970-01-02")
      assert.include(reasons.get("b"), "its limit price 100.05 is no multiple of the tick, which is 0.1 now")
      assert.include(
        reasons.get("d"),
        "the broker's list has no NSE:ITC any more; its number is that of NSE:ITC-BE now"
      )
      assert.includeDeepMembers(yield* changesSince(start), [
        ["NSE:ITC", "symbol", "NSE:ITC", "NSE:ITC-BE"],
        ["NSE:SBIN", "symbol", "NSE:SBIN", null],
        [nifty, "expiry", "2099-12-31", "1970-01-01"]
      ])
    }).pipe(Effect.provide(service))
  )
})
