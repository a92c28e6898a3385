import { assert, describe, it } from "@effect/vitest"
import { Clock, DateTime, Effect, Layer, Schema } from "effect"
import { clockOver } from "../../src/clock/overrideClock.ts"
import { TradingHours } from "../../src/config/TradingHours.ts"
import { Db } from "../../src/db/Db.ts"
import { instant } from "../../src/db/parameters.ts"
import { announced } from "../../src/domain/market/data/announced.ts"
import { builtInCalendar } from "../../src/domain/market/data/builtInCalendar.ts"
import { calendarOf, endsOf, type TradingCalendar } from "../../src/domain/market/TradingCalendar.ts"
import type { PerVenue } from "../../src/domain/market/Venue.ts"
import { Instance } from "../../src/runtime/Instance.ts"
import { BacklogStore } from "../../src/stores/operations/BacklogStore.ts"
import { DoctorStore } from "../../src/stores/operations/DoctorStore.ts"
import { LookoutStore } from "../../src/stores/operations/LookoutStore.ts"
import { NotificationStore } from "../../src/stores/operations/NotificationStore.ts"
import { OrderCommands } from "../../src/stores/orders/OrderCommands.ts"
import { OrderStore } from "../../src/stores/orders/OrderStore.ts"
import { makeSplitPending } from "../../src/workers/OrderSplitter.ts"
import { scriptedBroker } from "../support/scriptedBroker.ts"
import { asked, insertOrder, orderRow, serviceLayer, sliceRows } from "../support/service.ts"

const service = serviceLayer({ broker: scriptedBroker })

/** The built-in calendar ends with 2026; this one knows the shares' days of January, too. */
const withJanuary = calendarOf([
  announced,
  {
    until: { EQUITY: "2027-01-31", EQUITY_WITH_DERIVATIVES: "2027-01-31" },
    days: [{ day: "2027-01-26", markets: ["EQUITY", "EQUITY_WITH_DERIVATIVES"], name: "Republic Day", sessions: [] }]
  }
])

const at = (indian: string) => DateTime.makeUnsafe(`${indian}+05:30`)

/** Runs an effect with a clock that stands still. */
const atTime = (now: string) => {
  const millis = DateTime.toEpochMillis(at(now))
  const standing = { currentTimeMillisUnsafe: () => millis, currentTimeMillis: Effect.succeed(millis) }
  return <A, E, R>(effect: Effect.Effect<A, E, R>) =>
    Effect.flatMap(Clock.Clock, (clock) => Effect.provideService(effect, Clock.Clock, clockOver(clock, standing)))
}

/** One pass of a splitter with this calendar; answers with how many orders it claimed. */
const splitWith = (calendar: TradingCalendar | null, now = "2026-12-30T12:00:00") =>
  Effect.flatten(makeSplitPending).pipe(
    Effect.provide(Layer.succeed(TradingHours, TradingHours.fixed(calendar))),
    atTime(now)
  )

const onNewYear = { created_at: instant(at("2027-01-01T09:00:00")), duration_minutes: 60 }

const Wait = Schema.Struct({
  orderQueueStatus: Schema.String,
  reasonCode: Schema.NullOr(Schema.String),
  market: Schema.NullOr(Schema.String),
  until: Schema.NullOr(Schema.String),
  splitAttempts: Schema.Int
})

const waitOf = (id: string) =>
  Effect.flatMap(Db, ({ sql, queryOne }) =>
    queryOne(
      "test.waitOf",
      Wait,
      sql`
        SELECT order_queue_status, reason_code, calendar_market AS market, calendar_until::text AS until, split_attempts
        FROM orders WHERE id = ${id}`
    )
  )

