import { assert, describe, it } from "@effect/vitest"
import { DateTime, Duration, Effect, Layer, Logger, Option, Schema } from "effect"
import { mockInstruments } from "../../../src/broker/mock/mockInstruments.ts"
import { InstrumentsUnavailable } from "../../../src/broker/zerodha/fetchInstruments.ts"
import type { InstrumentDump } from "../../../src/broker/zerodha/instrumentDump.ts"
import { Db } from "../../../src/db/Db.ts"
import { InstrumentStore } from "../../../src/stores/account/InstrumentStore.ts"
import { InstrumentSyncStore } from "../../../src/stores/account/InstrumentSyncStore.ts"
import { NotificationStore } from "../../../src/stores/operations/NotificationStore.ts"
import { makeSyncRound } from "../../../src/workers/monitor/instrumentSync.ts"
import { scriptedBroker } from "../../support/scriptedBroker.ts"
import { serviceLayer, setClock } from "../../support/service.ts"

const service = Layer.mergeAll(InstrumentSyncStore.layer, NotificationStore.layer).pipe(
  Layer.provideMerge(
    serviceLayer({
      broker: scriptedBroker,
      environment: {
        BROKER_TYPE: "zerodha",
        ZERODHA_API_KEY: "key",
        TRADING_CALENDAR: "off",
        NOTIFY_WEBHOOK_URL: "https://example.com/hook"
      }
    })
  )
)

/** Daemons that get what `answers` has next, and how often they have asked. */
const daemons = Effect.gen(function* () {
  const answers: Array<InstrumentDump | string> = []
  const asked: Array<string> = []
  const daemon = (name: string) =>
    makeSyncRound(
      Effect.suspend(() => {
        asked.push(name)
        const answer = answers.shift() ?? "no token"
        return typeof answer === "string"
          ? Effect.fail(new InstrumentsUnavailable({ message: answer }))
          : Effect.succeed(answer)
      })
    )
  const [a, b] = [yield* daemon("a"), yield* daemon("b")]
  return { answers, asked, a, b }
})

const list = (count = mockInstruments.length): InstrumentDump => ({
  instruments: mockInstruments.slice(0, count),
  leftOut: 0,
  refused: []
})

/** Sets the clock to a time of day in India, some days on. */
const at = (time: string, days = 0) => {
  const [hours = 0, minutes = 0, seconds = 0] = time.split(":").map(Number)
  return setClock(Duration.seconds(((days * 24 + hours) * 60 + minutes - 330) * 60 + seconds))
}

const syncedAt = Effect.map(
  Effect.flatMap(InstrumentStore, ({ status }) => status),
  (status) => Option.getOrNull(Option.map(status, ({ syncedAt }) => DateTime.formatIso(syncedAt)))
)

const told = Effect.flatMap(Db, ({ sql, query }) =>
  query("test.told", Schema.Struct({ key: Schema.String }), sql`SELECT key FROM notifications ORDER BY key`)
).pipe(Effect.map((rows) => rows.map(({ key }) => key)))

const errorsOf = <A, E, R>(work: (errors: ReadonlyArray<string>) => Effect.Effect<A, E, R>) => {
  const errors: Array<string> = []
  const capture = Logger.make(({ logLevel, message }) => void (logLevel === "Error" && errors.push(String(message))))
  return Effect.provide(work(errors), Logger.layer([capture]))
}

describe("the daily sync of instruments", () => {
  it.effect("is made by one of two daemons, from its time on, and again after a failure", () =>
    Effect.gen(function* () {
      const { a, answers, asked, b } = yield* daemons
      yield* at("08:30")
      assert.deepStrictEqual(Duration.toMinutes(yield* a), 5)
      assert.deepStrictEqual(asked, [])
      yield* at("08:35")
      yield* Effect.all([a, b], { concurrency: "unbounded" })
      assert.lengthOf(asked, 1)
      yield* at("08:35:30")
      yield* Effect.all([a, b], { concurrency: "unbounded" })
      assert.lengthOf(asked, 1)

      answers.push(list())
      yield* at("08:36")
      yield* Effect.all([a, b], { concurrency: "unbounded" })
      assert.lengthOf(asked, 2)
      assert.strictEqual(yield* syncedAt, "1970-01-01T03:06:00.000Z")
      assert.strictEqual(Duration.toMinutes(yield* a), 10)
      yield* at("15:00")
      yield* Effect.all([a, b], { concurrency: "unbounded" })
      assert.lengthOf(asked, 2)

      answers.push(list())
      yield* at("08:35", 1)
      yield* b
      yield* a
      assert.deepStrictEqual(asked.slice(2), ["b"])
      assert.deepStrictEqual(yield* told, [])
    }).pipe(Effect.provide(service))
  )

  it.effect("goes on after a daemon that died in its turn, and needs none after a person's sync", () =>
    Effect.gen(function* () {
      const { a, answers, asked, b } = yield* daemons
      yield* at("08:35")
      const turns = yield* InstrumentSyncStore
      const now = yield* DateTime.now
      const turn = yield* turns.takeTurn({ source: "zerodha", day: "1970-01-01", dueAt: now, now })
      assert.deepStrictEqual(turn, { isThere: false, attempts: 1 })
      yield* at("08:39:59")
      yield* a
      assert.deepStrictEqual(asked, [])
      answers.push(list())
      yield* at("08:40")
      yield* b
      assert.deepStrictEqual(asked, ["b"])

      yield* at("08:36", 1)
      yield* (yield* InstrumentStore).replaceAll("zerodha", mockInstruments, yield* DateTime.now)
      assert.strictEqual(Duration.toMinutes(yield* a), 10)
      assert.deepStrictEqual(asked, ["b"])
    }).pipe(Effect.provide(service))
  )

  it.effect("tells people once when it is needed, and at once of a list that is far too short", () =>
    errorsOf((errors) =>
      Effect.gen(function* () {
        const { a, answers, asked, b } = yield* daemons
        const turns = yield* InstrumentSyncStore
        for (const time of ["08:35", "08:36", "08:38", "08:42", "08:50"]) yield* Effect.andThen(at(time), a)
        assert.lengthOf(asked, 5)
        assert.deepStrictEqual([errors.length, (yield* told).length], [0, 0])
        for (const time of ["09:00", "09:10"]) yield* Effect.andThen(at(time), b)
        assert.lengthOf(asked, 7)
        assert.deepStrictEqual(yield* told, ["instruments:1970-01-01"])
        assert.lengthOf(errors, 1)
        assert.include(errors[0], "The list of instruments is not of today (1970-01-01): no token.")
        assert.deepInclude(yield* turns.state, { day: "1970-01-01", failure: "no token" })

        answers.push(list())
        yield* Effect.andThen(at("09:20"), b)
        assert.strictEqual((yield* turns.state).failure, null)

        answers.push(list(7), list())
        yield* Effect.andThen(at("08:35", 1), a)
        assert.include(errors[1], "7 instruments, under half of the 16 that are known; nothing was changed")
        assert.deepStrictEqual(yield* told, ["instruments:1970-01-01", "instruments:1970-01-02"])
        yield* Effect.andThen(at("08:36", 1), a)
        assert.strictEqual(yield* syncedAt, "1970-01-02T03:06:00.000Z")
        assert.lengthOf(errors, 2)
      })
    ).pipe(Effect.provide(service))
  )
})
