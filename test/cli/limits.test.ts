import { assert, describe, it } from "@effect/vitest"
import { DateTime, Effect, Schema } from "effect"
import { Db } from "../../src/db/Db.ts"
import { quick, stages, withDatabase } from "../support/daemon.ts"
import { eventually, runMain, startMain } from "../support/processes.ts"
import { insertOrder, sliceRows } from "../support/service.ts"

const order = ["--instrument", "NSE:INFY", "--side", "BUY", "--quantity", "100", "--splits", "2"]
const atOnce = [...order, "--duration", "0"]

const now = Effect.map(DateTime.now, DateTime.toDateUtc)

/** Makes the second slices due. */
const secondIsDue = Effect.flatMap(Db, ({ sql, execute }) =>
  execute(
    "test.due",
    sql`UPDATE order_slices SET scheduled_at = created_at, not_before = created_at WHERE sequence_number = 2`
  )
)

const quotes = Effect.flatMap(Db, ({ sql, query }) =>
  query("test.quotes", Schema.Struct({ instrument: Schema.String }), sql`SELECT instrument FROM market_quotes`)
)

describe("the limits in the command line and the daemon", () => {
  it.live("submit and plan refuse an order beyond the day's limit, and accept a known key", () =>
    withDatabase((url) =>
      Effect.gen(function* () {
        const environment = { ...quick, DATABASE_URL: url, LIMIT_ORDERS_PER_DAY: "1" }
        const pulse = (...args: ReadonlyArray<string>) => runMain(args, environment)
        yield* startMain([], environment)
        assert.strictEqual((yield* pulse("order", "submit", ...atOnce, "--key", "k")).code, 0)
        yield* eventually("it is placed", stages, (counts) => counts["PROCESSED"] === 2)

        const second = yield* pulse("order", "submit", ...atOnce)
        assert.strictEqual(second.code, 1)
        assert.include(
          second.output,
          "Nothing was submitted: it would be order 2 of the day, and LIMIT_ORDERS_PER_DAY is 1"
        )
        assert.strictEqual((yield* pulse("plan", ...atOnce)).code, 1)
        const again = yield* pulse("order", "submit", ...atOnce, "--key", "k")
        assert.deepStrictEqual([again.code, again.output.includes("nothing was added")], [0, true])

        const byValue = yield* runMain(["order", "submit", ...atOnce], { DATABASE_URL: url, LIMIT_VALUE_PER_DAY: "1" })
        assert.deepStrictEqual([byValue.code, /no price of its instrument is known/.test(byValue.output)], [1, true])
        assert.lengthOf(yield* sliceRows(), 2)
      }).pipe(Effect.scoped)
    )
  )

  it.live("plan and submit warn of an order that would trade against another one, or refuse it", () =>
    withDatabase((url) =>
      Effect.gen(function* () {
        const environment = { ...quick, DATABASE_URL: url }
        yield* startMain([], environment)
        yield* insertOrder("a", { created_at: yield* now, instrument: "NSE:INFY", side: "SELL", duration_minutes: 10 })
        yield* eventually("its first slice is placed", stages, (counts) => counts["PROCESSED"] === 1)
        const words = "it would BUY NSE:INFY while a of the same account is unfinished"
        const warned = yield* runMain(["plan", ...atOnce], environment)
        assert.deepStrictEqual([warned.code, warned.output.includes(`Warning: ${words}`)], [0, true])
        const refusing = { ...environment, SELF_TRADE_POLICY: "refuse" }
        const refused = yield* runMain(["order", "submit", ...atOnce], refusing)
        assert.deepStrictEqual([refused.code, refused.output.includes(`Nothing was submitted: ${words}`)], [1, true])
        const allowed = yield* runMain(["plan", ...atOnce], { ...environment, SELF_TRADE_POLICY: "allow" })
        assert.deepStrictEqual([allowed.code, allowed.output.includes("would")], [0, false])
      }).pipe(Effect.scoped)
    )
  )

  it.live("a lowered limit closes the placement gate for the rest of the day, and health says so", () =>
    withDatabase((url) =>
      Effect.gen(function* () {
        const environment = { ...quick, DATABASE_URL: url }
        const first = yield* startMain([], environment)
        for (const id of ["a", "b"]) yield* insertOrder(id, { created_at: yield* now, duration_minutes: 10 })
        yield* eventually("the first slices are placed", stages, (counts) => counts["PROCESSED"] === 2)
        first.child.kill("SIGTERM")
        assert.strictEqual(yield* first.exit, 0)
        yield* secondIsDue
        yield* startMain([], { ...environment, LIMIT_ORDERS_PER_DAY: "1" })
        const closed = yield* eventually(
          "health shows the closed gate",
          runMain(["health"], environment),
          ({ output }) => output.includes("on hold: the 2 orders of the day are more than LIMIT_ORDERS_PER_DAY (1)")
        )
        assert.strictEqual(closed.code, 0, closed.output)
        assert.strictEqual((yield* stages)["PROCESSED"], 2)
      }).pipe(Effect.scoped)
    )
  )

  it.live("a slice outside the price collar waits, with its reason, once quotes are known", () =>
    withDatabase((url) =>
      Effect.gen(function* () {
        const environment = {
          ...quick,
          DATABASE_URL: url,
          LIMIT_PRICE_COLLAR_PERCENT: "50",
          QUOTES_POLL_INTERVAL_SECONDS: "1"
        }
        yield* startMain([], environment)
        // The second slice is due soon enough for quotes to be requested. The mock's prices are between 100 and 3,000.
        yield* insertOrder("o", {
          created_at: yield* now,
          duration_minutes: 6,
          num_splits: 2,
          order_type: "LIMIT",
          limit_price: "9999"
        })
        yield* eventually("quotes are known", quotes, ({ length }) => length > 0)
        yield* secondIsDue
        const [, second] = yield* eventually(
          "the second slice waits",
          sliceRows(),
          ([, slice]) => slice?.stageReason?.startsWith("pre-trade limit, for now: ") === true
        )
        assert.match(
          second?.stageReason ?? "",
          /the limit price of 9999 is more than LIMIT_PRICE_COLLAR_PERCENT \(50\) away from the last price of \d/
        )
        assert.deepInclude(second, { attempts: 0 })
      }).pipe(Effect.scoped)
    )
  )
})
