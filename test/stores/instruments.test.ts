import { assert, describe, it } from "@effect/vitest"
import { BigDecimal, DateTime, Effect, Layer, Option, Schema } from "effect"
import { mockInstruments } from "../../src/broker/mock/mockInstruments.ts"
import { Db } from "../../src/db/Db.ts"
import type { InstrumentDetails } from "../../src/domain/market/InstrumentDetails.ts"
import { Instrument } from "../../src/domain/model/Order.ts"
import { InstrumentStore } from "../../src/stores/account/InstrumentStore.ts"
import { testDatabase } from "../support/database.ts"

const now = DateTime.makeUnsafe("2026-11-24T03:00:00Z")
const later = DateTime.add(now, { days: 1 })
const decimal = BigDecimal.fromStringUnsafe

const details = (instrument: string, changed: Partial<InstrumentDetails> = {}): InstrumentDetails => ({
  instrument: Instrument.make(instrument),
  name: "A COMPANY",
  lotSize: 1,
  tickSize: decimal("0.05"),
  instrumentType: "EQ",
  segment: "NSE",
  expiry: null,
  lastPrice: null,
  token: 1,
  ...changed
})

const many = (count: number) => Array.from({ length: count }, (_, n) => details(`NSE:S${n}`, { token: n }))

const onDatabase = Layer.fresh(InstrumentStore.layer.pipe(Layer.provideMerge(testDatabase)))

const names = (...all: ReadonlyArray<string>) => all.map((name) => Instrument.make(name))

const plain = (one: InstrumentDetails | undefined) =>
  one && {
    ...one,
    tickSize: BigDecimal.format(one.tickSize),
    lastPrice: one.lastPrice === null ? null : BigDecimal.format(one.lastPrice)
  }

const listed = Effect.flatMap(Db, ({ sql, query }) =>
  query(
    "test.listed",
    Schema.Struct({ instrument: Schema.String }),
    sql`SELECT instrument FROM instruments ORDER BY instrument`
  )
).pipe(Effect.map((rows) => rows.map(({ instrument }) => instrument)))

