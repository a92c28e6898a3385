import { assert, describe, it } from "@effect/vitest"
import { BigDecimal, DateTime, Effect, Layer, Logger, Schema } from "effect"
import { TestClock } from "effect/testing"
import { Db } from "../../../src/db/Db.ts"
import { BrokerTryLater } from "../../../src/domain/model/BrokerError.ts"
import type { Instrument } from "../../../src/domain/model/Order.ts"
import type { Quote } from "../../../src/domain/model/Quote.ts"
import { makeAskForQuotes, makeFollowQuotes } from "../../../src/workers/monitor/followQuotes.ts"
import { makeSplitPending } from "../../../src/workers/OrderSplitter.ts"
import { BrokerScript, scriptedBroker } from "../../support/scriptedBroker.ts"
import { insertOrder, orderRow, serviceLayer, setClock } from "../../support/service.ts"

const service = serviceLayer({ broker: scriptedBroker, environment: { LIMIT_PRICE_COLLAR_PERCENT: "5" } })

const quotesOf = (instruments: ReadonlySet<Instrument>): ReadonlyArray<Quote> =>
  [...instruments].map((instrument) => ({
    instrument,
    lastPrice: BigDecimal.fromStringUnsafe("12.05"),
    dayVolume: 1
  }))

const stored = Effect.flatMap(Db, ({ sql, query }) =>
  query(
    "test.quotes",
    Schema.Struct({ instrument: Schema.String, source: Schema.String }),
    sql`SELECT instrument, source FROM market_quotes ORDER BY at, instrument`
  )
)

const splitOrder = Effect.gen(function* () {
  yield* setClock()
  yield* insertOrder("o1")
  yield* Effect.flatten(makeSplitPending)
})

/** Records log lines at Info and above. */
const listening = (lines: Array<string>) =>
  Logger.layer([
    Logger.make(({ message, logLevel }) => {
      if (logLevel !== "Debug" && logLevel !== "Trace") lines.push(`${logLevel}: ${String(message)}`)
    })
  ])

describe("followQuotes", () => {
  it.effect("asks once per interval for all replicas for the instruments due soon, and stores the answer", () =>
    Effect.gen(function* () {
      yield* splitOrder
      const script = yield* BrokerScript
      let asked = 0
      script.onQuotes = (instruments) =>
        Effect.sync(() => {
          asked++
          return quotesOf(instruments)
        })
      const replicas = [yield* makeAskForQuotes, yield* makeAskForQuotes]
      yield* Effect.all(replicas, { concurrency: 2 })
      assert.strictEqual(asked, 1)
      assert.deepStrictEqual(yield* stored, [{ instrument: "NSE:RELIANCE", source: "scripted" }])
      yield* TestClock.adjust("5 seconds")
      yield* Effect.all(replicas, { concurrency: 2 })
      assert.strictEqual(asked, 2)
    }).pipe(Effect.provide(service))
  )

  it.effect("provides prices by which orders outside the collar FAIL at their split", () =>
    Effect.gen(function* () {
      yield* splitOrder
      const script = yield* BrokerScript
      script.onQuotes = (instruments) => Effect.succeed(quotesOf(instruments))
      yield* Effect.flatten(makeAskForQuotes)
      yield* insertOrder("far", { order_type: "LIMIT", limit_price: "12.66" })
      yield* insertOrder("near", { order_type: "LIMIT", limit_price: "12.65" })
      yield* insertOrder("unknown", { order_type: "LIMIT", limit_price: "9999", instrument: "NSE:INFY" })
      yield* Effect.flatten(makeSplitPending)
      assert.strictEqual(
        (yield* orderRow("far")).statusReason,
        "the limit price of 12.66 is more than LIMIT_PRICE_COLLAR_PERCENT (5) away from the last price of 12.05"
      )
      assert.deepStrictEqual(
        [(yield* orderRow("near")).orderQueueStatus, (yield* orderRow("unknown")).orderQueueStatus],
        ["DONE", "DONE"]
      )
    }).pipe(Effect.provide(service))
  )

  it.effect("pauses as long as the broker asks, and logs that once and again when quotes are back", () => {
    const lines: Array<string> = []
    return Effect.gen(function* () {
      yield* splitOrder
      const script = yield* BrokerScript
      const askedAt: Array<number> = []
      let isPaid = false
      script.onQuotes = (instruments) =>
        Effect.gen(function* () {
          const now = yield* DateTime.now
          askedAt.push(DateTime.toEpochMillis(now) / 1000)
          if (isPaid) return quotesOf(instruments)
          return yield* new BrokerTryLater({
            code: "x",
            message: "paid only",
            retryAt: DateTime.add(now, { seconds: 20 })
          })
        })
      const ask = yield* makeAskForQuotes
      for (let second = 0; second < 60; second += 5) {
        isPaid = second >= 40
        yield* ask
        yield* TestClock.adjust("5 seconds")
      }
      assert.deepStrictEqual(askedAt, [0, 20, 40, 45, 50, 55])
      assert.deepStrictEqual(
        lines.filter((line) => /quotes/.test(line)),
        [
          "Warn: The broker gives no quotes; limits that need them do not apply where nothing else is known: paid only",
          "Info: The broker gives quotes again"
        ]
      )
    }).pipe(Effect.provide(Layer.merge(service, listening(lines))))
  })

  it.effect("asks nothing when nothing is due or no limit needs quotes, but still removes old ones", () =>
    Effect.gen(function* () {
      const script = yield* BrokerScript
      script.onQuotes = () => assert.fail("no limit needs quotes")
      yield* setClock()
      yield* Effect.flatten(makeAskForQuotes)
      yield* splitOrder
      const { sql, execute } = yield* Db
      yield* execute(
        "test.insert",
        sql`INSERT INTO market_quotes (instrument, at, last_price, source) VALUES ('NSE:INFY', '1970-01-01Z', 1, 'other')`
      )
      yield* setClock("61 minutes")
      assert.lengthOf(yield* stored, 1)
      const follow = yield* makeFollowQuotes
      const pruned = Effect.repeat(Effect.andThen(Effect.yieldNow, stored), { until: (rows) => rows.length === 0 })
      yield* Effect.raceFirst(follow, pruned)
    }).pipe(Effect.provide(serviceLayer({ broker: scriptedBroker })))
  )
})
