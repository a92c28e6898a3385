import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Random, Redacted } from "effect"
import { existsSync } from "node:fs"
import { join } from "node:path"
import { Db } from "../../src/db/Db.ts"
import { allProcessed, insertOrders, quick } from "../support/daemon.ts"
import { asAdmin, configuration, dbAt as adminDbAt, freshDatabase, targetOf } from "../support/database.ts"
import { eventually, runMain, startMain } from "../support/processes.ts"
import { urlOfTarget } from "../support/tcpProxy.ts"

const isBuilt = existsSync(join(import.meta.dirname, "../../dist/main.js"))

/** A database whose owner may have `limit` connections, and its URL. */
const limitedTo = Effect.fnUntraced(function* (limit: number, from: "migrated" | "empty" = "migrated") {
  const database = yield* freshDatabase(from)
  const role = `limited_${(yield* Random.nextIntBetween(0, 36 ** 9)).toString(36)}`
  const password = Redacted.make("secret")
  yield* Effect.acquireRelease(
    asAdmin((sql) => sql.unsafe(`CREATE ROLE ${role} LOGIN PASSWORD 'secret' CONNECTION LIMIT ${limit}`)).pipe(
      Effect.orDie
    ),
    () =>
      asAdmin((sql) =>
        Effect.andThen(sql.unsafe(`DROP DATABASE IF EXISTS ${database} WITH (FORCE)`), sql.unsafe(`DROP ROLE ${role}`))
      ).pipe(Effect.orDie)
  )
  yield* asAdmin((sql) => sql.unsafe(`ALTER DATABASE ${database} OWNER TO ${role}`))
  return urlOfTarget({ ...targetOf(database), username: role }, password)
})

const dbAt = (url: Redacted.Redacted) => Layer.fresh(Db.layer({ url }).pipe(Layer.provide(configuration())))

/** What a person must be told. */
const told =
  /too many connections for role .*End sessions that nobody needs, lower DATABASE_POOL_SIZE, or raise the limit/

describe("a server without a free connection", () => {
  it.live("lets statements wait for a connection of their own pool", () =>
    Effect.gen(function* () {
      const url = yield* limitedTo(2, "empty")
      const { sql, execute } = yield* Effect.provide(Db, yield* Layer.build(dbAt(url)))
      yield* Effect.forEach(Array.from({ length: 10 }), () => execute("test.sleep", sql`SELECT pg_sleep(0.05)`), {
        concurrency: "unbounded",
        discard: true
      })
    })
  )

  it.live("is named at the start, by commands and by the daemon, with what to do", () =>
    Effect.gen(function* () {
      const url = yield* limitedTo(0)
      const error = yield* Effect.flip(Effect.scoped(Layer.build(dbAt(url))))
      assert.match(error.message, told)
      assert.isTrue(error.isTransient)
      if (!isBuilt) return
      const environment = { DATABASE_URL: Redacted.value(url) }
      for (const command of [["order", "list"], ["doctor"]]) {
        const { code, output } = yield* runMain(command, environment)
        assert.strictEqual(code, 1, output)
        assert.match(output, told)
      }
      const daemon = yield* startMain([], environment)
      yield* eventually("the daemon waits", Effect.sync(daemon.output), (log) => told.test(log))
      daemon.child.kill("SIGTERM")
      assert.strictEqual(yield* daemon.exit, 0)
    })
  )

  it.live.runIf(isBuilt)("lets a daemon work with fewer connections than its pool may have", () =>
    Effect.gen(function* () {
      const url = yield* limitedTo(4, "empty")
      const run = yield* startMain([], { ...quick, DATABASE_URL: Redacted.value(url) })
      yield* eventually("its workers run", Effect.sync(run.output), (log) => log.includes("is running as"))
      const database = new URL(Redacted.value(url)).pathname.slice(1)
      yield* Effect.gen(function* () {
        yield* insertOrders(20, { duration_minutes: 0, num_splits: 5 }, 0)
        yield* allProcessed(100)
      }).pipe(Effect.provide(adminDbAt(database)))
      run.child.kill("SIGTERM")
      assert.strictEqual(yield* run.exit, 0)
    })
  )
})
