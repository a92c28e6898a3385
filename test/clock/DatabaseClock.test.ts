import { assert, describe, it } from "@effect/vitest"
import { Clock, DateTime, Effect, Exit, Layer, Logger, Ref, Schema, Stream } from "effect"
import { checkDeadline } from "../../src/broker/deadline.ts"
import { DatabaseClock, LatestTime } from "../../src/clock/DatabaseClock.ts"
import { HostBootId } from "../../src/clock/HostBootId.ts"
import { clockOver } from "../../src/clock/overrideClock.ts"
import { Db } from "../../src/db/Db.ts"
import { DbError } from "../../src/db/DbError.ts"
import { configuration, dbAt } from "../support/database.ts"
import { eventually } from "../support/processes.ts"

const minute = 60_000

/** The host's clocks, which a test can set wrong, and the database, which it can make slow, silent or unreachable. */
interface Machine {
  wallOffsetMillis: number
  /** Total duration of suspensions: the monotonic clock stood still, the database's and the wall clock went on. */
  sleptMillis: number
  /** Time that has passed by all clocks, without waiting for it. */
  passedMillis: number
  /** By how much the database's clock was set. */
  databaseJumpMillis: number
  /** What the host answers when it is asked for its boot id. */
  bootId: string | null
  queries: number
  /** The round trip of each answer as the clock measured it: the maximum by which the clock can be behind. */
  readonly roundTripsMillis: Array<number>
  readonly startedNanos: bigint
  /** The last reading of the monotonic clock, and the last one before the current question. */
  lookedAtNanos: bigint
  askedAtNanos: bigint | null
  answerDelays: ReadonlyArray<number>
  /** The numbers of the queries during which the host is suspended for {@link suspension}. */
  suspendedAtQueries: ReadonlyArray<number>
  database: "answers" | "answers nothing" | "fails" | "meets a bug"
  readonly log: Array<string>
}

const newMachine = (changed: Partial<Machine> = {}): Machine => ({
  wallOffsetMillis: 0,
  sleptMillis: 0,
  passedMillis: 0,
  databaseJumpMillis: 0,
  bootId: null,
  queries: 0,
  roundTripsMillis: [],
  startedNanos: process.hrtime.bigint(),
  lookedAtNanos: 0n,
  askedAtNanos: null,
  answerDelays: [],
  suspendedAtQueries: [],
  database: "answers",
  log: [],
  ...changed
})

const suspension = 10_000

const databaseTimeOf = ({ sql, query }: Db["Service"]) =>
  Effect.gen(function* () {
    const [row] = yield* query(
      "test.now",
      Schema.Struct({ micros: Schema.BigInt }),
      sql`SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint AS micros`
    )
    return row?.micros ?? assert.fail("no time")
  })

const refusal = new DbError({ operation: "test", message: "test: no database", isTransient: true, sqlState: null })

const databaseOf = (machine: Machine) =>
  Layer.effect(
    Db,
    Effect.map(Db, (db) =>
      Db.of({
        ...db,
        query: (operation, row, statement) =>
          Effect.gen(function* () {
            const delay = machine.answerDelays[machine.queries % machine.answerDelays.length] ?? 0
            machine.queries += 1
            if (machine.database === "fails") return yield* refusal
            if (machine.database === "meets a bug") return yield* Effect.die("a bug")
            if (machine.database === "answers nothing") return []
            const askedAt = machine.lookedAtNanos
            // The suspension is simulated, so it must be added to the time of the real database.
            const addedMillis = machine.sleptMillis + machine.passedMillis + machine.databaseJumpMillis
            const rows =
              addedMillis === 0
                ? yield* db.query(operation, row, statement)
                : yield* Schema.decodeUnknownEffect(Schema.Array(row))([
                    { micros: (yield* databaseTimeOf(db)) + BigInt(addedMillis) * 1000n, bootId: null }
                  ]).pipe(Effect.orDie)
            if (delay > 0) yield* Effect.sleep(delay)
            if (machine.suspendedAtQueries.includes(machine.queries)) {
              machine.sleptMillis += suspension
              machine.wallOffsetMillis += suspension
            }
            machine.askedAtNanos = askedAt
            return rows
          })
      })
    )
  )

