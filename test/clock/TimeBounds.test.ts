import { afterAll, assert, describe, it } from "@effect/vitest"
import {
  type Answer,
  correct,
  correctByHost,
  earliestAt,
  earliestOf,
  jumpMillisOf,
  type Knowledge,
  latestAt,
  latestOf,
  offsetMillisOf,
  take
} from "../../src/clock/TimeBounds.ts"
import { type Findings, findingsOf, type Scenario } from "./simulatedClocks.ts"

/** Hours of simulated time for each scenario. doc/guides/reliability.md has the figures. */
const seeds = 5

/** 250 to 500 ppm on both hosts, in either direction. */
const slews = { slewPpm: 500 }

const scenarios: ReadonlyArray<Scenario> = [
  { name: "drift only, 0.2 ms", roundTripMicros: 200 },
  { name: "slews, 0.12 ms", roundTripMicros: 120, ...slews },
  { name: "slews, 0.2 ms", roundTripMicros: 200, ...slews },
  { name: "slews, 0.5 ms", roundTripMicros: 500, ...slews },
  { name: "slews, 1 ms", roundTripMicros: 1000, ...slews },
  { name: "slews, 1 ms, 80 % of it back", roundTripMicros: 1000, wayBack: 0.8, ...slews },
  { name: "slews, 1 ms, 80 % of it out", roundTripMicros: 1000, wayBack: 0.2, ...slews },
  { name: "slews, 5 ms", roundTripMicros: 5000, ...slews },
  { name: "slews, 40 ms", roundTripMicros: 40_000, ...slews },
  { name: "slews, 0.2 ms, no probe is answered", roundTripMicros: 200, losesProbes: true, ...slews },
  {
    name: "the database's clock set back and forth",
    roundTripMicros: 200,
    databaseSteps: [-5000, 3000, -150, -90_000, 200_000, -400_000],
    ...slews
  },
  {
    name: "this host's clock set",
    roundTripMicros: 200,
    hostSteps: [-5000, 300_000, -600_000_000, 600_000_000],
    ...slews
  },
  {
    name: "this host suspended",
    roundTripMicros: 200,
    suspensions: [2_000_000, 300_000, 60_000_000, 450_000],
    ...slews
  }
]

const lines: Array<string> = []

const inWords = ({ name }: Scenario, found: Findings): string => {
  const [p50, p99, worst] = [found.p50Micros, found.p99Micros, found.worstAheadMicros].map((micros) =>
    micros.toFixed(0)
  )
  return `${name}: ahead ${found.ahead} of ${found.askings} times, by at most ${worst} µs (less than 0: behind); behind p50 ${p50} µs, p99 ${p99} µs`
}

describe("the bounds of the database's time, simulated", () => {
  afterAll(() => process.stdout.write(`${lines.join("\n")}\n`))

  for (const scenario of scenarios) {
    it(`never pass it: ${scenario.name}`, () => {
      const found = findingsOf(scenario, seeds)
      assert.isAbove(found.askings, 10_000)
      lines.push(inWords(scenario, found))
      assert.strictEqual(found.ahead, 0, inWords(scenario, found))
      assert.strictEqual(found.latestBehind, 0, inWords(scenario, found))
    })
  }

  it("are close: behind by the way back of the quickest of four probes, and little more", () => {
    const found = findingsOf({ name: "close", roundTripMicros: 1000, ...slews }, seeds)
    assert.isBelow(found.p50Micros, 600)
    assert.isBelow(found.p99Micros, 800)
  })

  it("are passed by a clock that is slewed by 8 %, at most by what that is during the round trips since a probe", () => {
    const found = findingsOf({ name: "chrony", roundTripMicros: 200, slewPpm: 80_000 }, seeds)
    assert.isAbove(found.ahead, 0)
    assert.isBelow(found.worstAheadMicros, 2500)
  })
})

const nanos = (millis: number) => BigInt(Math.round(millis * 1e6))

/** Bounds at a moment of the monotonic clock, with a wall clock that agrees with the database's unless it is given. */
const boundsAt = (monotonicMillis: number, earliest: number, latest = earliest, local = earliest) => ({
  monotonicNanos: nanos(monotonicMillis),
  localNanos: nanos(local),
  earliestNanos: nanos(earliest),
  latestNanos: nanos(latest)
})

const answerAt = (monotonicMillis: number, database: number, roundTrip: number, local = database): Answer => ({
  ...boundsAt(monotonicMillis, database, database + roundTrip, local),
  roundTripNanos: nanos(roundTrip)
})

describe("correct", () => {
  const current = boundsAt(0, 1000, 1001)

  it("carries the lower bound on more slowly and the upper one faster, rounded away from the database's time", () => {
    assert.strictEqual(earliestAt(current, boundsAt(500, 0)), nanos(1499.45))
    assert.strictEqual(latestAt(current, boundsAt(500, 1500)), nanos(1501 + 1) + 550_000n + 1100n)
    assert.strictEqual(earliestAt(current, { monotonicNanos: 1n }), nanos(1000))
    assert.strictEqual(latestAt(current, { monotonicNanos: 1_000_001n, localNanos: 0n }), nanos(1002) + 1n + 1101n)
  })

  it("takes the later lower bound and the earlier upper one, since both are true", () => {
    const slow = correct(current, answerAt(500, 1400, 150))
    assert.strictEqual(slow.earliestNanos, nanos(1499.45))
    assert.strictEqual(slow.latestNanos, latestAt(current, answerAt(500, 1400, 150)))
    const quick = correct(current, answerAt(500, 1500, 0.1))
    assert.deepStrictEqual([quick.earliestNanos, quick.latestNanos], [nanos(1500), nanos(1500.1)])
  })

  it("drops a bound that the answer rules out", () => {
    assert.strictEqual(correct(current, answerAt(500, 1498.9, 0.2)).earliestNanos, nanos(1498.9))
    assert.strictEqual(correct(current, answerAt(500, 1600, 0.2)).latestNanos, nanos(1600.2))
  })
})

