import { assert, describe, it } from "@effect/vitest"
import { BigDecimal, DateTime, Effect, Schema } from "effect"
import { changeOrder } from "../../src/cli/commands/amendCommand.ts"
import { Db } from "../../src/db/Db.ts"
import { Instrument } from "../../src/domain/model/Order.ts"
import type { Amendment } from "../../src/domain/planning/replan/amend.ts"
import { QuoteStore } from "../../src/stores/account/QuoteStore.ts"
import { OrderCommands } from "../../src/stores/orders/OrderCommands.ts"
import { insertOrders, quick, stages, withDatabase } from "../support/daemon.ts"
import { eventually, runMain, startMain } from "../support/processes.ts"
import { at, conservation as conserved, splitOrder } from "../support/replanning.ts"
import { scriptedBroker } from "../support/scriptedBroker.ts"
import { asked, serviceLayer, sliceRows } from "../support/service.ts"

const conservation = Effect.flatMap(Db, ({ sql, query }) =>
  query(
    "test.conservation",
    Schema.Struct({ total: Schema.Int, scheduled: Schema.Int, unaccounted: Schema.Int }),
    sql`
      SELECT total_quantity AS total, scheduled::int AS scheduled, unaccounted::int AS unaccounted FROM order_conservation`
  )
)

describe("order amend", () => {
  it.live("changes slices that are not sent, keeps the old plan, and explains refusals", () =>
    withDatabase((url) =>
      Effect.gen(function* () {
        const environment = { ...quick, DATABASE_URL: url }
        const pulse = (...args: ReadonlyArray<string>) => runMain(args, environment)
        yield* pulse("halt", "--reason", "test")
        yield* startMain([], environment)
        yield* insertOrders(1, { duration_minutes: 60 }, 0)
        yield* eventually("the order is split", stages, (counts) => counts["SCHEDULED"] === 5)
        const id = (yield* sliceRows())[0]?.orderId ?? ""
        const amend = (...args: ReadonlyArray<string>) => pulse("order", "amend", id, ...args)

        const changed = yield* amend("--remaining", "70", "--splits", "7", "--window", "30", "--reason", "less")
        assert.strictEqual(changed.code, 0, changed.output)
        assert.match(changed.output, /has plan 2: 70 in 7 slices until .* \(UTC\), 70 in all/)
        const slices = yield* sliceRows()
        assert.deepStrictEqual(
          slices.map(({ stage }) => stage),
          [...Array.from({ length: 5 }, () => "SKIPPED"), ...Array.from({ length: 7 }, () => "SCHEDULED")]
        )
        assert.isTrue(slices.slice(0, 5).every(({ stageReason }) => stageReason === "replaced by plan 2"))
        assert.deepStrictEqual(yield* conservation, [{ total: 70, scheduled: 70, unaccounted: 0 }])

        const explained = yield* pulse("explain", id)
        assert.strictEqual(explained.code, 0, explained.output)
        assert.match(explained.output, /Plan 1 \(the split\)[^]*Plan 2 \(an amendment: .*: less\)/)
        const shown = yield* pulse("order", "show", id)
        assert.include(shown.output, "5 slices of earlier plans were replaced before they were sent")

        const same = yield* amend("--remaining", "70", "--reason", "again")
        assert.deepStrictEqual([same.code, same.output], [0, `Order ${id} is like that already\n`])
        for (const [args, message] of [
          [["--reason", "x"], "Say what is to change"],
          [["--remaining", "0", "--reason", "x"], '"order cancel" sends nothing more'],
          [["--remaining", "3", "--splits", "5", "--reason", "x"], "at most 3 slices would fit"],
          [["--window", "1441", "--reason", "x"], "--window must be from 0 to 1440 minutes"],
          [["--limit-price", "100", "--reason", "x"], "limit_price: must be empty for a MARKET order"],
          [["--limit-price", "cheap", "--reason", "x"], "must be a price"]
        ] as const) {
          const wrong = yield* amend(...args)
          assert.strictEqual(wrong.code, 1)
          assert.include(wrong.output, message)
        }
        const unknownOrder = yield* pulse("order", "amend", "nobody", "--splits", "2", "--reason", "x")
        assert.deepStrictEqual(
          [unknownOrder.code, unknownOrder.output.includes('There is no order "nobody"')],
          [1, true]
        )
        assert.deepStrictEqual(yield* conservation, [{ total: 70, scheduled: 70, unaccounted: 0 }])
      }).pipe(Effect.scoped)
    )
  )
})

const amended = (id: string, changed: Partial<Amendment>) =>
  Effect.gen(function* () {
    const order = yield* Effect.flatMap((yield* OrderCommands).progress(id), Effect.fromOption)
    const nothing = {
      remainingQuantity: null,
      numSlices: null,
      remainingWindow: null,
      limitPrice: null,
      note: "a reason"
    }
    return yield* changeOrder(order, { ...nothing, ...changed }, asked, yield* DateTime.now)
  })

describe("an amendment", () => {
  const byValue = serviceLayer({ broker: scriptedBroker, environment: { LIMIT_VALUE_PER_DAY: "15000" } })

  it.effect("values a MARKET order by the price at its split, however old that price is", () =>
    Effect.gen(function* () {
      const quote = {
        instrument: Instrument.make("NSE:RELIANCE"),
        lastPrice: BigDecimal.make(100n, 0),
        dayVolume: null
      }
      yield* (yield* QuoteStore).save("test", [quote], DateTime.makeUnsafe(0))
      yield* splitOrder("o1", { duration_minutes: 10 })
      yield* at(120)
      const refused = yield* Effect.flip(amended("o1", { remainingQuantity: 151 }))
      assert.include(refused.message, "the day's orders would come to 15100, above LIMIT_VALUE_PER_DAY (15000)")
      assert.deepInclude((yield* conserved)[0], { scheduled: 100, unaccounted: 0 })
      yield* amended("o1", { remainingQuantity: 150 })
      assert.deepInclude((yield* conserved)[0], { scheduled: 150, unaccounted: 0 })
    }).pipe(Effect.provide(byValue))
  )

  const byDay = serviceLayer({
    broker: scriptedBroker,
    environment: {
      BROKER_TYPE: "zerodha",
      ZERODHA_API_KEY: "k",
      ZERODHA_ORDERS_PER_DAY: "10",
      TRADING_CALENDAR: "off"
    }
  })

  it.effect("is refused when the account's day has no room, without counting the slices that it replaces", () =>
    Effect.gen(function* () {
      yield* splitOrder("o1")
      const refused = yield* Effect.flip(amended("o1", { numSlices: 10 }))
      assert.include(refused.message, "at most 9 slices would fit on that day")
      assert.strictEqual((yield* sliceRows()).filter(({ stage }) => stage === "SCHEDULED").length, 5)
      yield* amended("o1", { numSlices: 9 })
      assert.strictEqual((yield* sliceRows()).filter(({ stage }) => stage === "SCHEDULED").length, 9)
    }).pipe(Effect.provide(byDay))
  )

  it.effect("may always reduce the order, also on a day that is used up", () =>
    Effect.gen(function* () {
      yield* splitOrder("o1")
      yield* Effect.flatMap(Db, ({ sql, execute }) =>
        execute(
          "test.full",
          sql`UPDATE order_budgets SET day = '1970-01-01', granted_today = 9 WHERE broker = 'zerodha'`
        )
      )
      yield* amended("o1", { numSlices: 4, remainingQuantity: 40 })
      assert.deepInclude((yield* conserved)[0], { scheduled: 40, unaccounted: 0 })
    }).pipe(Effect.provide(byDay))
  )
})