const hostClockOf = (machine: Machine) =>
  Layer.effect(
    Clock.Clock,
    Effect.map(Clock.Clock, (real) => {
      const currentTimeMillisUnsafe = () =>
        real.currentTimeMillisUnsafe() + machine.wallOffsetMillis + machine.passedMillis
      const monotonicTimeNanosUnsafe = () => {
        machine.lookedAtNanos = real.monotonicTimeNanosUnsafe() + BigInt(machine.passedMillis) * 1_000_000n
        // The first reading after an answer is the one that measures its round trip.
        if (machine.askedAtNanos !== null) {
          machine.roundTripsMillis.push(Number(machine.lookedAtNanos - machine.askedAtNanos) / 1e6)
          machine.askedAtNanos = null
        }
        return machine.lookedAtNanos
      }
      return clockOver(real, {
        currentTimeMillisUnsafe,
        currentTimeMillis: Effect.sync(currentTimeMillisUnsafe),
        monotonicTimeNanosUnsafe
      })
    })
  )

const database = Layer.orDie(dbAt("postgres"))

/** The clock on a machine, with the real Db beside it. */
const clockOn = (machine: Machine, environment: Readonly<Record<string, string>> = {}) =>
  Layer.fresh(
    DatabaseClock.layer.pipe(
      Layer.provide(databaseOf(machine)),
      Layer.provide(configuration({ CLOCK_SYNC_INTERVAL_SECONDS: "3600", ...environment })),
      Layer.provide(
        Logger.layer([Logger.make(({ logLevel, message }) => machine.log.push(`${logLevel}: ${message}`))])
      ),
      Layer.provide(hostClockOf(machine)),
      Layer.provide(Layer.succeed(HostBootId, Effect.succeed(machine.bootId))),
      Layer.provideMerge(database)
    )
  )

/** Waits for the first two measurements: before the clock is used, and at the start of the sync loop. */
const synced = (machine: Machine) =>
  eventually(
    "the second measurement is over",
    Effect.sync(() => machine.queries),
    (queries) => queries >= 7
  )

const databaseMicros = Effect.flatMap(Db, databaseTimeOf)

const clockMicros = Effect.map(Clock.currentTimeNanos, (nanos) => nanos / 1000n)

/** Compares the clock with the database before and after; fails when it is ahead, and returns how many ms it is behind. */
const assertNotAhead = ({ sleptMillis }: Machine) =>
  Effect.gen(function* () {
    const slept = BigInt(sleptMillis) * 1000n
    const before = (yield* databaseMicros) + slept
    const clock = yield* clockMicros
    const after = (yield* databaseMicros) + slept
    assert.isTrue(clock <= after, `the clock is ahead by ${clock - after} µs`)
    return Number(before - clock) / 1000
  })

/** The maximum ms by which a clock may be behind after such a round trip: it runs 1,100 ppm slow. 0.01 ms is for rounding. */
const maxBehind = ({ startedNanos }: Machine, answerMillis: number) =>
  answerMillis + (Number(process.hrtime.bigint() - startedNanos) / 1e6) * 0.0011 + 0.01

/** The quickest of the five answers at the start, which stays valid. */
const quickest = ({ roundTripsMillis }: Machine) => Math.min(...roundTripsMillis.slice(0, 5))
const slowest = ({ roundTripsMillis }: Machine) => Math.max(...roundTripsMillis)

/** Asserts that the clock is not ahead, and behind by at most its quickest round trip. */
const assertClose = (machine: Machine) =>
  Effect.map(assertNotAhead(machine), (behind) => assert.isAtMost(behind, maxBehind(machine, quickest(machine))))

/** Asserts an offset as exact as the clock, plus a millisecond because the wall clock has whole ones. */
const assertOffset = (machine: Machine, offset: number, expected: number) =>
  assert.approximately(offset, expected, maxBehind(machine, quickest(machine)) + 1)

