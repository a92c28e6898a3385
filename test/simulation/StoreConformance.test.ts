import { assert, describe, it } from "@effect/vitest"
import { BigDecimal, DateTime, Effect } from "effect"
import { simulate } from "../../simulation/simulate.ts"
import type { Database } from "../../simulation/store/Database.ts"
import { memoryDatabase } from "../../simulation/store/memoryDatabase.ts"
import { postgresDatabase } from "../../simulation/store/postgresDatabase.ts"
import type { Tables } from "../../simulation/store/rows.ts"
import { BrokerOrderId } from "../../src/domain/model/Ids.ts"
import { ClaimVersion } from "../../src/domain/model/OrderSlice.ts"
import { testDatabase } from "../support/database.ts"

/*
 * Compares the stores in memory with the real ones on PostgreSQL. The same seed makes the same calls to both, so the
 * traces and the final rows of all tables must be equal.
 */
const traceOn = (database: Database, seed: number, isHoleOpen = false) =>
  Effect.promise(async () => {
    const trace: Array<string> = []
    await simulate(seed, database, { trace: (line) => trace.push(line), isHoleOpen })
    return trace
  })

/** A value as text: numbers without trailing zeros, times to the microsecond. */
const shown = (column: string, value: unknown): string => {
  if (BigDecimal.isBigDecimal(value)) return BigDecimal.format(BigDecimal.normalize(value))
  if (column === "limitPrice" && typeof value === "string") return shown(column, BigDecimal.fromStringUnsafe(value))
  return typeof value === "number" ? `${Math.round(value * 1000) / 1000}` : String(value)
}

type Rows = ReadonlyMap<string, object>

/** Rows as text, with only the columns that the database has. */
const inWords = (rows: Rows, database: Rows): ReadonlyArray<string> => {
  const [first = {}] = database.values()
  const columns = Object.keys(first).toSorted()
  return [...rows.values()]
    .map((row) => {
      const values = new Map<string, unknown>(Object.entries(row))
      return columns.map((column) => `${column}=${shown(column, values.get(column))}`).join(" ")
    })
    .toSorted()
}

const assertSameRows = (ours: Tables, theirs: Tables) => {
  assert.deepStrictEqual(inWords(ours.orders, theirs.orders), inWords(theirs.orders, theirs.orders))
  assert.deepStrictEqual(inWords(ours.slices, theirs.slices), inWords(theirs.slices, theirs.slices))
  assert.deepStrictEqual(inWords(ours.events, theirs.events), inWords(theirs.events, theirs.events))
}

const run = <A, E>(database: Database, operation: string, statement: Effect.Effect<A, E>) =>
  Effect.flatten(Effect.promise(async () => database.run(operation, statement)))

/** Writes two look-up results for every slice: that today's order list does not have it, and that it does. */
const lookUpAll = (database: Database) =>
  Effect.gen(function* () {
    const { recovery, slices } = database.stores
    const now = DateTime.makeUnsafe(1_767_240_100_000)
    const all = [...database.tables().slices.values()].toSorted((a, b) => (a.id < b.id ? -1 : 1))
    const left = yield* run(
      database,
      "RecoveryStore.leaveOrderList",
      recovery.leaveOrderList(
        all.map(({ id }) => id),
        now
      )
    )
    const lateArrivals = all.map((slice, index) => ({
      slice: { ...slice, claimVersion: ClaimVersion.make(slice.claimVersion) },
      order: {
        brokerOrderId: BrokerOrderId.make(`late${index}`),
        tag: slice.tag,
        status: index % 2 === 0 ? ("OPEN" as const) : ("COMPLETE" as const),
        statusText: "late",
        quantity: slice.quantity,
        filledQuantity: index % 2 === 0 ? 0 : slice.quantity,
        averagePrice: index % 2 === 0 ? null : BigDecimal.make(1005n, 1)
      },
      // Nothing is on record here.
      noted: index % 3 === 0 ? ("cancelled_at_broker" as const) : null
    }))
    const taken = yield* run(database, "RecoveryStore.takeOver", recovery.takeOver(lateArrivals, "late", now))
    const previouslyInDoubt = yield* run(
      database,
      "RecoveryStore.previouslyInDoubt",
      recovery.previouslyInDoubt(DateTime.makeUnsafe(0), all.length)
    )
    const open = yield* run(database, "SliceStore.open", slices.open(null, all.length, now))
    return {
      left: [...left].toSorted(),
      taken: [...taken].toSorted(),
      previouslyInDoubt: previouslyInDoubt
        .map(({ id, stage, claimVersion }) => `${id} ${stage} ${claimVersion}`)
        .toSorted(),
      open: open.map(({ id, isCancelWanted }) => `${id} ${isCancelWanted}`)
    }
  })

/** The database in memory without the fail-overs that the other one cannot have. */
const withoutStandby = () => ({ ...memoryDatabase(), standby: null })

describe("a database in memory", () => {
  for (const seed of [2, 4, 9, 14, 17, 19]) {
    it.live(`has the same trace and rows as PostgreSQL: seed ${seed}`, () =>
      Effect.gen(function* () {
        const memory = withoutStandby()
        const postgres = yield* postgresDatabase
        assert.deepStrictEqual(yield* traceOn(memory, seed), yield* traceOn(postgres, seed))
        assertSameRows(memory.tables(), postgres.tables())
      }).pipe(Effect.provide(testDatabase))
    )
  }

  it.live("treats late arrivals and orders that left the order list as PostgreSQL does", () =>
    Effect.gen(function* () {
      const memory = withoutStandby()
      const postgres = yield* postgresDatabase
      // The run ends early, at a request that arrived after its quarantine.
      const seed = 25
      assert.deepStrictEqual(yield* traceOn(memory, seed, true), yield* traceOn(postgres, seed, true))
      const ours = yield* lookUpAll(memory)
      assert.deepStrictEqual(ours, yield* lookUpAll(postgres))
      for (const [what, some] of Object.entries(ours)) assert.isNotEmpty(some, what)
      assertSameRows(memory.tables(), postgres.tables())
    }).pipe(Effect.provide(testDatabase))
  )
})