describe("an order beyond the end of the calendar", () => {
  it.effect("waits with its reason, and is split by the first splitter whose calendar knows its day", () =>
    Effect.gen(function* () {
      yield* insertOrder("o1", onNewYear)
      assert.strictEqual(yield* splitWith(builtInCalendar), 1)
      assert.deepStrictEqual(yield* waitOf("o1"), {
        orderQueueStatus: "PENDING",
        reasonCode: "calendar_ends",
        market: "EQUITY_WITH_DERIVATIVES",
        until: "2026-12-31",
        splitAttempts: 0
      })
      const { statusReason } = yield* orderRow("o1")
      assert.include(statusReason, "it waits, and goes on by itself when more days are known")
      assert.include(statusReason, "EQUITY_WITH_DERIVATIVES are known until 2026-12-31")

      // Nobody looks at it twice with the same calendar, and a daemon without one does not place it at any time.
      assert.strictEqual(yield* splitWith(builtInCalendar), 0)
      assert.strictEqual(yield* splitWith(null), 0)
      assert.strictEqual(yield* splitWith(withJanuary), 1)
      assert.deepInclude(yield* waitOf("o1"), { orderQueueStatus: "DONE", reasonCode: null, until: null })
      const [first] = yield* sliceRows("o1")
      assert.strictEqual(first?.dueMillis, DateTime.toEpochMillis(at("2027-01-01T09:15:05")))
    }).pipe(Effect.provide(service))
  )

  it.effect("waits again with the later end if that does not reach far enough, and never holds up others", () =>
    Effect.gen(function* () {
      yield* insertOrder("far", { ...onNewYear, created_at: instant(at("2027-02-01T09:00:00")) })
      yield* insertOrder("gold", { ...onNewYear, instrument: "MCX:GOLD27FEBFUT" })
      assert.strictEqual(yield* splitWith(builtInCalendar), 2)
      assert.strictEqual(yield* splitWith(withJanuary), 1)
      assert.deepInclude(yield* waitOf("far"), { orderQueueStatus: "PENDING", until: "2027-01-31" })
      assert.deepInclude(yield* waitOf("gold"), { orderQueueStatus: "PENDING", until: "2026-12-31" })
      yield* insertOrder("today", { created_at: instant(at("2026-12-30T12:00:00")) })
      assert.strictEqual(yield* splitWith(withJanuary), 1)
      assert.strictEqual((yield* waitOf("today")).orderQueueStatus, "DONE")
    }).pipe(Effect.provide(service))
  )

  it.effect("is refused at once for what no calendar would mend, and for a day that is known and over", () =>
    Effect.gen(function* () {
      yield* insertOrder("few", { ...onNewYear, total_quantity: 3 })
      yield* insertOrder("late", { created_at: instant(at("2026-12-31T16:00:00")) })
      yield* insertOrder("next", { created_at: instant(at("2026-12-31T16:00:00")), session_policy: "NEXT_SESSION" })
      yield* splitWith(builtInCalendar)
      assert.deepInclude(yield* waitOf("few"), { orderQueueStatus: "FAILED", reasonCode: "invalid_order" })
      assert.deepInclude(yield* waitOf("late"), { orderQueueStatus: "FAILED", reasonCode: "market_closed" })
      assert.deepInclude(yield* waitOf("next"), { orderQueueStatus: "PENDING", reasonCode: "calendar_ends" })
    }).pipe(Effect.provide(service))
  )

  it.effect("is SKIPPED, not sent late, if its window is over by the time its day is known", () =>
    Effect.gen(function* () {
      yield* insertOrder("o1", onNewYear)
      yield* splitWith(builtInCalendar, "2027-01-04T10:00:00")
      assert.strictEqual((yield* waitOf("o1")).orderQueueStatus, "PENDING")
      yield* splitWith(withJanuary, "2027-01-04T10:00:00")
      assert.deepInclude(yield* waitOf("o1"), { orderQueueStatus: "SKIPPED", reasonCode: "window_over" })
    }).pipe(Effect.provide(service))
  )

  it.effect("can be cancelled while it waits and while it is looked at, and arrives without a mark of its own", () =>
    Effect.gen(function* () {
      const commands = yield* OrderCommands
      const now = at("2026-12-30T12:00:00")
      yield* insertOrder("o1", onNewYear)
      yield* splitWith(builtInCalendar)
      yield* commands.requestCancel("o1", asked, now)
      assert.deepInclude(yield* waitOf("o1"), { orderQueueStatus: "SKIPPED", reasonCode: "order_cancelled" })

      yield* insertOrder("o2", { ...onNewYear, calendar_market: "NOWHERE", calendar_until: "2026-12-31" })
      const orders = yield* OrderStore
      const options = { now, owner: "a", limit: 9, windowGrace: null, knownUntil: endsOf(builtInCalendar) }
      const [claimed] = yield* orders.claimPending(options)
      yield* commands.requestCancel("o2", asked, now)
      const waitsFor = { market: "EQUITY", until: "2026-12-31" } as const
      const reason = { code: "calendar_ends", text: "unknown days" } as const
      const wait = { id: "o2", claimVersion: claimed?.claimVersion ?? 0, reason, waitsFor }
      yield* orders.waitForCalendar([{ ...wait, claimVersion: 0 }], now)
      assert.strictEqual((yield* waitOf("o2")).orderQueueStatus, "IN_PROGRESS")
      yield* orders.waitForCalendar([wait], now)
      assert.deepInclude(yield* waitOf("o2"), { orderQueueStatus: "SKIPPED", reasonCode: "order_cancelled" })
    }).pipe(Effect.provide(service))
  )

  it.effect("is told of once for each market, counted apart, and looked for only by who knows more days", () =>
    Effect.gen(function* () {
      const [notifications, doctor, backlog] = [yield* NotificationStore, yield* DoctorStore, yield* BacklogStore]
      const now = at("2026-12-30T12:00:00")
      for (const id of ["o1", "o2"]) yield* insertOrder(id, onNewYear)
      yield* splitWith(builtInCalendar)
      assert.strictEqual(yield* notifications.noteWaiting(now), 1)
      yield* insertOrder("o3", onNewYear)
      yield* splitWith(builtInCalendar)
      assert.strictEqual(yield* notifications.noteWaiting(now), 0)
      const { sql, queryOne } = yield* Db
      const { message } = yield* queryOne(
        "test.message",
        Schema.Struct({ message: Schema.String }),
        sql`SELECT message FROM notifications WHERE kind = 'calendar_ends'`
      )
      assert.match(message, /^2 orders wait for trading days of EQUITY_WITH_DERIVATIVES after 2026-12-31,/)

      const waiting = yield* doctor.waitingOrders
      const group = { market: "EQUITY_WITH_DERIVATIVES", until: "2026-12-31", count: 3, orderId: "o1" }
      assert.deepStrictEqual(waiting, [group])
      assert.deepInclude(yield* backlog.read(now), { ordersPending: 0, ordersWaiting: 3, pendingSince: null })
      assert.isFalse((yield* doctor.groups(now, true)).some(({ kind }) => kind === "pending"))
      const look = Effect.fnUntraced(function* (knownUntil: PerVenue<string> | null) {
        const beat = { instance: yield* Instance, startedAt: now, broker: "mock", heartbeats: [] }
        const sighting = yield* (yield* LookoutStore).look({ beat, now, withBootId: false, knownUntil })
        return sighting.hasPendingOrders
      })
      assert.deepStrictEqual(
        [yield* look(null), yield* look(endsOf(builtInCalendar)), yield* look(endsOf(withJanuary))],
        [false, false, true]
      )
    }).pipe(Effect.provide(Layer.merge(NotificationStore.layer, DoctorStore.layer).pipe(Layer.provideMerge(service))))
  )
})