describe("DatabaseClock", () => {
  it.live("provides the database's time as Effect's Clock, slightly late, never early", () => {
    const machine = newMachine()
    return Effect.gen(function* () {
      for (let n = 0; n < 100; n += 1) yield* assertClose(machine)
      const before = Number(yield* databaseMicros) / 1000
      const now = DateTime.toEpochMillis(yield* DateTime.now)
      assert.isAtLeast(now, before - maxBehind(machine, quickest(machine)) - 1)
      assert.isAtMost(now, Number(yield* databaseMicros) / 1000)
    }).pipe(Effect.provide(clockOn(machine)))
  })

  for (const [word, offset] of [
    ["ahead of", 5 * minute],
    ["behind", -5 * minute]
  ] as const) {
    it.live(`follows the database on a host whose clock is ${word} it, and logs a warning`, () => {
      const machine = newMachine({ wallOffsetMillis: offset })
      return Effect.gen(function* () {
        yield* assertClose(machine)
        const { offsetMillis } = yield* DatabaseClock
        assertOffset(machine, yield* offsetMillis, offset)
        yield* eventually(
          "it is logged",
          Effect.sync(() => machine.log),
          (log) => log.length > 0
        )
        assert.lengthOf(machine.log, 1)
        const said = new RegExp(`^Error: This host's clock is (\\d+) ms ${word} the database's`).exec(
          machine.log[0] ?? ""
        )
        assertOffset(machine, Number(said?.[1]), Math.abs(offset))
      }).pipe(Effect.provide(clockOn(machine)))
    })
  }

  it.live("logs nothing about an offset within CLOCK_OFFSET_LIMIT_MILLIS", () => {
    const machine = newMachine({ wallOffsetMillis: 400 })
    return Effect.gen(function* () {
      yield* synced(machine)
      assert.deepStrictEqual(machine.log, [])
    }).pipe(Effect.provide(clockOn(machine)))
  })

  it.live("logs a warning about an offset above CLOCK_OFFSET_LIMIT_MILLIS", () => {
    const machine = newMachine({ wallOffsetMillis: 400 })
    return eventually(
      "it is logged",
      Effect.sync(() => machine.log),
      (log) => log.length === 1
    ).pipe(Effect.provide(clockOn(machine, { CLOCK_OFFSET_LIMIT_MILLIS: "300" })))
  })

  it.live("uses the quickest of its samples: slow answers make it late, never early", () => {
    const machine = newMachine({ answerDelays: [100, 100, 100, 0, 100] })
    return Effect.gen(function* () {
      yield* assertClose(machine)
      yield* synced(machine)
      yield* assertClose(machine)
    }).pipe(Effect.provide(clockOn(machine)))
  })

  it.live("goes back at a new measurement by a round trip at most, and never ahead", () => {
    const machine = newMachine()
    return Effect.gen(function* () {
      yield* synced(machine)
      // From now on every answer is slower than the earlier ones.
      machine.answerDelays = [20]
      const highest = yield* Ref.make(0n)
      yield* Effect.gen(function* () {
        yield* assertNotAhead(machine)
        const clock = yield* clockMicros
        const earlier = yield* Ref.getAndUpdate(highest, (highest) => (clock > highest ? clock : highest))
        assert.isAtMost(Number(earlier - clock) / 1000, slowest(machine))
      }).pipe(Effect.repeat({ until: () => machine.queries >= 25 }))
    }).pipe(Effect.provide(clockOn(machine, { CLOCK_SYNC_INTERVAL_SECONDS: "0.1" })))
  })

  it.live("keeps running while the database is unreachable, and measures again afterwards", () => {
    const machine = newMachine()
    return Effect.gen(function* () {
      yield* synced(machine)
      machine.database = "fails"
      yield* eventually(
        "it is logged",
        Effect.sync(() => machine.log),
        (log) => log.length >= 2
      )
      assert.strictEqual(machine.log[0], "Warn: Could not read the database's clock: test: no database")
      yield* assertClose(machine)

      machine.database = "answers nothing"
      const { length } = machine.log
      yield* eventually(
        "it is logged",
        Effect.sync(() => machine.log),
        (log) => log.length > length + 1
      )
      assert.include(machine.log.at(-1) ?? "", "no answer")
      yield* assertClose(machine)

      machine.database = "meets a bug"
      yield* eventually(
        "it is logged",
        Effect.sync(() => machine.log),
        (log) => log.some((line) => line.includes("a bug"))
      )

      machine.database = "answers"
      machine.wallOffsetMillis = 1000
      const { offsetMillis } = yield* DatabaseClock
      yield* eventually("it has measured", offsetMillis, (offset) => offset > 900)
    }).pipe(Effect.provide(clockOn(machine, { CLOCK_SYNC_INTERVAL_SECONDS: "0.1" })))
  })

  for (const database of ["answers nothing", "fails"] as const) {
    it.live(`does not start when the database ${database}`, () =>
      Effect.gen(function* () {
        const error = yield* Effect.flip(Layer.build(clockOn(newMachine({ database }))))
        assert.isTrue(error._tag === "DbError" && error.isTransient)
      })
    )
  }
})

