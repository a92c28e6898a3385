import { assert, describe, it } from "@effect/vitest"
import { BigDecimal, DateTime, Duration, Effect, Schema } from "effect"
import { Db } from "../../src/db/Db.ts"
import { instant } from "../../src/db/parameters.ts"
import { OrderId } from "../../src/domain/model/Ids.ts"
import { Instrument } from "../../src/domain/model/Order.ts"
import type { Quote } from "../../src/domain/model/Quote.ts"
import { InstrumentStore } from "../../src/stores/account/InstrumentStore.ts"
import { QuoteStore } from "../../src/stores/account/QuoteStore.ts"
import { SliceStore } from "../../src/stores/slices/SliceStore.ts"
import { makeSplitPending } from "../../src/workers/OrderSplitter.ts"
import { scriptedBroker } from "../support/scriptedBroker.ts"
import { insertOrder, serviceLayer, setClock, start } from "../support/service.ts"
import { emptySlices } from "../support/writableViews.ts"

const service = serviceLayer({ broker: scriptedBroker })
const reliance = Instrument.make("NSE:RELIANCE")
const at = (seconds: number) => DateTime.add(start, { seconds })

const quote = (price: string, dayVolume: number | null, instrument = reliance): Quote => ({
  instrument,
  lastPrice: BigDecimal.fromStringUnsafe(price),
  dayVolume
})

/** Readings of the day's volume at these seconds, each with a price that identifies it. */
const readings = (...rows: ReadonlyArray<readonly [seconds: number, volume: number | null]>) =>
  Effect.flatMap(QuoteStore, ({ save }) =>
    Effect.forEach(rows, ([seconds, volume]) => save("test", [quote(`${1000 + seconds}.05`, volume)], at(seconds)))
  )

/** The market facts of a slice that is claimed at this second. */
const factsAt = (seconds: number) =>
  Effect.gen(function* () {
    yield* setClock(Duration.seconds(seconds))
    yield* insertOrder("o1", { num_splits: 1, created_at: instant(at(seconds)) })
    yield* Effect.flatten(makeSplitPending)
    const [slice] = yield* (yield* SliceStore).claimDue({
      now: at(seconds),
      horizon: at(seconds),
      leaseExpiresAt: at(seconds + 120),
      owner: "owner",
      limit: 1,
      quotes: { volumePeriod: Duration.minutes(5), quoteAge: Duration.seconds(60) }
    })
    if (slice === undefined) return assert.fail("nothing was claimed")
    return {
      price: slice.lastPrice === null ? null : BigDecimal.format(slice.lastPrice),
      priceAt: slice.lastPriceMillis,
      volume: slice.recentVolume,
      volumeAt: slice.recentVolumeMillis
    }
  })

const nothing = { price: null, priceAt: null, volume: null, volumeAt: null }

describe("quotes that the table does not take", () => {
  it.effect("keep no other quote from being stored", () =>
    Effect.gen(function* () {
      const { save } = yield* QuoteStore
      const odd = (price: string, dayVolume: number | null, index: number) =>
        quote(price, dayVolume, Instrument.make(`NSE:ODD${index}`))
      const volumes = [-1, 1e300, Number.POSITIVE_INFINITY]
      yield* save(
        "test",
        [
          odd("1e300", null, 1),
          odd("100000000000", null, 2),
          odd("0", null, 3),
          odd("-1", null, 4),
          ...volumes.map((volume, index) => odd("1", volume, 5 + index)),
          quote("99999999999.9999", Number.MAX_SAFE_INTEGER)
        ],
        at(0)
      )
      const { sql, query } = yield* Db
      const stored = yield* query(
        "test.quotes",
        Schema.Struct({ instrument: Schema.String }),
        sql`SELECT instrument FROM market_quotes`
      )
      assert.deepStrictEqual(stored, [{ instrument: reliance }])
    }).pipe(Effect.provide(service))
  )
})

