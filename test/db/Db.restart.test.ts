import { assert, it } from "@effect/vitest"
import { Effect, Fiber, Layer, Schedule, Schema, Stream } from "effect"
import { chmod, mkdtemp, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { Db } from "../../src/db/Db.ts"
import type { DbError } from "../../src/db/DbError.ts"
import { ownServer } from "../../src/db/EmbeddedPostgres.ts"
import { configuration } from "../support/database.ts"
import { eventually } from "../support/processes.ts"

/** The test's own server, which is restarted when it dies as the daemon does. */
const server = Effect.gen(function* () {
  const folder = yield* Effect.acquireRelease(
    Effect.promise(async () => {
      const folder = await mkdtemp(join(tmpdir(), "pulse-restart-"))
      await chmod(folder, 0o755)
      return folder
    }),
    (folder) => Effect.promise(() => rm(folder, { recursive: true, force: true }))
  )
  return yield* ownServer({ folder: join(folder, "pulse"), systemFolder: join(folder, "system") })
})

/** The confirmed rows of each writer, and the errors. */
interface Seen {
  readonly written: ReadonlyArray<Set<number>>
  readonly errors: Array<DbError>
}

/** Writes rows one after the other, each until it is confirmed, in statements and in transactions. */
const writeOn = ({ written, errors }: Seen, writer: number) =>
  Effect.gen(function* () {
    const { sql, execute, transaction } = yield* Db
    for (let n = 0; ; n += 1) {
      const id = writer * 1_000_000 + n
      const insert = execute("test.insert", sql`INSERT INTO t VALUES (${id}) ON CONFLICT DO NOTHING`)
      const write = n % 2 === 0 ? insert : transaction("test.transaction", insert)
      yield* write.pipe(
        Effect.tapError((error) => Effect.sync(() => errors.push(error))),
        Effect.retry({ while: (error) => error.isTransient, schedule: Schedule.spaced("20 millis") })
      )
      written[writer]?.add(id)
    }
  })

it.live("Db fails with transient errors while its server is gone, and then works again without losing rows", () =>
  Effect.gen(function* () {
    const { host, port, username, password, database } = yield* server
    const environment = { DATABASE_POOL_SIZE: "5", DATABASE_STATEMENT_TIMEOUT_SECONDS: "2" }
    yield* Effect.gen(function* () {
      const { sql, execute, query, listen } = yield* Db
      yield* execute("test.create", sql`CREATE TABLE t (id int PRIMARY KEY)`)
      const seen: Seen = { written: [new Set(), new Set(), new Set()], errors: [] }
      const writers = yield* Effect.forEach([0, 1, 2], (writer) => Effect.forkChild(writeOn(seen, writer)))
      // A statement that never ends would stop its writer before the next row.
      const eachWritesOn = Effect.suspend(() => {
        const before = seen.written.map(({ size }) => size)
        const progress = Effect.sync(() => seen.written.map(({ size }, writer) => size - (before[writer] ?? 0)))
        return eventually("each writer writes on", progress, (rows) => rows.every((count) => count >= 20))
      })

      for (const signal of ["SIGKILL", "SIGINT", "SIGKILL"] as const) {
        yield* eachWritesOn
        const listener = yield* Effect.forkChild(Effect.flip(Stream.runDrain(Stream.unwrap(listen("news")))))
        const [postmaster] = yield* query(
          "test.pid",
          Schema.Struct({ pid: Schema.Int }),
          sql`SELECT split_part(pg_read_file('postmaster.pid'), E'\n', 1)::int AS pid`
        )
        const errorsBefore = seen.errors.length
        process.kill(postmaster?.pid ?? assert.fail("no pid"), signal)
        assert.isTrue((yield* Fiber.join(listener)).isTransient)
        yield* eventually(
          "the writers notice",
          Effect.sync(() => seen.errors.length),
          (errors) => errors > errorsBefore
        )
        yield* eachWritesOn
      }

      yield* Fiber.interruptAll(writers)
      const strange = seen.errors.filter((error) => !error.isTransient)
      assert.deepStrictEqual(strange, [])
      const there = yield* query("test.rows", Schema.Struct({ id: Schema.Int }), sql`SELECT id FROM t`)
      const ids = new Set(there.map(({ id }) => id))
      assert.deepStrictEqual(
        seen.written.flatMap((written) => [...written]).filter((id) => !ids.has(id)),
        []
      )
    }).pipe(
      Effect.provide(
        Db.layer({ host, port, username, password, database }).pipe(Layer.provide(configuration(environment)))
      )
    )
  })
)
