import { assert, layer } from "@effect/vitest"
import { BigDecimal, DateTime, Deferred, Effect, Fiber, Layer, Schema } from "effect"
import { Db } from "../../src/db/Db.ts"
import type { DbError } from "../../src/db/DbError.ts"
import { booleans, decimals, instant, instants, integers, jsons, numbers, texts } from "../../src/db/parameters.ts"
import { dbAt, freshDatabase } from "../support/database.ts"

/** Db on an empty database. */
const emptyDatabase = (environment: Readonly<Record<string, string>> = {}) =>
  Layer.unwrap(Effect.map(freshDatabase("empty"), (name) => Layer.orDie(dbAt(name, environment))))

/** A database whose server ends statements after a second; the other statements of these tests take milliseconds. */
const shortTimeoutDatabase = emptyDatabase({ DATABASE_STATEMENT_TIMEOUT_SECONDS: "1" })

const assertWorks = Effect.gen(function* () {
  const { sql, query } = yield* Db
  assert.deepStrictEqual(yield* query("test.works", Schema.Struct({ one: Schema.Int }), sql`SELECT 1 AS one`), [
    { one: 1 }
  ])
})

const assertTransient = (error: DbError, operation: string, sqlState: string | null) => {
  assert.deepStrictEqual(
    { operation: error.operation, isTransient: error.isTransient, sqlState: error.sqlState },
    { operation, isTransient: true, sqlState }
  )
  assert.isTrue(error.message.startsWith(`${operation}: `), error.message)
}

layer(shortTimeoutDatabase, { excludeTestServices: true })("Db: the time limit of statements", (it) => {
  it.effect("ends a slow statement on the server, and names it", () =>
    Effect.gen(function* () {
      const { sql, execute } = yield* Db
      const error = yield* Effect.flip(execute("test.slow", sql`SELECT pg_sleep(600)`))
      assertTransient(error, "test.slow", "57014")
      assert.include(error.message, "statement timeout")
      yield* assertWorks
    })
  )

  it.effect("ends a statement in a transaction likewise, and rolls back the others", () =>
    Effect.gen(function* () {
      const { sql, execute, query, transaction } = yield* Db
      yield* execute("test.create", sql`CREATE TABLE undone (a int)`)
      const error = yield* Effect.flip(
        transaction(
          "test.transaction",
          Effect.andThen(
            execute("test.insert", sql`INSERT INTO undone VALUES (1)`),
            execute("test.slow", sql`SELECT pg_sleep(600)`)
          )
        )
      )
      assertTransient(error, "test.slow", "57014")
      assert.deepStrictEqual(yield* query("test.rows", Schema.Struct({}), sql`SELECT FROM undone`), [])
    })
  )

  it.effect("limits the wait for a lock too, and names the lock as the reason", () =>
    Effect.gen(function* () {
      const { sql, execute, unlimited } = yield* Db
      yield* execute("test.create", sql`CREATE TABLE locked (a int)`)
      const isLocked = yield* Deferred.make<void>()
      const holder = yield* Effect.forkChild(
        unlimited(
          "test.hold",
          execute("test.lock", sql`LOCK TABLE locked`).pipe(
            Effect.andThen(Deferred.succeed(isLocked, undefined)),
            Effect.andThen(Effect.never)
          )
        )
      )
      yield* Deferred.await(isLocked)
      const error = yield* Effect.flip(execute("test.blocked", sql`INSERT INTO locked VALUES (1)`))
      assertTransient(error, "test.blocked", "55P03")
      assert.include(error.message, "lock timeout")
      yield* Fiber.interrupt(holder)
      yield* execute("test.free", sql`INSERT INTO locked VALUES (1)`)
    })
  )

  it.effect("does not apply the timeout to work without a limit", () =>
    Effect.gen(function* () {
      const { sql, unlimited } = yield* Db
      yield* unlimited("test.long", sql`SELECT pg_sleep(1.2)`)
      const error = yield* Effect.flip(unlimited<unknown, never, never>("test.wrong", sql`SELECT 1 / 0`))
      assert.deepStrictEqual([error.operation, error.isTransient, error.sqlState], ["test.wrong", false, "22012"])
    })
  )
})