/** A statement that takes `millis` and is asked for the time along with what it answers, `passedMillis` ahead of the real one. */
const timedStatement = (passedMillis: number, millis = 0) =>
  Effect.gen(function* () {
    const micros = (yield* databaseMicros) + BigInt(passedMillis) * 1000n
    yield* Effect.sleep(millis)
    return { micros, bootId: null, said: "hello" }
  })

describe("DatabaseClock.during", () => {
  it.live("takes the time that another statement tells, so that the clock need not ask for it", () => {
    const machine = newMachine()
    return Effect.gen(function* () {
      const { during, waitForOffset } = yield* DatabaseClock
      yield* synced(machine)
      const asked = machine.queries
      machine.passedMillis = minute + 1
      assert.strictEqual((yield* during(() => timedStatement(minute + 1))).said, "hello")
      yield* waitForOffset
      assert.strictEqual(machine.queries, asked)
    }).pipe(Effect.provide(clockOn(machine)))
  })

  it.live("is not ahead after a slow statement, nor after one during which the host was suspended", () => {
    const machine = newMachine()
    return Effect.gen(function* () {
      const { during } = yield* DatabaseClock
      yield* synced(machine)
      yield* during(() => timedStatement(0, 100))
      yield* assertNotAhead(machine)
      yield* during(() =>
        Effect.tap(timedStatement(0), () =>
          Effect.sync(() => {
            machine.sleptMillis += suspension
            machine.wallOffsetMillis += suspension
          })
        )
      )
      yield* assertNotAhead(machine)
    }).pipe(Effect.provide(clockOn(machine)))
  })

  it.live("asks for the time itself when no other statement has told it for CLOCK_SYNC_INTERVAL_SECONDS", () => {
    const machine = newMachine()
    return Effect.gen(function* () {
      const { during } = yield* DatabaseClock
      yield* synced(machine)
      yield* Effect.repeat(
        Effect.andThen(
          Effect.sleep(20),
          during(() => timedStatement(0))
        ),
        { times: 20 }
      )
      const asked = machine.queries
      yield* eventually(
        "it asks",
        Effect.sync(() => machine.queries),
        (queries) => queries > asked
      )
    }).pipe(Effect.provide(clockOn(machine, { CLOCK_SYNC_INTERVAL_SECONDS: "0.3" })))
  })
})

describe("a suspended host", () => {
  for (const suspendedAtQueries of [[3], [6], [7], [6, 7]]) {
    it.live(`does not use an answer during which it was suspended: ${suspendedAtQueries.join(", ")}`, () => {
      // Given a host that is suspended during these answers, while the others are slow.
      const machine = newMachine({ answerDelays: [5, 5, 0, 5, 5, 0, 0, 5, 5], suspendedAtQueries })
      return Effect.gen(function* () {
        yield* eventually(
          "both measurements and the repeated questions are over",
          Effect.sync(() => machine.queries),
          (queries) => queries >= 7 + suspendedAtQueries.length
        )
        assert.isAtMost(yield* assertNotAhead(machine), maxBehind(machine, slowest(machine)))
      }).pipe(Effect.provide(clockOn(machine)))
    })
  }

  it.live("logs that it was suspended during every answer, and keeps its time", () => {
    const machine = newMachine({ suspendedAtQueries: Array.from({ length: 6 }, (_, n) => 6 + n) })
    return Effect.gen(function* () {
      const { waitForOffset } = yield* DatabaseClock
      yield* eventually(
        "it is logged",
        Effect.sync(() => machine.log),
        (log) => log.length > 0
      )
      assert.include(machine.log[0], "this host was suspended, or its time was set, each time")
      // Then the two clocks still differ, and the next placement causes a new measurement.
      yield* waitForOffset
      assert.strictEqual(machine.queries, 16)
      assert.isAtMost(yield* assertNotAhead(machine), maxBehind(machine, slowest(machine)))
    }).pipe(Effect.provide(clockOn(machine)))
  })

  it.live("sends nothing whose deadline may have passed during a suspension", () => {
    const machine = newMachine()
    return Effect.gen(function* () {
      yield* synced(machine)
      const deadline = DateTime.add(yield* DateTime.now, { hours: 1 })
      yield* checkDeadline(deadline)

      machine.wallOffsetMillis += 120 * minute

      const answer = yield* Effect.flip(checkDeadline(deadline))
      assert.strictEqual(answer._tag, "BrokerNotSent")
    }).pipe(Effect.provide(clockOn(machine)))
  })
})