describe("the market facts of a claimed slice", () => {
  it.effect("are unknown without quotes, or when no limit needs them", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* factsAt(400), nothing)
      yield* readings([0, 100], [400, 200])
      yield* insertOrder("o2", { num_splits: 1 })
      yield* Effect.flatten(makeSplitPending)
      const [slice] = yield* (yield* SliceStore).claimDue({
        now: at(400),
        horizon: at(400),
        leaseExpiresAt: at(500),
        owner: "owner",
        limit: 1
      })
      assert.deepInclude(slice, { orderId: OrderId.make("o2"), lastPrice: null, recentVolume: null })
    }).pipe(Effect.provide(service))
  )

  it.effect(
    "are unknown for a slice whose facts another program has overwritten, which keeps no other from being claimed",
    () =>
      Effect.gen(function* () {
        yield* readings([0, 100], [400, 200])
        for (const [index, facts] of ["no JSON", '{"instrument": "\\u0000"}', "{}", "[1]"].entries()) {
          yield* insertOrder(`odd${index}`, { num_splits: 1 })
          yield* Effect.flatten(makeSplitPending)
          yield* (yield* Db).execute(
            "test.facts",
            (yield* Db).sql`UPDATE slice_queue SET facts = ${facts} WHERE facts LIKE '{"%RELIANCE%'`
          )
        }
        yield* insertOrder("good", { num_splits: 1 })
        yield* Effect.flatten(makeSplitPending)
        const claimed = yield* (yield* SliceStore).claimDue({
          now: at(400),
          horizon: at(400),
          leaseExpiresAt: at(500),
          owner: "owner",
          limit: 10,
          quotes: { volumePeriod: Duration.minutes(5), quoteAge: Duration.seconds(60) }
        })
        assert.deepStrictEqual(
          claimed.map(({ orderId, lastPriceMillis }) => [orderId as string, lastPriceMillis]),
          [["good", 400_000]]
        )
      }).pipe(Effect.provide(service))
  )

  it.effect("have the exact last price, and the volume of five minutes at the rate between two readings", () =>
    Effect.gen(function* () {
      // A volume of 3100 in 310 s is 3000 in five minutes.
      yield* readings([0, 100], [90, 1000], [200, 1500], [400, 4100])
      assert.deepStrictEqual(yield* factsAt(410), {
        price: "1400.05",
        priceAt: 400_000,
        volume: 3000,
        volumeAt: 400_000
      })
    }).pipe(Effect.provide(service))
  )

  it.effect("have no volume when readings span too little or too much time, or a new day began", () =>
    Effect.gen(function* () {
      const { sql, execute } = yield* Db
      const clear = execute("test.clear", sql`TRUNCATE market_quotes`).pipe(Effect.andThen(emptySlices))
      for (const [title, rows] of [
        [
          "too short",
          [
            [200, 10],
            [499, 20]
          ]
        ],
        [
          "too far",
          [
            [138, 10],
            [499, 20]
          ]
        ],
        [
          "a new day",
          [
            [190, 10_000],
            [499, 20]
          ]
        ],
        ["one reading", [[499, 20]]]
      ] as const) {
        yield* clear
        yield* readings(...rows)
        assert.deepStrictEqual(
          yield* factsAt(500),
          { price: "1499.05", priceAt: 499_000, volume: null, volumeAt: 499_000 },
          title
        )
      }
    }).pipe(Effect.provide(service))
  )

  it.effect("ignore later readings, and accept a price without a volume", () =>
    Effect.gen(function* () {
      yield* readings([95, 100], [395, 400], [398, null], [402, 900])
      assert.deepStrictEqual(yield* factsAt(400), {
        price: "1398.05",
        priceAt: 398_000,
        volume: 300,
        volumeAt: 395_000
      })
    }).pipe(Effect.provide(service))
  )
})

describe("market_quotes", () => {
  it.effect("accepts rows of another service, and rejects invalid ones", () =>
    Effect.gen(function* () {
      const { sql, execute } = yield* Db
      const insert = (price: string, volume: string, time = "1970-01-01T00:00:01Z") =>
        execute(
          "test.insert",
          sql`INSERT INTO market_quotes (instrument, at, last_price, day_volume, source)
            VALUES ('NSE:RELIANCE', ${time}::text::timestamptz, ${price}::text::numeric, ${volume}::text::bigint, 'pulse-api')`
        )
      for (const [price, volume, time] of [
        ["0", "1"],
        ["-1", "1"],
        ["NaN", "1"],
        ["Infinity", "1"],
        ["1", "-1"],
        ["1", "1", "infinity"],
        ["1", "1", "-infinity"]
      ] as const) {
        assert.strictEqual((yield* Effect.flip(insert(price, volume, time))).sqlState, "23514", `${price} ${volume}`)
      }
      yield* insert("2500.0525", "77")
      const market = (yield* (yield* InstrumentStore).markets([reliance])).get(reliance)
      assert.strictEqual(BigDecimal.format(market?.quote?.lastPrice ?? BigDecimal.fromBigInt(0n)), "2500.0525")
      assert.strictEqual(market?.quote?.at.epochMilliseconds, 1000)
    }).pipe(Effect.provide(service))
  )

  it.effect("keeps the first of two readings of one moment, and prunes old ones", () =>
    Effect.gen(function* () {
      const quotes = yield* QuoteStore
      yield* readings([10, 1], [20, 3], [20, 5], [3610, 4])
      yield* quotes.prune(at(20))
      const { sql, query } = yield* Db
      assert.deepStrictEqual(
        yield* query(
          "test.left",
          Schema.Struct({ price: Schema.String, volume: Schema.Number }),
          sql`SELECT last_price::text AS price, day_volume::float8 AS volume FROM market_quotes ORDER BY at`
        ),
        [
          { price: "1020.05", volume: 3 },
          { price: "4610.05", volume: 4 }
        ]
      )
    }).pipe(Effect.provide(service))
  )

  it.effect("gives one replica per interval the turn to ask for the instruments of slices due soon", () =>
    Effect.gen(function* () {
      yield* setClock()
      yield* insertOrder("now", { num_splits: 1 })
      yield* insertOrder("soon", { instrument: "NSE:INFY", num_splits: 2, duration_minutes: 5 })
      yield* insertOrder("later", { instrument: "NSE:TCS", num_splits: 1, created_at: instant(at(500)) })
      yield* Effect.flatten(makeSplitPending)
      const quotes = yield* QuoteStore
      const turn = (seconds: number) =>
        Effect.map(
          quotes.takeTurn({ now: at(seconds), interval: Duration.seconds(5), horizon: at(seconds + 300) }),
          (instruments) => [...instruments]
        )
      const both = yield* Effect.all([turn(10), turn(10)], { concurrency: 2 })
      assert.deepStrictEqual(
        both.toSorted((a, b) => a.length - b.length),
        [[], ["NSE:INFY", "NSE:RELIANCE"]]
      )
      assert.deepStrictEqual(yield* turn(14), [])
      assert.deepStrictEqual(yield* turn(14.6), ["NSE:INFY", "NSE:RELIANCE"])
      assert.deepStrictEqual(yield* turn(200), ["NSE:INFY", "NSE:RELIANCE", "NSE:TCS"])
      // The windows of the first two orders are over.
      assert.deepStrictEqual(yield* turn(1000), ["NSE:TCS"])
      // The clock was set back.
      assert.deepStrictEqual(yield* turn(300), ["NSE:INFY", "NSE:RELIANCE", "NSE:TCS"])
    }).pipe(Effect.provide(service))
  )
})