describe("InstrumentStore", () => {
  it.live("returns instruments exactly as they were stored", () =>
    Effect.gen(function* () {
      const store = yield* InstrumentStore
      assert.isTrue(Option.isNone(yield* store.status))
      const future = details("NFO:NIFTY26NOVFUT", {
        name: 'THE "NIFTY", OR SO',
        lotSize: 65,
        tickSize: decimal("0.0025"),
        instrumentType: "FUT",
        segment: "NFO-FUT",
        expiry: "2026-11-24",
        lastPrice: decimal("26012.3456"),
        token: 4_294_967_295
      })
      const share = details("NSE:M&M")
      assert.deepStrictEqual(yield* store.replaceAll("zerodha", [future, share], now), {
        total: 2,
        added: 2,
        removed: 0,
        kept: 0
      })
      const found = yield* store.find(["NSE:M&M", "NFO:NIFTY26NOVFUT", "NSE:NONE"])
      assert.deepStrictEqual([...found.keys()].toSorted(), ["NFO:NIFTY26NOVFUT", "NSE:M&M"])
      assert.deepStrictEqual(plain(found.get("NFO:NIFTY26NOVFUT")), plain(future))
      assert.deepStrictEqual(plain(found.get("NSE:M&M")), plain(share))
      assert.strictEqual((yield* store.find([])).size, 0)
      assert.deepStrictEqual(yield* store.status, Option.some({ source: "zerodha" as const, count: 2, syncedAt: now }))
    }).pipe(Effect.provide(onDatabase))
  )

  it.live("replaces the list: changes, adds and removes", () =>
    Effect.gen(function* () {
      const store = yield* InstrumentStore
      yield* store.replaceAll("zerodha", [details("NSE:A"), details("NSE:B"), details("NSE:C")], now)
      assert.deepStrictEqual(
        yield* store.replaceAll("zerodha", [details("NSE:B", { lotSize: 7 }), details("NSE:D")], later),
        { total: 2, added: 1, removed: 2, kept: 0 }
      )
      assert.deepStrictEqual(yield* listed, ["NSE:B", "NSE:D"])
      assert.strictEqual((yield* store.find(["NSE:B"])).get("NSE:B")?.lotSize, 7)
      assert.deepStrictEqual(
        yield* store.status,
        Option.some({ source: "zerodha" as const, count: 2, syncedAt: later })
      )
      // A second time at the same instant, with the same list.
      assert.deepStrictEqual(yield* store.replaceAll("zerodha", [details("NSE:D")], later), {
        total: 1,
        added: 0,
        removed: 1,
        kept: 0
      })
      assert.deepStrictEqual(yield* listed, ["NSE:D"])
    }).pipe(Effect.provide(onDatabase))
  )

  it.live("keeps what the same source has said of instruments that are in an unreadable line", () =>
    Effect.gen(function* () {
      const store = yield* InstrumentStore
      yield* store.replaceAll("zerodha", [details("NSE:A", { lotSize: 7 }), details("NSE:B"), details("NSE:C")], now)
      const keep = ["NSE:A", "NSE:B", "NSE:NEVER"]
      assert.deepStrictEqual(
        yield* store.replaceAll("zerodha", [details("NSE:B", { lotSize: 9 }), details("NSE:D")], later, {
          force: false,
          keep
        }),
        { total: 3, added: 1, removed: 1, kept: 1 }
      )
      assert.deepStrictEqual(yield* listed, ["NSE:A", "NSE:B", "NSE:D"])
      const found = yield* store.find(["NSE:A", "NSE:B"])
      assert.deepStrictEqual([found.get("NSE:A")?.lotSize, found.get("NSE:B")?.lotSize], [7, 9])
      // Another broker's facts are not kept.
      yield* store.replaceAll("mock", [details("NSE:B"), details("NSE:D")], later, { force: false, keep })
      assert.deepStrictEqual(yield* listed, ["NSE:B", "NSE:D"])
    }).pipe(Effect.provide(onDatabase))
  )

  it.live("refuses an empty list, and one with under half of the instruments unless forced", () =>
    Effect.gen(function* () {
      const store = yield* InstrumentStore
      yield* store.replaceAll("zerodha", many(10), now)
      const refused = yield* Effect.flip(store.replaceAll("zerodha", many(4), later))
      assert.strictEqual(refused._tag, "TooFewInstruments")
      assert.include(refused.message, "4 instruments, under half of the 10")
      for (const force of [true, false]) {
        const empty = yield* Effect.flip(store.replaceAll("zerodha", [], later, { force }))
        assert.strictEqual(empty._tag, "TooFewInstruments")
      }
      assert.lengthOf(yield* listed, 10)
      assert.deepStrictEqual(yield* store.status, Option.some({ source: "zerodha" as const, count: 10, syncedAt: now }))
      assert.strictEqual((yield* store.replaceAll("zerodha", many(5), later)).removed, 5)
      assert.strictEqual((yield* store.replaceAll("zerodha", many(1), later, { force: true })).removed, 4)
      assert.lengthOf(yield* listed, 1)
    }).pipe(Effect.provide(onDatabase))
  )

  it.live("changes nothing when any row is invalid", () =>
    Effect.gen(function* () {
      const store = yield* InstrumentStore
      yield* store.replaceAll("zerodha", [details("NSE:A"), details("NSE:B")], now)
      for (const bad of [{ lotSize: 0 }, { tickSize: decimal("0") }, { lastPrice: decimal("0") }]) {
        const list = [...many(6_000), details("NSE:BAD", bad)]
        const error = yield* Effect.flip(store.replaceAll("zerodha", list, later))
        assert.isTrue(error._tag === "DbError" && error.sqlState === "23514", error.message)
      }
      assert.deepStrictEqual(yield* listed, ["NSE:A", "NSE:B"])
    }).pipe(Effect.provide(onDatabase))
  )

  it.live("ends with one complete list after four syncs at the same time", () =>
    Effect.gen(function* () {
      const store = yield* InstrumentStore
      const lists = ["A", "B", "C", "D"].map((letter) =>
        many(6_000).map((one) => details(one.instrument.replace(":S", `:${letter}`)))
      )
      yield* Effect.forEach(lists, (list) => store.replaceAll("zerodha", list, now), { concurrency: "unbounded" })
      const names = yield* listed
      assert.lengthOf(names, 6_000)
      assert.lengthOf(new Set(names.map((name) => name.slice(0, 5))), 1)
    }).pipe(Effect.provide(onDatabase))
  )

  it.live("replaces 100,000 instruments", () =>
    Effect.gen(function* () {
      const store = yield* InstrumentStore
      yield* store.replaceAll("zerodha", many(100_000), now)
      assert.deepStrictEqual(yield* store.replaceAll("zerodha", many(100_000), later), {
        total: 100_000,
        added: 0,
        removed: 0,
        kept: 0
      })
    }).pipe(Effect.provide(onDatabase))
  )

  it.live("replaces another broker's list by the mock's only when forced, and suggests its names", () =>
    Effect.gen(function* () {
      const store = yield* InstrumentStore
      yield* store.replaceAll("zerodha", many(100), now)
      assert.strictEqual((yield* Effect.flip(store.replaceAll("mock", mockInstruments, now)))._tag, "TooFewInstruments")
      yield* store.replaceAll("mock", mockInstruments, now, { force: true })
      const status = Option.getOrThrow(yield* store.status)
      assert.deepStrictEqual([status.source, status.count], ["mock", mockInstruments.length])
      assert.deepStrictEqual(yield* store.candidates("NSE:RELIANSE"), names("BSE:RELIANCE", "NSE:RELIANCE"))
      assert.deepStrictEqual(yield* store.candidates("NSE:TELIANCE"), names("NSE:RELIANCE", "NSE:TCS"))
      assert.deepStrictEqual(yield* store.candidates("MCX:ZZZ"), [])
    }).pipe(Effect.provide(onDatabase))
  )
})