describe("DatabaseClock.waitForOffset", () => {
  it.live("does not ask the database while the host's two clocks agree", () => {
    const machine = newMachine()
    return Effect.gen(function* () {
      const { waitForOffset } = yield* DatabaseClock
      yield* synced(machine)
      machine.wallOffsetMillis = 400
      yield* Effect.forEach(Array.from({ length: 100 }), () => waitForOffset)
      assert.strictEqual(machine.queries, 7)
      machine.database = "fails"
      yield* waitForOffset
    }).pipe(Effect.provide(clockOn(machine)))
  })

  for (const jump of [10 * minute, -10 * minute, 600]) {
    it.live(`measures again once after the wall clock has jumped by ${jump} ms`, () => {
      const machine = newMachine()
      return Effect.gen(function* () {
        const { waitForOffset, offsetMillis } = yield* DatabaseClock
        yield* synced(machine)
        machine.wallOffsetMillis = jump
        yield* waitForOffset
        assert.strictEqual(machine.queries, 12)
        assertOffset(machine, yield* offsetMillis, jump)
        yield* assertClose(machine)
        yield* waitForOffset
        assert.strictEqual(machine.queries, 12)
      }).pipe(Effect.provide(clockOn(machine)))
    })
  }

  for (const database of ["answers nothing", "fails"] as const) {
    it.live(`fails when it must ask and the database ${database}, and asks again the next time`, () => {
      const machine = newMachine()
      return Effect.gen(function* () {
        const { waitForOffset } = yield* DatabaseClock
        yield* synced(machine)
        machine.wallOffsetMillis = minute
        machine.database = database
        assert.isTrue(Exit.isFailure(yield* Effect.exit(waitForOffset)))
        assert.isTrue(Exit.isFailure(yield* Effect.exit(waitForOffset)))
        yield* assertClose(machine)
        machine.database = "answers"
        yield* waitForOffset
      }).pipe(Effect.provide(clockOn(machine)))
    })
  }
})

describe("an old answer", () => {
  it.live("is not relied on after a minute without another", () => {
    const machine = newMachine()
    return Effect.gen(function* () {
      const { waitForOffset } = yield* DatabaseClock
      yield* synced(machine)
      machine.passedMillis = 59_000
      yield* waitForOffset
      assert.strictEqual(machine.queries, 7)
      machine.passedMillis = 61_000
      machine.database = "fails"
      assert.isTrue(Exit.isFailure(yield* Effect.exit(waitForOffset)))
      machine.database = "answers"
      yield* waitForOffset
      assert.strictEqual(machine.queries, 9)
    }).pipe(Effect.provide(clockOn(machine)))
  })
})

