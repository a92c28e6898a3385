import { assert, describe, it } from "@effect/vitest"
import { Context, DateTime, Effect, Layer, Option, Queue } from "effect"
import { PlacementGate } from "../../../src/broker/PlacementGate.ts"
import { TradingHours } from "../../../src/config/TradingHours.ts"
import { Db } from "../../../src/db/Db.ts"
import { Wakeups } from "../../../src/db/Wakeups.ts"
import type { Announcements } from "../../../src/domain/market/Announcements.ts"
import { hoursOn } from "../../../src/domain/market/TradingCalendar.ts"
import { CalendarStore } from "../../../src/stores/operations/CalendarStore.ts"
import { OperatorActionStore } from "../../../src/stores/operations/OperatorActionStore.ts"
import { CalendarFollower, FollowCalendar } from "../../../src/workers/supervision/followCalendar.ts"
import { configuration, testDatabase } from "../../support/database.ts"
import { eventually } from "../../support/processes.ts"

const asked = { by: "asha", reason: "a circular" }
const now = DateTime.makeUnsafe("2026-11-30T06:00:00Z")
const holiday: Announcements = { days: [{ day: "2026-12-24", markets: "all", sessions: [], name: "Polls" }] }

/** A daemon's calendar, with a wake-up that the test gives. */
const daemon = (environment: Readonly<Record<string, string>> = { TRADING_CALENDAR: "on" }) =>
  Effect.gen(function* () {
    const woken = yield* Queue.unbounded<void>()
    const built = yield* Layer.build(
      FollowCalendar.pipe(
        Layer.provideMerge(Layer.fresh(PlacementGate.layer)),
        Layer.provideMerge(Layer.fresh(TradingHours.layer)),
        Layer.provide(Layer.mock(Wakeups)({ next: () => Queue.take(woken) })),
        Layer.provide(configuration(environment)),
        Layer.fresh
      )
    )
    return {
      follow: Context.get(built, CalendarFollower).follow,
      hours: Context.get(built, TradingHours),
      closure: Effect.map(Context.get(built, PlacementGate).current, (closure) => closure?.reason ?? null),
      wake: Queue.offer(woken, undefined)
    }
  })

const polls = ({ calendar }: TradingHours["Service"]) => {
  const known = calendar()
  return known === null ? "off" : hoursOn(known, "EQUITY", "2026-12-24")
}

const revision = Effect.flatMap(CalendarStore, ({ read }) => Effect.map(read, ({ revision }) => revision))

const add = (announcements: Announcements, at: number) =>
  Effect.flatMap(CalendarStore, (store) =>
    store.add({ source: "polls.json", form: "own", announcements, revision: at }, asked, now)
  )

const stores = Layer.merge(CalendarStore.layer, OperatorActionStore.layer).pipe(Layer.provideMerge(testDatabase))

describe("two daemons", () => {
  it.live("know of an import and of its removal without a restart, by a notification or the next look", () =>
    Effect.gen(function* () {
      const [told, looking] = [yield* daemon(), yield* daemon()]
      assert.deepStrictEqual([polls(told.hours), polls(looking.hours)], ["09:15–15:30", "09:15–15:30"])
      assert.deepStrictEqual(yield* add(holiday, 0), Option.some(1))

      yield* told.wake
      const shown = Effect.sync(() => polls(told.hours))
      yield* eventually("the daemon that was told knows the holiday", shown, (hours) => hours === "closed")
      assert.strictEqual(polls(looking.hours), "09:15–15:30")
      yield* looking.follow(yield* revision)
      assert.strictEqual(polls(looking.hours), "closed")
      assert.strictEqual(polls((yield* daemon()).hours), "closed", "a daemon that starts later")

      assert.isTrue(yield* (yield* CalendarStore).remove(1, asked, now))
      yield* looking.follow(yield* revision)
      assert.strictEqual(polls(looking.hours), "09:15–15:30")
      assert.strictEqual(polls((yield* daemon()).hours), "09:15–15:30", "a daemon that starts later")
      const actions = yield* (yield* OperatorActionStore).list(null, 10)
      assert.deepStrictEqual(
        actions.map(({ action, operator, reason }) => [action, operator, reason]),
        [
          ["calendar remove", "asha", "a circular"],
          ["calendar import", "asha", "a circular"]
        ]
      )
    }).pipe(Effect.scoped, Effect.provide(stores))
  )
})

describe("an import that cannot be read", () => {
  const breakIt = Effect.flatMap(Db, ({ execute, sql }) =>
    execute("test.break", sql`UPDATE calendar_imports SET announcements = '{"days":[{"day":"2026-13-01"}]}'`)
  )

  it.live("closes the gate of a daemon that runs until it is removed, and lets none start", () =>
    Effect.gen(function* () {
      const running = yield* daemon()
      yield* add(holiday, 0)
      yield* breakIt
      yield* running.follow(yield* revision)
      assert.include(yield* running.closure, "import 1 (polls.json) of the trading calendar cannot be read")
      const error = yield* Effect.flip(daemon())
      assert.include(error.message, "calendar remove 1")

      yield* (yield* CalendarStore).remove(1, asked, now)
      yield* running.follow(yield* revision)
      assert.isNull(yield* running.closure)
      assert.strictEqual(polls((yield* daemon()).hours), "09:15–15:30")
    }).pipe(Effect.scoped, Effect.provide(stores))
  )

  it.live("closes the gate too when the database does not give it, and is nothing to a daemon without a calendar", () =>
    Effect.gen(function* () {
      const [running, mock] = [yield* daemon(), yield* daemon({})]
      yield* Effect.flatMap(Db, ({ execute, sql }) => execute("test.lose", sql`DROP TABLE calendar_imports`))
      yield* running.follow(1)
      assert.include(yield* running.closure, "calendar_imports")
      yield* mock.follow(1)
      assert.isNull(yield* mock.closure)
      assert.strictEqual(polls(mock.hours), "off")
    }).pipe(Effect.scoped, Effect.provide(stores))
  )
})

describe("CalendarStore.add", () => {
  it.live("adds nothing when the calendar has changed since it was looked at, and one of two at once", () =>
    Effect.gen(function* () {
      const both = yield* Effect.all([add(holiday, 0), add(holiday, 0)], { concurrency: 2 })
      assert.deepStrictEqual(both.filter(Option.isSome), [Option.some(1)])
      assert.isTrue(Option.isNone(yield* add(holiday, 0)))
      assert.strictEqual(yield* revision, 1)
      assert.deepStrictEqual(yield* add(holiday, 1), Option.some(2))
      const store = yield* CalendarStore
      assert.isFalse(yield* store.remove(7, asked, now))
      assert.isTrue(yield* store.remove(2, asked, now))
      assert.isFalse(yield* store.remove(2, asked, now))
      assert.strictEqual(yield* revision, 3)
    }).pipe(Effect.provide(stores))
  )
})
