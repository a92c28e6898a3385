import {
  type Answer,
  answerOf,
  earliestOf,
  haveParted,
  type Knowledge,
  latestOf,
  type Reading,
  take
} from "../../src/clock/TimeBounds.ts"
import { seededRandom } from "../../src/domain/planning/schedule/SeededRandom.ts"

/** Two hosts and the network between them. Times are microseconds of true time, rates parts per million. */
export interface Scenario {
  readonly name: string
  readonly roundTripMicros: number
  /** The share of the round trip that the answer takes. */
  readonly wayBack?: number
  /** Time synchronisation slews each host by half of this to all of it, now and then. */
  readonly slewPpm?: number
  /** The database's clock is set by these, one after the other. */
  readonly databaseSteps?: ReadonlyArray<number>
  /** This host's wall clock is set by these. */
  readonly hostSteps?: ReadonlyArray<number>
  /** This host is suspended for these durations. */
  readonly suspensions?: ReadonlyArray<number>
  /** Whether no probe gets an answer, so that only an answer each ten seconds counts. */
  readonly losesProbes?: boolean
}

export interface Findings {
  readonly askings: number
  /** How often the lower bound was ahead of the database, and how often the upper one was behind it. */
  readonly ahead: number
  readonly latestBehind: number
  /** The greatest lead of the lower bound; 0 or less if it never was ahead. */
  readonly worstAheadMicros: number
  /** How far the lower bound is behind when something is due. */
  readonly p50Micros: number
  readonly p99Micros: number
}

const hour = 3_600_000_000
const lengthMicros = hour
const syncMicros = 10_000_000
/** As `sleepUntilDue.ts` asks: four probes in the last 20 ms. */
const probesAtMicros = [20_000, 15_000, 10_000, 5_000]
const startNanos = 1_767_240_000_000_000_000n

type Random = () => number

/** A clock that runs at another rate in each piece of time. */
const rateClock = (pieces: ReadonlyArray<{ readonly from: number; readonly ppm: number }>) => {
  let passed = 0
  const sums = pieces.map(({ from, ppm }, n) => {
    const next = pieces[n + 1]
    const sum = passed
    if (next !== undefined) passed += (next.from - from) * (1 + ppm * 1e-6)
    return { from, ppm, sum }
  })
  let last = 0
  return (at: number): number => {
    while ((sums[last + 1]?.from ?? Infinity) <= at) last++
    while (last > 0 && (sums[last]?.from ?? 0) > at) last--
    const piece = sums[last] ?? { from: 0, ppm: 0, sum: 0 }
    return piece.sum + (at - piece.from) * (1 + piece.ppm * 1e-6)
  }
}

/** A drift with some wander, and slews of 20 to 80 s, one to five minutes apart. */
const ratesOf = (random: Random, driftPpm: number, slewPpm: number) => {
  const pieces = [{ from: 0, ppm: driftPpm }]
  const wander = () => driftPpm + (random() - 0.5) * 2
  for (let at = 0; at < lengthMicros;) {
    at += 60_000_000 + random() * 240_000_000
    const slew = slewPpm * (0.5 + random() / 2) * (random() < 0.5 ? -1 : 1)
    pieces.push({ from: at, ppm: wander() + slew })
    at += 20_000_000 + random() * 60_000_000
    pieces.push({ from: at, ppm: wander() })
  }
  return pieces
}

/** The times at which something happens that many times, spread over the run. */
const spread = (steps: ReadonlyArray<number>, shift: number) =>
  steps.map((size, n) => ({ at: (lengthMicros * (n + shift)) / steps.length, size }))

const sumUntil = (steps: ReadonlyArray<{ readonly at: number; readonly size: number }>, at: number): number =>
  steps.reduce((sum, step) => (step.at <= at ? sum + step.size : sum), 0)

const worldOf = (scenario: Scenario, seed: number) => {
  const random = seededRandom(`${scenario.name}/${seed}`)
  const slew = scenario.slewPpm ?? 0
  const database = rateClock(ratesOf(random, 15 + random() * 15, slew))
  const host = rateClock(ratesOf(random, -12 - random() * 15, slew))
  const databaseSteps = spread(scenario.databaseSteps ?? [], 0.3)
  const hostSteps = spread(scenario.hostSteps ?? [], 0.5)
  const suspensions = spread(scenario.suspensions ?? [], 0.7)
  const wallOffset = (random() - 0.5) * 400_000
  /** How long the host has been suspended: the monotonic clock stands still meanwhile. */
  const suspendedUntil = (at: number) =>
    suspensions.reduce((sum, { at: from, size }) => sum + Math.min(size, Math.max(0, at - from)), 0)
  const delay = (share: number) => {
    const usual = scenario.roundTripMicros * share
    return usual * (1 + random() * 0.6 + (random() < 0.02 ? random() * 9 : 0))
  }
  const wayBack = scenario.wayBack ?? 0.5
  const nanos = (micros: number) => BigInt(Math.floor(micros * 1000))
  return {
    random,
    databaseNanos: (at: number) => startNanos + nanos(database(at) + sumUntil(databaseSteps, at)),
    reading: (at: number): Reading => ({
      monotonicNanos: nanos(host(at - suspendedUntil(at))),
      // The wall clock is kept over a suspension, and read in whole milliseconds.
      localNanos: wholeMillis(
        startNanos + nanos(wallOffset + host(at - suspendedUntil(at)) + suspendedUntil(at) + sumUntil(hostSteps, at))
      )
    }),
    /** A host that is suspended does nothing until it goes on. */
    awakeAt: (at: number) => {
      const during = suspensions.find((pause) => at >= pause.at && at < pause.at + pause.size)
      return during === undefined ? at : during.at + during.size
    },
    wayOut: () => delay(1 - wayBack),
    wayBack: () => delay(wayBack),
    /** Whether the database's clock was set in this time. */
    isStepped: (from: number, until: number) => databaseSteps.some(({ at }) => at > from && at <= until)
  }
}

