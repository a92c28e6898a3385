import { setTimeout } from "node:timers/promises"
import { Client } from "pg"
import { quantile } from "../../src/domain/numbers/quantile.ts"
import { wallClockMillis } from "../contenders/Contender.ts"
import { contenders } from "../contenders/contenders.ts"
import type { Entry } from "../contenders/labels.ts"
import { type BenchDatabase, benchName, withDatabase } from "../harness/Bench.ts"
import { type RunningWorker, startWorker, type Watch, type WatchedCall } from "../harness/RunningWorker.ts"
import { heldTransaction } from "./heldTransaction.ts"
import type { PhaseOptions } from "./PhaseOptions.ts"

/*
 * Two worker processes under a load that goes on through all phases: quiet, a transaction held idle, overlapping readers, more than
 * can be done and what follows it, backends terminated, worker processes killed. All work is in the database before the first is due,
 * so that nothing but the workers is at work meanwhile. A call counts to the phase in which it was due.
 */
export interface PhaseFigures {
  readonly phase: string
  /** Calls made a second while the phase lasted. */
  readonly perSecond: number
  readonly p99Millis: number
  /** Dead rows in all tables at its end, by the server's statistics. */
  readonly deadRows: number
  /** Pieces of work that were due in it and never called for, and those that were called for twice. */
  readonly missing: number
  readonly twice: number
}

const processes = 2
const insertMillisEach = 0.15
const overload = 1.5

interface Phase {
  readonly name: string
  readonly seconds: number
  readonly perSecond: number
  readonly disturb?: (site: Site, untilMillis: number) => Promise<void>
}

/** What a phase can disturb. */
interface Site {
  readonly database: BenchDatabase
  /** Kills one of the worker processes and starts another one. */
  readonly killOne: () => Promise<void>
}

const phasesOf = ({ perSecond, seconds, overloadSeconds }: PhaseOptions, capacity: number): ReadonlyArray<Phase> => [
  { name: "steady", seconds, perSecond },
  { name: "idle in transaction", seconds, perSecond, disturb: holdTransaction },
  { name: "overlapping readers", seconds, perSecond, disturb: readAgainAndAgain },
  { name: "overload", seconds: overloadSeconds, perSecond: overload * capacity },
  { name: "recovery", seconds, perSecond },
  { name: "backends terminated", seconds, perSecond, disturb: terminateBackends },
  { name: "workers killed", seconds, perSecond, disturb: killWorkers }
]

export const phases = (server: string, entry: Entry, options: PhaseOptions): Promise<ReadonlyArray<PhaseFigures>> =>
  withDatabase(server, async (database) => {
    const { prepare, enqueue, put = enqueue, dues } = contenders[entry.contender]
    await prepare(database.url)
    const crew = await startCrew(entry, database)
    const { calls } = crew
    try {
      const phases = phasesOf(options, await capacityOf(entry, database, calls, options.capacitySize))
      const first = wallClockMillis() + options.leadMillis + sizeOf(phases) * insertMillisEach
      const work = duesOf(phases, first)
      await put(database.pool, work, 100)
      const late = wallClockMillis() - first
      if (late > 0)
        throw new Error(`All work was inserted ${Math.round(late)} ms after the first was due: lengthen the lead`)
      const dead = await run(phases, first, { database, killOne: crew.killOne })
      await until(() => crew.keys.size >= options.capacitySize + work.length, options.drainSeconds)
      const known = await dues?.(database.url, [...crew.keys].map(String))
      return figuresOf(phases, first, { calls, dues: known, dead })
    } finally {
      await crew.stop()
    }
  })

const startCrew = async (entry: Entry, { url }: BenchDatabase) => {
  const calls: Array<WatchedCall> = []
  const keys = new Set<WatchedCall["key"]>()
  const tags = new Set<string>()
  const watch: Watch = {
    onCall: (call) => {
      calls.push(call)
      keys.add(call.key)
      if (call.tag !== undefined) tags.add(call.tag)
    },
    placedOf: (asked) => asked.filter((tag) => tags.has(tag))
  }
  const start = () => startWorker(entry, { url, expected: 0, watch })
  const crew: Array<RunningWorker> = []
  for (let n = 0; n < processes; n++) crew.push(await start())
  return {
    /** All calls so far, in the order in which they were told, and the pieces of work that they were for. */
    calls,
    keys,
    killOne: async () => {
      await crew.shift()?.kill()
      crew.push(await start())
    },
    stop: () => Promise.all(crew.map((worker) => worker.stop()))
  }
}

const until = async (isSo: () => boolean, seconds: number) => {
  const end = wallClockMillis() + seconds * 1000
  while (wallClockMillis() < end && !isSo()) await setTimeout(100)
}

const sleepUntil = (millis: number) => setTimeout(Math.max(0, millis - wallClockMillis()))