layer(emptyDatabase(), { excludeTestServices: true })("Db: errors of statements", (it) => {
  it.effect("reports a constraint violation as not transient", () =>
    Effect.gen(function* () {
      const { sql, execute } = yield* Db
      yield* execute("test.create", sql`CREATE TABLE constrained (a int UNIQUE CHECK (a > 0))`)
      yield* execute("test.insert", sql`INSERT INTO constrained VALUES (1)`)
      const duplicate = yield* Effect.flip(execute("test.again", sql`INSERT INTO constrained VALUES (1)`))
      assert.deepStrictEqual([duplicate.isTransient, duplicate.sqlState], [false, "23505"])
      assert.include(duplicate.message, "constrained_a_key")
      const negative = yield* Effect.flip(execute("test.negative", sql`INSERT INTO constrained VALUES (-1)`))
      assert.deepStrictEqual([negative.isTransient, negative.sqlState], [false, "23514"])
      yield* assertWorks
    })
  )

  it.effect("says what to do when a table is missing", () =>
    Effect.gen(function* () {
      const { sql, execute } = yield* Db
      const error = yield* Effect.flip(execute("test.missing", sql`SELECT FROM orders`))
      assert.isFalse(error.isTransient)
      assert.include(error.message, "run the command migrate")
    })
  )

  it.effect("names the row and the column that it cannot read", () =>
    Effect.gen(function* () {
      const { sql, query } = yield* Db
      const error = yield* Effect.flip(
        query("test.odd", Schema.Struct({ someCount: Schema.Int }), sql`SELECT 'o1' AS order_id, 'many' AS some_count`)
      )
      assert.deepStrictEqual([error.operation, error.isTransient, error.sqlState], ["test.odd", false, null])
      assert.include(error.message, "test.odd: the database holds a row that version")
      assert.include(error.message, "cannot read (orderId o1)")
      assert.include(error.message, "someCount")
    })
  )
})