describe("the instrument facts for a plan", () => {
  it.effect("are unknown without a list, and then have the listing, futures, similar names and volume profile", () =>
    Effect.gen(function* () {
      const store = yield* InstrumentStore
      const venueOf = (name: string) => Effect.map(store.markets([name, name]), (markets) => markets.get(name))
      assert.deepStrictEqual(yield* venueOf("NSE:INFY"), { volumeProfile: null, listing: null, quote: null })

      // A share has futures up to the expiry of the last one, by the clock of the test.
      const today = "1970-01-01"
      const infy = details("NSE:INFY")
      const future = details("NFO:INFY26DECFUT", { name: "INFY", segment: "NFO-FUT", token: 2, expiry: today })
      const small = details("NSE:SMALL", { token: 3 })
      const onBse = [
        details("BSE:OTHER", { token: 4 }),
        details("BFO:OTHER26DECFUT", { name: "OTHER", segment: "BFO-FUT", token: 5 }),
        details("BFO:SMALL26DEC100CE", { name: "SMALL", segment: "BFO-OPT", token: 6 }),
        details("BFO:SMALL69DECFUT", { name: "SMALL", segment: "BFO-FUT", token: 7, expiry: "1969-12-31" })
      ]
      yield* store.replaceAll("mock", [infy, future, small, ...onBse], now)
      const { sql, execute } = yield* Db
      yield* execute("test", sql`INSERT INTO volume_profiles VALUES ('NSE:SMALL', '{1,2.5}', 'me', now())`)

      const market = yield* venueOf("NSE:INFY")
      assert.isTrue(market?.listing?._tag === "Listed" && market.listing.hasFutures)
      const other = yield* venueOf("BSE:OTHER")
      assert.isTrue(other?.listing?._tag === "Listed" && other.listing.hasFutures)
      const another = yield* venueOf("NSE:SMALL")
      assert.isTrue(another?.listing?._tag === "Listed" && !another.listing.hasFutures)
      assert.deepStrictEqual(another?.volumeProfile, [1, 2.5])
      assert.deepStrictEqual((yield* venueOf("NSE:INFI"))?.listing, { _tag: "Unlisted", similar: names("NSE:INFY") })
      // Each search reads the whole list, and every order of a batch may have an unknown instrument.
      const wrong = yield* store.markets(["NSE:INFI", "NSE:INFA", "NSE:INFE", "NSE:INFO", "NSE:INFU"])
      const searched = [...wrong.values()].filter(
        ({ listing }) => listing?._tag === "Unlisted" && listing.similar.length > 0
      )
      assert.deepStrictEqual([wrong.size, searched.length], [5, 3])
    }).pipe(Effect.provide(onDatabase))
  )
})

describe("the mock's instruments", () => {
  it("are unique, and none expires soon", () => {
    assert.lengthOf(new Set(mockInstruments.map(({ instrument }) => instrument)), mockInstruments.length)
    assert.lengthOf(new Set(mockInstruments.map(({ token }) => token)), mockInstruments.length)
    for (const { expiry } of mockInstruments) assert.isTrue(expiry === null || expiry > "2090-01-01")
  })
})