/** Pieces of work a second, of overdue ones. */
const capacityOf = async (
  entry: Entry,
  { pool }: BenchDatabase,
  calls: ReadonlyArray<WatchedCall>,
  size: number
): Promise<number> => {
  const { enqueue, put = enqueue } = contenders[entry.contender]
  const overdue = wallClockMillis() - 60_000
  await put(
    pool,
    Array.from({ length: size }, (_, n) => overdue + n * 0.01),
    100
  )
  await until(() => calls.length >= size, 60)
  const at = calls.map(({ atMillis }) => atMillis).toSorted((a, b) => a - b)
  const from = Math.floor(size / 10)
  return ((size - from) / ((at.at(-1) ?? 0) - (at[from] ?? 0))) * 1000
}

const sizeOf = (phases: ReadonlyArray<Phase>): number =>
  phases.reduce((sum, { seconds, perSecond }) => sum + Math.floor(seconds * perSecond), 0)

const duesOf = (phases: ReadonlyArray<Phase>, first: number): ReadonlyArray<number> => {
  let from = first
  return phases.flatMap(({ seconds, perSecond }) => {
    const began = from
    from += seconds * 1000
    return Array.from({ length: Math.floor(seconds * perSecond) }, (_, n) => began + (n * 1000) / perSecond)
  })
}

/** Runs all phases; the number of dead rows after each. */
const run = async (phases: ReadonlyArray<Phase>, first: number, site: Site): Promise<ReadonlyArray<number>> => {
  const dead: Array<number> = []
  let end = first
  for (const { seconds, disturb } of phases) {
    await sleepUntil(end)
    end += seconds * 1000
    await disturb?.(site, end)
    await sleepUntil(end)
    const { rows } = await site.database.pool.query("SELECT sum(n_dead_tup)::float8 AS dead FROM pg_stat_user_tables")
    dead.push(Number(rows[0]?.dead))
  }
  return dead
}

const holdTransaction = ({ database }: Site, untilMillis: number) =>
  heldTransaction(database, () => sleepUntil(untilMillis))

/** Three readers, each with a snapshot for as long as three of them take turns: there is always an old one. */
const readAgainAndAgain = async ({ database: { url } }: Site, untilMillis: number) => {
  const turnMillis = (untilMillis - wallClockMillis()) / 5
  const read = async (delayMillis: number) => {
    const client = new Client({ connectionString: url, application_name: benchName })
    await client.connect()
    await setTimeout(delayMillis)
    while (wallClockMillis() < untilMillis) {
      await client.query("BEGIN ISOLATION LEVEL REPEATABLE READ")
      await client.query("SELECT sum(reltuples) FROM pg_class")
      await sleepUntil(Math.min(untilMillis, wallClockMillis() + turnMillis))
      await client.query("COMMIT")
    }
    await client.end()
  }
  await Promise.all([read(0), read(turnMillis / 3), read((turnMillis * 2) / 3)])
}

const terminateBackends = async ({ database: { pool } }: Site, untilMillis: number) => {
  while (wallClockMillis() < untilMillis) {
    await pool.query(
      `SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
       WHERE datname = current_database() AND backend_type = 'client backend' AND application_name <> $1`,
      [benchName]
    )
    await sleepUntil(Math.min(untilMillis, wallClockMillis() + 1000))
  }
}

const killWorkers = async ({ killOne }: Site, untilMillis: number) => {
  while (wallClockMillis() < untilMillis) {
    await sleepUntil(Math.min(untilMillis, wallClockMillis() + 500))
    await killOne()
    await sleepUntil(Math.min(untilMillis, wallClockMillis() + 1000))
  }
}

interface Observed {
  readonly calls: ReadonlyArray<WatchedCall>
  readonly dues: ReadonlyMap<string, number> | undefined
  readonly dead: ReadonlyArray<number>
}

const figuresOf = (
  phases: ReadonlyArray<Phase>,
  first: number,
  { calls, dues, dead }: Observed
): ReadonlyArray<PhaseFigures> => {
  const made = calls.map(({ key, atMillis }) => ({ key, atMillis, due: dues?.get(String(key)) ?? Number(key) }))
  let end = first
  return phases.map(({ name, seconds, perSecond }, n) => {
    const from = end
    end += seconds * 1000
    const to = end
    // Due times come back rounded to microseconds.
    const due = made.filter((call) => call.due >= from - 0.01 && call.due < to - 0.01)
    const keys = new Set(due.map(({ key }) => key))
    const firstCalls = new Map(due.toReversed().map((call) => [call.key, call.atMillis - call.due]))
    const sorted = [...firstCalls.values()].toSorted((a, b) => a - b)
    return {
      phase: name,
      perSecond: made.filter(({ atMillis }) => atMillis >= from && atMillis < to).length / seconds,
      p99Millis: quantile(sorted, 0.99) ?? Number.NaN,
      deadRows: dead[n] ?? Number.NaN,
      missing: Math.floor(seconds * perSecond) - keys.size,
      twice: due.length - keys.size
    }
  })
}