layer(emptyDatabase(), { excludeTestServices: true })("Db: values", (it) => {
  it.effect("replaces characters that PostgreSQL cannot store, in text and inside JSON", () =>
    Effect.gen(function* () {
      const { sql, query } = yield* Db
      const rows = yield* query(
        "test.nul",
        Schema.Struct({ text: Schema.String, json: Schema.Unknown }),
        sql`SELECT * FROM unnest(${texts(["a\u0000b"])}, ${jsons([{ said: ["c\u0000d", { "k\u0000": "half \ud83d" }], kept: "\\u0000 😀" }])}) AS t (text, json)`
      )
      assert.deepStrictEqual(rows, [
        { text: "a\uFFFDb", json: { said: ["c\uFFFDd", { "k\uFFFD": "half \uFFFD" }], kept: "\\u0000 😀" } }
      ])
    })
  )

  it.effect("replaces them in every plain parameter too, wherever it stands in the statement", () =>
    Effect.gen(function* () {
      const { sql, query, execute, transaction } = yield* Db
      yield* execute("test.create", sql`CREATE TABLE said (words text, other text)`)
      const odd = "a\u0000b \ud83d 😀"
      yield* execute("test.record", sql`INSERT INTO said ${sql.insert({ words: odd, other: null })}`)
      const fragment = sql`SELECT ${odd}::text, ${"\u0000".repeat(3)}::text`
      yield* transaction("test.inside", execute("test.fragment", sql`INSERT INTO said ${fragment}`))
      const Said = Schema.Struct({ words: Schema.String, other: Schema.NullOr(Schema.String) })
      const found = yield* query("test.said", Said, sql`SELECT * FROM said WHERE words = ${odd} AND ${1} = 1`)
      const stored = "a\uFFFDb \uFFFD 😀"
      assert.deepStrictEqual(found, [
        { words: stored, other: null },
        { words: stored, other: "\uFFFD\uFFFD\uFFFD" }
      ])
    })
  )

  it.effect("keeps the type of columns that are empty or all null", () =>
    Effect.gen(function* () {
      const { sql, query } = yield* Db
      const typesOf = (values: readonly [] | readonly [null, null]) =>
        query(
          "test.types",
          Schema.Struct({ types: Schema.Array(Schema.String), length: Schema.Int }),
          sql`
            SELECT ARRAY[pg_typeof(a)::text, pg_typeof(b)::text, pg_typeof(c)::text, pg_typeof(d)::text,
                pg_typeof(e)::text, pg_typeof(f)::text, pg_typeof(g)::text] AS types, cardinality(a) AS length
            FROM (SELECT ${texts(values)} AS a, ${integers(values)} AS b, ${numbers(values)} AS c,
              ${booleans(values)} AS d, ${instants(values)} AS e, ${decimals(values)} AS f, ${jsons(values.slice(0, 0))} AS g) AS t`
        )
      const types = [
        "text[]",
        "integer[]",
        "double precision[]",
        "boolean[]",
        "timestamp with time zone[]",
        "numeric[]",
        "jsonb[]"
      ]
      assert.deepStrictEqual(yield* typesOf([null, null]), [{ types, length: 2 }])
      assert.deepStrictEqual(yield* typesOf([]), [{ types, length: 0 }])
    })
  )

  it.effect("keeps money exact, to and from numeric(15,4)", () =>
    Effect.gen(function* () {
      const { sql, query, execute } = yield* Db
      const amounts = ["99999999999.9999", "0.0001", "-0.0001", "0", "2431.05", "100", "1e3", "12345678901.2345"].map(
        BigDecimal.fromStringUnsafe
      )
      yield* execute("test.create", sql`CREATE TABLE amounts (n int GENERATED ALWAYS AS IDENTITY, a numeric(15,4))`)
      yield* execute("test.insert", sql`INSERT INTO amounts (a) SELECT unnest(${decimals(amounts)})`)
      const rows = yield* query(
        "test.read",
        Schema.Struct({ a: Schema.BigDecimalFromString, text: Schema.BigDecimalFromString }),
        sql`SELECT a, a::text AS text FROM amounts ORDER BY n`
      )
      for (const column of ["a", "text"] as const) {
        assert.deepStrictEqual(
          rows.map((row) => BigDecimal.format(BigDecimal.normalize(row[column]))),
          amounts.map((amount) => BigDecimal.format(BigDecimal.normalize(amount)))
        )
      }
      const tooMuch = BigDecimal.fromStringUnsafe("100000000000")
      const error = yield* Effect.flip(
        execute("test.tooMuch", sql`INSERT INTO amounts (a) SELECT unnest(${decimals([tooMuch])})`)
      )
      assert.deepStrictEqual([error.isTransient, error.sqlState], [false, "22003"])
    })
  )

  it.effect("keeps instants to the millisecond, and never rounds up when it reads", () =>
    Effect.gen(function* () {
      const { sql, query } = yield* Db
      const moments = [
        "1969-12-31T23:59:59.999Z",
        "2024-12-26T15:20:28.001Z",
        "2024-12-26T15:20:28.999Z",
        "9999-12-31T23:59:59.123Z"
      ].map((text) => DateTime.makeUnsafe(text))
      const Row = Schema.Struct({ at: Schema.DateTimeUtcFromDate })
      const millisOf = (rows: ReadonlyArray<typeof Row.Type>) => rows.map(({ at }) => DateTime.toEpochMillis(at))
      const expected = moments.map(DateTime.toEpochMillis)
      assert.deepStrictEqual(
        millisOf(yield* query("test.many", Row, sql`SELECT unnest(${instants(moments)}) AS at`)),
        expected
      )
      const single = yield* Effect.forEach(moments, (at) => query("test.one", Row, sql`SELECT ${instant(at)} AS at`))
      assert.deepStrictEqual(millisOf(single.flat()), expected)

      const micros = yield* query("test.micros", Row, sql`SELECT '2024-12-26T15:20:28.123999Z'::timestamptz AS at`)
      assert.deepStrictEqual(millisOf(micros), [
        DateTime.toEpochMillis(DateTime.makeUnsafe("2024-12-26T15:20:28.123Z"))
      ])
    })
  )
})