describe("correctByHost", () => {
  it("is exact at the turn of a millisecond, goes on between two turns, and is not ahead however often it is asked", () => {
    let bounds = boundsAt(0, 0, 1)
    for (let micros = 1; micros <= 20_000; micros += 7) {
      const local = BigInt(Math.floor(micros / 1000)) * 1_000_000n
      bounds = correctByHost(bounds, { monotonicNanos: BigInt(micros) * 1000n, localNanos: local })
      assert.isAtMost(Number(bounds.earliestNanos), micros * 1000)
      assert.isAtLeast(Number(bounds.latestNanos), micros * 1000)
      if (micros > 2000) assert.isAtLeast(Number(bounds.earliestNanos), micros * 1000 - 7000 - 1100)
    }
  })

  it("follows a step back of the clock at once", () => {
    const stepped = correctByHost(boundsAt(0, 1000, 1001), { monotonicNanos: nanos(1), localNanos: nanos(990) })
    assert.strictEqual(stepped.earliestNanos, nanos(990))
  })
})

describe("take", () => {
  const start: Knowledge = { trusted: boundsAt(0, 1000, 1000.2), doubted: null }
  const second = 1000
  const minute = 60 * second
  const at = (monotonicMillis: number, localMillis: number) => ({
    monotonicNanos: nanos(monotonicMillis),
    localNanos: nanos(localMillis)
  })

  for (const jump of [minute, -minute, 1.5 * second]) {
    it(`does not believe a jump by ${jump} ms that neither clock of this host confirms, and stays on the safe side`, () => {
      const doubtful = take(start, answerAt(10 * second, 1000 + 10 * second + jump, 0.2, 1000 + 10 * second))
      assert.isNotNull(doubtful.doubted)
      assert.approximately(jumpMillisOf(doubtful), jump, 20)
      assert.approximately(offsetMillisOf(doubtful), -jump, 20)
      // A minute later: not ahead of either, and not behind either.
      const later = at(10 * second + minute, 1000 + 10 * second + minute)
      const carried = 1000 + 10 * second + minute
      assert.isAtMost(Number(earliestOf(doubtful, later)), Number(nanos(Math.min(carried, carried + jump))))
      assert.isAtLeast(Number(latestOf(doubtful, later)), Number(nanos(Math.max(carried, carried + jump))))

      const back = take(doubtful, answerAt(20 * second, 1000 + 20 * second, 0.2))
      assert.isNull(back.doubted, "the database's clock was set right")
      const followed = take(doubtful, answerAt(20 * second, 1000 + 20 * second + jump, 0.2))
      assert.isNull(followed.doubted, "the host's clock was set to the same time")
      assert.strictEqual(followed.trusted.earliestNanos, nanos(1000 + 20 * second + jump))
    })
  }

  it("ends no doubt by a slow answer, which fits the time before the jump and the time after it", () => {
    const doubtful = take(start, answerAt(10 * second, 1000 + 8 * second, 0.2, 1000 + 10 * second))
    const still = take(doubtful, answerAt(20 * second, 1000 + 18 * second, 3 * second, 1000 + 20 * second))
    assert.isNotNull(still.doubted)
    assert.isAtMost(
      Number(earliestOf(still, { monotonicNanos: nanos(20 * second) })),
      Number(nanos(1000 + 18 * second))
    )
    const sure = take(still, answerAt(21 * second, 1000 + 21 * second, 0.2))
    assert.deepStrictEqual(sure, { trusted: answerAt(21 * second, 1000 + 21 * second, 0.2), doubted: null })
  })

  it("believes what passed during a suspension, by the wall clock", () => {
    const { trusted, doubted } = take(start, answerAt(second, 1000 + minute, 0.2))
    assert.isNull(doubted)
    assert.strictEqual(trusted.earliestNanos, nanos(1000 + minute))
  })

  it("believes what passed while this host's wall clock was set, by the monotonic clock", () => {
    for (const local of [1000 - minute, 1000 + 60 * minute]) {
      assert.isNull(take(start, answerAt(second, 1000 + second, 0.2, local)).doubted)
      assert.isNotNull(take(start, answerAt(second, 1000 + second + 10 * minute, 0.2, local)).doubted)
    }
  })

  it("believes a database's clock that is set to the time of this host's wall clock: it is repaired", () => {
    const wrong: Knowledge = { trusted: boundsAt(0, 1000, 1000.2, 1000 + 3 * second), doubted: null }
    assert.isNull(take(wrong, answerAt(second, 1000 + 4 * second, 0.2)).doubted)
    assert.isNotNull(take(wrong, answerAt(second, 1000 + 6 * second, 0.2, 1000 + 4 * second)).doubted)
  })
})
