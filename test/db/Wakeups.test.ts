import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Layer } from "effect"
import { TestClock } from "effect/testing"
import { Db } from "../../src/db/Db.ts"
import { channel } from "../../src/db/parameters.ts"
import { probe } from "../../src/db/pool.ts"
import { type Topic, Wakeups } from "../../src/db/Wakeups.ts"
import { asAdmin, dbAt, freshDatabase } from "../support/database.ts"
import { eventually } from "../support/processes.ts"
import { insertOrder } from "../support/service.ts"

const topics = ["orders", "slices", "cancels"] as const

const listenersOf = (database: string) =>
  asAdmin(
    (sql) => sql<{ readonly pid: number }>`
      SELECT pid FROM pg_stat_activity WHERE datname = ${database} AND query = ${probe}`
  )

/** Runs a test on a fresh database, whose name it gets, with wake-ups that are already listening. */
const withWakeups = <A, E>(body: (database: string) => Effect.Effect<A, E, Db | Wakeups>) =>
  Effect.gen(function* () {
    const database = yield* freshDatabase()
    return yield* Effect.gen(function* () {
      yield* awaitAll
      return yield* body(database)
    }).pipe(Effect.provide(Layer.fresh(Wakeups.layer.pipe(Layer.provideMerge(Layer.orDie(dbAt(database)))))))
  })

const awaitAll = Effect.gen(function* () {
  const wakeups = yield* Wakeups
  yield* Effect.forEach(topics, wakeups.next, { discard: true })
})

const notify = (payload: string) =>
  Effect.gen(function* () {
    const { sql, execute } = yield* Db
    yield* execute("test.notify", sql`SELECT pg_notify(${channel}, ${payload})`)
  })

/**
 * The topics with a pending wake-up. It sends a notification for `last` and waits for it: notifications arrive in order,
 * so all earlier ones have been seen by then.
 */
const woken = (last: Topic) =>
  Effect.gen(function* () {
    const wakeups = yield* Wakeups
    const isAwake = (topic: Topic) =>
      Effect.gen(function* () {
        const waiting = yield* Effect.forkChild(wakeups.next(topic), { startImmediately: true })
        const isOver = waiting.pollUnsafe() !== undefined
        yield* Fiber.interrupt(waiting)
        return isOver ? [topic] : []
      })
    yield* notify(last)
    yield* wakeups.next(last)
    return (yield* Effect.forEach(topics, isAwake)).flat()
  })

describe("Wakeups", () => {
  it.live("wakes every topic once when it begins to listen, and then only after a notification", () =>
    withWakeups(() => Effect.map(woken("cancels"), (awake) => assert.deepStrictEqual(awake, [])))
  )

  it.live("wakes the splitter when an order is INSERTed", () =>
    withWakeups(() =>
      Effect.gen(function* () {
        const wakeups = yield* Wakeups
        yield* insertOrder("o1")
        yield* wakeups.next("orders")
        assert.deepStrictEqual(yield* woken("slices"), [])
      })
    )
  )

  it.live("does not wake for an order that is rolled back", () =>
    withWakeups(() =>
      Effect.gen(function* () {
        const { transaction } = yield* Db
        yield* Effect.ignore(transaction("test.undone", Effect.andThen(insertOrder("o1"), Effect.fail("undone"))))
        assert.deepStrictEqual(yield* woken("slices"), [])
      })
    )
  )

  it.live("keeps a wake-up until a worker waits, and merges several into one", () =>
    withWakeups(() =>
      Effect.gen(function* () {
        for (let n = 0; n < 5; n += 1) yield* insertOrder(`o${n}`)
        assert.deepStrictEqual(yield* woken("slices"), ["orders"])
        assert.deepStrictEqual(yield* woken("slices"), [])
      })
    )
  )

  it.live("ignores unknown notifications", () =>
    withWakeups(() =>
      Effect.gen(function* () {
        for (const payload of ["", "nonsense", "ORDERS", "orders,slices"]) yield* notify(payload)
        assert.deepStrictEqual(yield* woken("cancels"), [])
      })
    )
  )

  it.live("wakes every waiter of a topic, in every replica", () =>
    Effect.gen(function* () {
      const database = yield* freshDatabase()
      const replica = Effect.gen(function* () {
        yield* awaitAll
        return yield* Wakeups
      }).pipe(
        Effect.flatMap((wakeups) => Effect.forEach(topics, (topic) => Effect.forkChild(wakeups.next(topic)))),
        Effect.map((waiting) => Effect.forEach(waiting, Fiber.join, { discard: true }))
      )
      const layer = () => Wakeups.layer.pipe(Layer.provideMerge(Layer.orDie(dbAt(database))))
      const [one, other] = yield* Effect.all([
        Effect.provide(replica, yield* Layer.build(Layer.fresh(layer()))),
        Effect.provide(replica, yield* Layer.build(Layer.fresh(layer())))
      ])
      yield* Effect.forEach(topics, notify).pipe(Effect.provide(dbAt(database)))
      yield* one
      yield* other
    })
  )

  it.effect("listens again after a lost connection, and then wakes every topic once", () =>
    withWakeups((database) =>
      Effect.gen(function* () {
        const wakeups = yield* Wakeups
        const [listener] = yield* listenersOf(database)
        yield* asAdmin((sql) => sql`SELECT pg_terminate_backend(${listener?.pid})`)
        yield* eventually("the listener is gone", listenersOf(database), (rows) => rows.length === 0)
        // These are missed: it listens again after a second, and the test's clock stands still.
        yield* insertOrder("o1")
        yield* notify("cancels")

        // In small steps: a new connection is given five seconds, by the same clock.
        const later = Effect.andThen(TestClock.adjust("100 millis"), listenersOf(database))
        yield* eventually("it listens again", later, (rows) => rows.length === 1)
        yield* awaitAll
        assert.deepStrictEqual(yield* woken("slices"), [])

        yield* insertOrder("o2")
        yield* wakeups.next("orders")
      })
    )
  )
})