const wholeMillis = (nanos: bigint): bigint => (nanos / 1_000_000n) * 1_000_000n

type World = ReturnType<typeof worldOf>

/** One process: what it knows, and when its last answer was given. */
const processOn = (world: World) => {
  let knowledge: Knowledge | null = null
  let lastReadAt = 0
  /** The answers under way, in the order of their arrival. */
  let underWay: ReadonlyArray<{ readonly answer: Answer; readonly readAt: number; readonly endAt: number }> = []

  /** Asks at a time; returns when the answer will be there. An answer during which the host was suspended is not used. */
  const ask = (at: number): number => {
    const leftAt = world.awakeAt(at)
    const readAt = leftAt + world.wayOut()
    const endAt = world.awakeAt(readAt + world.wayBack())
    const before = world.reading(leftAt)
    const after = world.reading(endAt)
    if (haveParted(before, after)) return ask(endAt + 50)
    // PostgreSQL answers in whole microseconds.
    const answer = answerOf((world.databaseNanos(readAt) / 1000n) * 1000n, before, after)
    underWay = [...underWay, { answer, readAt, endAt }].toSorted((a, b) => a.endAt - b.endAt)
    return endAt
  }

  const known = (): Knowledge => {
    if (knowledge === null) throw new Error("nothing was asked yet")
    return knowledge
  }

  /** Takes the answers that are there by then. */
  const takeUntil = (at: number): void => {
    for (const { answer, readAt } of underWay.filter(({ endAt }) => endAt <= at)) {
      knowledge = knowledge === null ? { trusted: answer, doubted: null } : take(knowledge, answer)
      lastReadAt = readAt
    }
    underWay = underWay.filter(({ endAt }) => endAt > at)
  }

  /** Asks several times, one after the other, and waits for the answers. */
  const askAndWait = (at: number, times: number): number => {
    let now = at
    for (let n = 0; n < times; n++) now = ask(now) + 50
    takeUntil(now)
    return now
  }

  return {
    askAndWait,
    /** Asks in the background, unless an answer is still under way. */
    probe: (at: number): void => {
      if (underWay.every(({ endAt }) => endAt <= at)) ask(at)
    },
    takeUntil,
    known,
    lastReadAt: () => lastReadAt,
    /** As DatabaseClock.waitForOffset does: asks five times if the host's two clocks have parted. */
    waitForOffset: (at: number): number => {
      takeUntil(at)
      return haveParted(known().trusted, world.reading(at)) ? askAndWait(at, 5) : at
    }
  }
}

/** Runs a scenario for an hour of simulated time for each seed. */
export const findingsOf = (scenario: Scenario, seeds: number): Findings => {
  const behind: Array<number> = []
  let latestBehind = 0
  for (let seed = 1; seed <= seeds; seed++) {
    const world = worldOf(scenario, seed)
    const process = processOn(world)
    let now = process.askAndWait(0, 5)
    let syncAt = now + syncMicros
    while (now < lengthMicros - 20_000_000) {
      const due = world.awakeAt(now + 100_000 + world.random() * 4_000_000)
      for (; syncAt < due - 1_000_000; syncAt += syncMicros) process.askAndWait(syncAt, 2)
      if (scenario.losesProbes !== true) for (const before of probesAtMicros) process.probe(due - before)
      const at = process.waitForOffset(due)
      for (const after of [0, 1000, 5000]) {
        const asked = world.awakeAt(at + after)
        process.takeUntil(asked)
        const reading = world.reading(asked)
        const database = world.databaseNanos(asked)
        // A clock that was set since the last answer can be known by nobody.
        if (world.isStepped(process.lastReadAt(), asked)) continue
        behind.push(Number(database - earliestOf(process.known(), reading)) / 1000)
        if (latestOf(process.known(), reading) < database) latestBehind++
      }
      now = Math.max(at, due) + 6000
    }
  }
  behind.sort((a, b) => a - b)
  const quantile = (share: number) => behind[Math.max(0, Math.ceil(behind.length * share) - 1)] ?? NaN
  return {
    askings: behind.length,
    ahead: behind.filter((micros) => micros < 0).length,
    latestBehind,
    worstAheadMicros: -(behind[0] ?? 0),
    p50Micros: quantile(0.5),
    p99Micros: quantile(0.99)
  }
}
