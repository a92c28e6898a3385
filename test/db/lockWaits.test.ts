import * as PgClient from "@effect/sql-pg/PgClient"
import { assert, describe, it } from "@effect/vitest"
import { DateTime, Effect, Fiber, Latch, Layer, Logger } from "effect"
import { SqlClient } from "effect/sql"
import { Db } from "../../src/db/Db.ts"
import { migrate } from "../../src/db/Migrations.ts"
import { BrokerOrderId } from "../../src/domain/model/Ids.ts"
import { DayTotalStore } from "../../src/stores/account/DayTotalStore.ts"
import { SliceCommands } from "../../src/stores/slices/SliceCommands.ts"
import { dbAt, freshDatabase, targetOf } from "../support/database.ts"
import { asked } from "../support/service.ts"

/** Holds an advisory lock as psql would, while `work` waits for it until it has said so; returns what it said. */
const whileHeld = <A, E, R>(database: string, lock: string, work: Effect.Effect<A, E, R>) =>
  Effect.gen(function* () {
    const told = yield* Latch.make(false)
    const lines: Array<string> = []
    const capture = Logger.layer([
      Logger.make(({ logLevel, message }) => {
        lines.push(`${logLevel}: ${String(message)}`)
        told.openUnsafe()
      })
    ])
    const holder = PgClient.layer({ ...targetOf(database), applicationName: "psql" })
    const waiting = yield* Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      return yield* sql.withTransaction(
        Effect.gen(function* () {
          yield* sql.unsafe(`SELECT pg_advisory_xact_lock(${lock})`)
          const fiber = yield* Effect.forkDetach(Effect.provide(work, capture))
          yield* told.await
          return fiber
        })
      )
    }).pipe(Effect.provide(holder, { local: true }))
    yield* Fiber.join(waiting)
    return lines
  })

describe("the wait for an advisory lock that another program holds", () => {
  it.live("is told of after a second, with the holder and what to do, and ends with it", () =>
    Effect.gen(function* () {
      const database = yield* freshDatabase("empty")
      yield* Effect.gen(function* () {
        const said =
          /^Warn: Waiting for the lock of (.*), which a program that is not this service \(process \d+ of the server, user pulse_background, application psql, from the server's own host\) holds\. End it: SELECT pg_terminate_backend\(\d+\); and let nobody else connect: REVOKE CONNECT ON DATABASE \w+ FROM PUBLIC;$/
        const waitFor = <A, E, R>(lock: string, work: Effect.Effect<A, E, R>) =>
          Effect.map(whileHeld(database, lock, work), (lines) => lines.map((line) => said.exec(line)?.[1] ?? line))
        assert.deepStrictEqual(yield* waitFor("hashtext('pulse_background_migrations')", migrate), ["migrations"])
        const now = DateTime.makeUnsafe(0)
        const totals = (yield* DayTotalStore).exclusively(now, () => Effect.void)
        assert.deepStrictEqual(yield* waitFor("hashtext('pulse_background_day_totals')", totals), [
          "the limits of the day"
        ])
        const order = { brokerOrderId: BrokerOrderId.make("b1"), fill: null }
        const placed = (yield* SliceCommands).placed("s1", order, asked, now)
        assert.deepStrictEqual(yield* waitFor("hashtext('pulse_background_broker_order'), hashtext('b1')", placed), [
          "broker order b1"
        ])
      }).pipe(
        Effect.provide(
          Layer.mergeAll(DayTotalStore.layer, SliceCommands.layer).pipe(Layer.provideMerge(dbAt(database)))
        )
      )
    })
  )

  it.live("is an ordinary line when the holder is another process of the service", () =>
    Effect.gen(function* () {
      const database = yield* freshDatabase("empty")
      const lines: Array<string> = []
      const capture = Logger.layer([
        Logger.make(({ logLevel, message }) => void lines.push(`${logLevel}: ${String(message)}`))
      ])
      yield* Effect.gen(function* () {
        const { sql, transaction } = yield* Db
        yield* transaction(
          "test.hold",
          Effect.gen(function* () {
            yield* sql`SELECT pg_advisory_xact_lock(hashtext('pulse_background_migrations'))`
            yield* Effect.provide(migrate, dbAt(database), { local: true }).pipe(
              Effect.provide(capture),
              Effect.timeoutOption("2 seconds")
            )
          })
        )
      }).pipe(Effect.provide(dbAt(database)))
      assert.match(
        lines.join("\n"),
        /^Info: Waiting for the lock of migrations, which another process of the service \(/
      )
    })
  )
})