describe("a jump of the database's clock", () => {
  for (const jump of [10 * minute, -10 * minute, 2000, -2000]) {
    it.live(`by ${jump} ms is not believed until a clock of this host confirms it`, () => {
      const machine = newMachine()
      return Effect.gen(function* () {
        const { doubts, waitForOffset } = yield* DatabaseClock
        const told = yield* Ref.make<ReadonlyArray<string | null>>([])
        yield* Effect.forkChild(Stream.runForEach(doubts, (doubt) => Ref.update(told, (all) => [...all, doubt])))
        const toldThat = (count: number) => eventually("it is told", Ref.get(told), (all) => all.length === count)
        yield* synced(machine)
        yield* toldThat(1)
        const latest = yield* LatestTime

        machine.databaseJumpMillis = jump
        yield* toldThat(2)
        const direction = jump > 0 ? "forward" : "back"
        const [, words] = yield* Ref.get(told)
        assert.include(words, `the database's clock has jumped ${direction} by ${(Math.abs(jump) / 1000).toFixed(1)} s`)
        assert.include((yield* Effect.flip(waitForOffset)).message, "neither clock of this host confirms it")
        // It is neither ahead of the time before the jump, nor of the time after it; nor is the latest time behind either.
        const real = Number(yield* databaseMicros) / 1000
        assert.isAtMost(yield* Clock.currentTimeMillis, Math.min(real, real + jump) + 50)
        assert.isAtLeast(yield* latest, Math.max(real, real + jump))

        machine.wallOffsetMillis = jump
        yield* waitForOffset
        yield* toldThat(3)
        assert.isNull((yield* Ref.get(told))[2])
        assert.approximately(Number(yield* clockMicros) / 1000, Number(yield* databaseMicros) / 1000 + jump, 50)
      }).pipe(Effect.provide(clockOn(machine, { CLOCK_SYNC_INTERVAL_SECONDS: "0.1" })))
    })
  }
})

describe("LatestTime", () => {
  it.live("is not behind the database, and ahead of it by little more than a round trip", () => {
    const machine = newMachine({ answerDelays: [20] })
    return Effect.gen(function* () {
      const latest = yield* LatestTime
      for (let n = 0; n < 50; n += 1) {
        const before = Number(yield* databaseMicros) / 1000
        const now = yield* latest
        assert.isAtLeast(now, before)
        assert.isAtMost(now, Number(yield* databaseMicros) / 1000 + maxBehind(machine, slowest(machine)) + 3)
      }
    }).pipe(Effect.provide(clockOn(machine)))
  })
})

const bootId = Effect.flatMap(HostBootId, (id) => id)

/** The boot id is read where it may be, and the tests' PostgreSQL runs on this host. */
describe.runIf(process.platform === "linux")("a database on this host", () => {
  it.live("is followed by this host's own clock: never ahead of it, and close without any further answer", () =>
    Effect.gen(function* () {
      const machine = newMachine({ answerDelays: [200], bootId: yield* bootId })
      yield* Effect.gen(function* () {
        let closest = Infinity
        for (let n = 0; n < 500; n += 1) closest = Math.min(closest, yield* assertNotAhead(machine))
        // Answers that take 200 ms make a bound of 200 ms.
        assert.isBelow(closest, 2)
      }).pipe(Effect.provide(clockOn(machine)))
    })
  )

  it.live("is not followed by a clock that its answers contradict", () =>
    Effect.gen(function* () {
      // More than a statement takes on a busy machine: an answer that took longer would contradict nothing.
      const machine = newMachine({ answerDelays: [200], bootId: yield* bootId, wallOffsetMillis: minute })
      yield* Effect.gen(function* () {
        for (let n = 0; n < 50; n += 1) assert.isAtLeast(yield* assertNotAhead(machine), 10)
      }).pipe(Effect.provide(clockOn(machine)))
    })
  )

  it.live("is not followed by the host's clock while that has jumped since the last answer", () =>
    Effect.gen(function* () {
      const machine = newMachine({ bootId: yield* bootId })
      yield* Effect.gen(function* () {
        yield* synced(machine)
        machine.wallOffsetMillis = minute
        yield* assertNotAhead(machine)
        yield* (yield* DatabaseClock).waitForOffset
        yield* assertNotAhead(machine)
      }).pipe(Effect.provide(clockOn(machine)))
    })
  )

  it.live("is not taken for one when the boot ids differ", () => {
    const machine = newMachine({ answerDelays: [100], bootId: "another" })
    return Effect.gen(function* () {
      // A timer that was set late in a turn of the event loop ends early.
      assert.isAtLeast(yield* assertNotAhead(machine), 10)
    }).pipe(Effect.provide(clockOn(machine)))
  })
})
