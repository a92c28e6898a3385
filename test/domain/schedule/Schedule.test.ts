import { assert, describe, it } from "@effect/vitest"
import { Result, Schema } from "effect"
import { restOf, uShapedDay } from "../../../src/domain/planning/schedule/Curve.ts"
import { explainSchedule } from "../../../src/domain/planning/schedule/explain.ts"
import {
  planSchedule,
  type ScheduledSlice,
  ScheduleInput,
  scheduleSlots,
  scheduleTimes,
  wholeMinutes
} from "../../../src/domain/planning/schedule/Schedule.ts"
import type { Hiding } from "../../../src/domain/planning/schedule/slots.ts"

const hour = 3_600_000

const example: ScheduleInput = {
  seed: "seed",
  totalQuantity: 100_000,
  lotSize: 1,
  numSlices: 100,
  windowMillis: hour,
  randomize: true,
  curve: { _tag: "Even" },
  leastGapMillis: 0,
  hiding: "tight",
  largestSlice: null
}

const scheduleOf = (changed: Partial<ScheduleInput> = {}): ReadonlyArray<ScheduledSlice> =>
  Result.getOrThrow(planSchedule({ ...example, ...changed }))

const sum = (numbers: ReadonlyArray<number>) => numbers.reduce((total, number) => total + number, 0)
const range = (count: number) => Array.from({ length: count }, (_, index) => index)
const quantitiesOf = (slices: ReadonlyArray<ScheduledSlice>) => slices.map(({ quantity }) => quantity)

/** A randomized straight-line schedule of `numSlices` slices with `lotsEach` lots each on average. */
const varied = (seed: number, numSlices: number, minGapMillis = 0, lotsEach = 1000, hiding: Hiding = "tight") =>
  scheduleOf(variedInput(seed, numSlices, minGapMillis, lotsEach, hiding))

const variedInput = (
  seed: number,
  numSlices: number,
  minGapMillis = 0,
  lotsEach = 1000,
  hiding: Hiding = "tight"
): ScheduleInput => ({
  ...example,
  seed: `seed ${seed}`,
  numSlices,
  totalQuantity: Math.round(numSlices * lotsEach),
  leastGapMillis: minGapMillis,
  hiding
})

/** The times of {@link varied}. */
const variedTimes = (seed: number, numSlices: number, minGapMillis = 0, hiding: Hiding = "tight") =>
  Result.getOrThrow(scheduleTimes(variedInput(seed, numSlices, minGapMillis, 1000, hiding)))

/** The maximum distance of a schedule's running total from the straight line, in slices. */
const tracking = (slices: ReadonlyArray<ScheduledSlice>): number => {
  const average = sum(quantitiesOf(slices)) / slices.length
  let [done, farthest] = [0, 0]
  for (const { quantity, offsetMillis } of slices) {
    const line = (offsetMillis / hour) * slices.length
    farthest = Math.max(farthest, Math.abs(done / average - line))
    done += quantity
    farthest = Math.max(farthest, Math.abs(done / average - line))
  }
  return Math.max(farthest, Math.abs(done / average - slices.length))
}

/** Coefficient of variation and lag-1 autocorrelation of the sizes. */
const sizeStatistics = (slices: ReadonlyArray<ScheduledSlice>) => {
  const sizes = quantitiesOf(slices)
  const mean = sum(sizes) / sizes.length
  const off = sizes.map((size) => size - mean)
  const variance = sum(off.map((one) => one * one))
  return {
    variation: Math.sqrt(variance / sizes.length) / mean,
    lag1: sum(off.slice(1).map((one, index) => one * (off[index] ?? 0))) / variance
  }
}

/** Whether a Ljung–Box test of ten lags at 5 % sees correlation in the sizes (Ljung and Box, Biometrika 65, 1978). */
const showsCorrelation = (slices: ReadonlyArray<ScheduledSlice>): boolean => {
  const sizes = quantitiesOf(slices)
  const n = sizes.length
  const mean = sum(sizes) / n
  const off = sizes.map((size) => size - mean)
  const variance = sum(off.map((one) => one * one))
  const correlations = range(10).map(
    (index) => sum(off.slice(index + 1).map((one, k) => one * (off[k] ?? 0))) / variance
  )
  return n * (n + 2) * sum(correlations.map((one, index) => (one * one) / (n - index - 1))) > 18.307
}

/** Coefficient of variation of the gaps between times; that of independent times is near 1. */
const gapVariation = (offsets: ReadonlyArray<number>): number => {
  const gaps = offsets.slice(1).map((offset, index) => offset - (offsets[index] ?? 0))
  const mean = sum(gaps) / gaps.length
  return Math.sqrt(sum(gaps.map((gap) => (gap - mean) ** 2)) / gaps.length) / mean
}

/** Whether the Rayleigh test at 5 % detects the period in the times (Zar, Biostatistical Analysis, equation 27.4). */
const showsPeriod = (offsets: ReadonlyArray<number>, periodMillis: number): boolean => {
  const n = offsets.length
  const angles = offsets.map((offset) => (2 * Math.PI * offset) / periodMillis)
  const length = Math.hypot(sum(angles.map(Math.cos)), sum(angles.map(Math.sin)))
  return Math.exp(Math.sqrt(1 + 4 * n + 4 * (n * n - length * length)) - (1 + 2 * n)) < 0.05
}

describe("a varied schedule", () => {
  const counts = [1, 2, 3, 7, 12, 50, 100, 250, 500]

  it("stays within 1.5 slices of the line, and keeps sizes within 30 % of the average", () => {
    for (const count of counts) {
      for (const seed of range(100)) {
        const slices = varied(seed, count)
        assert.isAtMost(tracking(slices), 1.5 + 1e-9)
        assert.isTrue(slices.every(({ quantity }) => quantity >= 700 && quantity <= 1300))
      }
    }
  })

  it("keeps both limits when a slice is only a few lots, sizes to within one lot", () => {
    for (const seed of range(1000)) {
      const numSlices = 1 + (seed % 60)
      const totalQuantity = numSlices + ((seed * 7919) % (numSlices * 12))
      const base = totalQuantity / numSlices
      const slices = scheduleOf({ seed: String(seed), numSlices, totalQuantity })
      assert.isAtMost(tracking(slices), 1.5 + 1e-9)
      for (const { quantity } of slices) {
        assert.isAtLeast(quantity, Math.max(1, 0.7 * base - 1))
        assert.isAtMost(quantity, 1.3 * base + 1)
      }
    }
  })

  const fewLots = [2, 2.1, 2.25, 2.5, 2.75, 2.9, 3, 3.1, 3.5, 3.75, 4, 4.25, 4.5, 4.75, 5, 5.5, 6, 7, 8, 10, 20, 100]
  for (const lotsEach of [...fewLots, 1000]) {
    it(`has sizes that vary without alternating or trending: ${lotsEach} lots a slice`, () => {
      for (const count of [50, 100, 250, 500]) {
        for (const seed of range(lotsEach === 1000 ? 40 : 4)) {
          const slices = varied(seed, count, 0, lotsEach)
          const { variation, lag1 } = sizeStatistics(slices)
          const which = `seed ${seed}, ${count} slices`
          assert.isAtLeast(variation, 0.12, which)
          assert.isAtMost(variation, 0.35, which)
          assert.isAtMost(Math.abs(lag1), 0.15, which)
          assert.isAtMost(tracking(slices), 1.5 + 1e-9, which)
          const average = sum(quantitiesOf(slices)) / count
          for (const { quantity } of slices) assert.isAtMost(Math.abs(quantity - average), 0.3 * average + 1, which)
        }
      }
    })
  }

  it("varies the sizes of short orders too, from two lots a slice upwards", () => {
    for (const lotsEach of fewLots) {
      for (const count of [3, 6, 12]) {
        const plans = range(100).map((seed) => String(quantitiesOf(varied(seed, count, 0, lotsEach))))
        assert.isAbove(new Set(plans).size, count === 3 ? 3 : 20, `${count} slices of ${lotsEach} lots`)
      }
    }
  })

  for (const { count, gap } of [
    { count: 12, gap: 0 },
    { count: 50, gap: 0 },
    { count: 100, gap: 5000 }
  ]) {
    it(`shows no period to a Rayleigh test over 10,000 seeds: ${count} slices at least ${gap} ms apart`, () => {
      const periods = [hour / count, 1000, 60_000, 300_000]
      const seen = periods.map(() => 0)
      for (const seed of range(10_000)) {
        const offsets = variedTimes(seed, count, gap)
        for (const [index, period] of periods.entries()) {
          if (showsPeriod(offsets, period)) seen[index] = (seen[index] ?? 0) + 1
        }
      }
      for (const detections of seen) assert.isAtMost(detections / 10_000, 0.06)
    })
  }

  for (const gap of [0, 60_000]) {
    it(`follows the line on average, with ${gap} ms between slices`, () => {
      const [count, seeds, steps] = [20, 4000, 200]
      const mean = range(steps + 1).map(() => 0)
      for (const seed of range(seeds)) {
        const slices = varied(seed, count, gap)
        let [next, done] = [0, 0]
        for (const step of range(steps + 1)) {
          for (; (slices[next]?.offsetMillis ?? Infinity) <= (step / steps) * hour; next++) {
            done += slices[next]?.quantity ?? 0
          }
          mean[step] = (mean[step] ?? 0) + done / (count * 1000) / seeds
        }
      }
      for (const [step, share] of mean.entries()) assert.isAtMost(Math.abs(share - step / steps), 0.1 / count)
    })
  }

  it("varies the first and the last slice too, in size and in time", () => {
    const [first, last] = [new Set<string>(), new Set<string>()]
    for (const seed of range(50)) {
      const slices = varied(seed, 10)
      first.add(`${slices[0]?.quantity} ${slices[0]?.offsetMillis}`)
      last.add(`${slices.at(-1)?.quantity} ${slices.at(-1)?.offsetMillis}`)
    }
    assert.strictEqual(first.size, 50)
    assert.strictEqual(last.size, 50)
  })

  for (const hiding of ["tight", "loose"] as const) {
    it(`keeps any minimum gap that fits, up to the width of the slots: ${hiding}`, () => {
      for (const gap of [1, 1000, 18_000, 30_000, 36_000]) {
        for (const seed of range(100)) {
          const offsets = variedTimes(seed, 100, gap, hiding)
          assert.isTrue(offsets.slice(1).every((offset, index) => offset - (offsets[index] ?? 0) >= gap))
          assert.isAtMost(offsets.at(-1) ?? 0, hour)
        }
      }
    })
  }

  for (const { count, lotsEach, seeds } of [
    { count: 50, lotsEach: 1000, seeds: 300 },
    { count: 200, lotsEach: 20, seeds: 100 },
    { count: 500, lotsEach: 1000, seeds: 100 },
    { count: 500, lotsEach: 3, seeds: 50 }
  ]) {
    it(`has sizes without correlation over ten lags: ${count} slices of ${lotsEach} lots`, () => {
      const seen = range(seeds).filter((seed) => showsCorrelation(varied(seed, count, 0, lotsEach)))
      assert.isAtMost(seen.length / seeds, 0.06)
    })
  }

  it("has sizes that come in any order, not only in those that stay near the line, when it hides loosely", () => {
    for (const count of [12, 50, 500]) {
      for (const seed of range(20)) {
        const slices = varied(seed, count, 0, 1000, "loose")
        assert.isAtMost(tracking(slices), Math.min(count, 16) + 4 + 1e-9)
        assert.isTrue(slices.every(({ quantity }) => quantity >= 700 && quantity <= 1300))
        if (count === 500) assert.isFalse(showsCorrelation(slices))
      }
    }
  })

  it("has gaps like those of independent orders when it hides loosely", () => {
    const mean = (count: number, hiding: Hiding) =>
      sum(range(200).map((seed) => gapVariation(variedTimes(seed, count, 0, hiding)))) / 200
    for (const count of [50, 100, 500]) {
      assert.approximately(mean(count, "tight"), 0.41, 0.02)
      assert.approximately(mean(count, "loose"), 0.94, 0.03)
    }
  })

  for (const hiding of ["tight", "loose"] as const) {
    it(`shares no slot's border with another order of the same window: ${hiding}`, () => {
      const borders = range(200).flatMap((seed) =>
        scheduleSlots(variedInput(seed, 100, 0, 10, hiding), 4)
          .slots.slice(1)
          .map(({ from }) => from)
      )
      assert.strictEqual(new Set(borders.map((border) => border.toFixed(8))).size, borders.length)
      // All moments of the window are as likely to be a border: a quarter of them in each quarter of a slice's width.
      const quarters = range(4).map((part) => borders.filter((border) => Math.floor((border % 1) * 4) === part).length)
      for (const count of quarters) assert.approximately(count / borders.length, 0.25, 0.08)
    })
  }

  it("scales with quantity and lot together", () => {
    const one = scheduleOf({ totalQuantity: 6500, numSlices: 30 })
    const lots = scheduleOf({ totalQuantity: 6500 * 65, lotSize: 65, numSlices: 30 })
    assert.deepStrictEqual(
      lots,
      one.map((slice) => ({ ...slice, quantity: slice.quantity * 65 }))
    )
  })

  it("stays the same to the byte in each version", () => {
    const made = (version: 3 | 4, changed: Partial<ScheduleInput> = {}) =>
      Result.getOrThrow(
        planSchedule({ ...example, numSlices: 6, totalQuantity: 6000, ...changed }, wholeMinutes, version)
      ).map(({ quantity, offsetMillis }) => [quantity, offsetMillis])
    assert.deepStrictEqual(made(3), [
      [827, 430_694],
      [1003, 1_059_287],
      [1275, 1_334_859],
      [831, 2_207_982],
      [1055, 2_498_641],
      [1009, 3_015_068]
    ])
    assert.deepStrictEqual(made(4), [
      [866, 237_842],
      [702, 790_625],
      [1110, 1_066_197],
      [777, 1_939_320],
      [1245, 2_229_979],
      [1300, 2_753_153]
    ])
    assert.deepStrictEqual(made(4, { hiding: "loose" }), [
      [866, 90_410],
      [1298, 591_850],
      [1110, 809_158],
      [777, 1_612_400],
      [1072, 2_447_892],
      [877, 2_755_724]
    ])
  })

  it("takes a plan that was stored without a word on hiding for a tight one", () => {
    const { hiding: _, ...before } = example
    const input = Schema.decodeUnknownSync(ScheduleInput)(before)
    assert.deepStrictEqual(planSchedule(input), planSchedule(example))
  })
})

const trajectory = (riskAversion: number, isBackwards: boolean) =>
  ({ _tag: "Trajectory", riskAversion, isBackwards, from: 0, to: 1 }) as const

describe("the shape of a schedule", () => {
  const fixed = (curve: ScheduleInput["curve"], changed: Partial<ScheduleInput> = {}) =>
    quantitiesOf(scheduleOf({ randomize: false, numSlices: 4, totalQuantity: 1000, curve, ...changed }))

  it("follows custom weights, however many there are", () => {
    assert.deepStrictEqual(fixed({ _tag: "InProportion", profile: [4, 3, 2, 1], from: 0, to: 1 }), [400, 300, 200, 100])
    assert.deepStrictEqual(fixed({ _tag: "InProportion", profile: [3, 1], from: 0, to: 1 }), [375, 375, 125, 125])
    assert.deepStrictEqual(
      fixed({ _tag: "InProportion", profile: [1, 1, 1, 1, 2, 2, 3, 5], from: 0, to: 1 }),
      [125, 125, 250, 500]
    )
  })

  it("takes the part of the volume profile that the window covers, and continues with the next day's", () => {
    assert.deepStrictEqual(
      fixed({ _tag: "InProportion", profile: [9, 1, 2, 3], from: 0.25, to: 1 }, { numSlices: 3, totalQuantity: 600 }),
      [100, 200, 300]
    )
    assert.deepStrictEqual(
      fixed({ _tag: "InProportion", profile: [1, 3], from: 0.5, to: 1.5 }, { numSlices: 2 }),
      [750, 250]
    )
  })

  it("is a symmetric U over the day, with the maximum at both ends", () => {
    const parts = fixed(
      { _tag: "InProportion", profile: uShapedDay, from: 0, to: 1 },
      { numSlices: 5, totalQuantity: 100_000 }
    )
    // 2/3·u + (4/3)·((u − 1/2)³ + 1/8) at u = 0.2 is 0.264.
    assert.approximately(parts[0] ?? 0, 26_400, 1)
    assert.approximately(parts[4] ?? 0, 26_400, 1)
    assert.approximately(parts[1] ?? 0, parts[3] ?? 0, 1)
    assert.isBelow(parts[2] ?? 0, parts[1] ?? 0)
  })

  it("is the trajectory of Almgren and Chriss, front-loaded, and mirrored when reversed", () => {
    const kappa = 2
    const remaining = (share: number) => Math.sinh(kappa * (1 - share)) / Math.sinh(kappa)
    const expected = range(4).map((k) => 1_000_000 * (remaining(k / 4) - remaining((k + 1) / 4)))
    const front = fixed(trajectory(kappa, false), { totalQuantity: 1_000_000 })
    for (const [index, quantity] of front.entries()) assert.approximately(quantity, expected[index] ?? 0, 1)
    const back = fixed(trajectory(kappa, true), { totalQuantity: 1_000_000 })
    for (const [index, quantity] of back.toReversed().entries()) assert.approximately(quantity, expected[index] ?? 0, 1)
  })

  it("continues where it was when part of the window is over", () => {
    const whole = fixed(trajectory(2, false), { totalQuantity: 1_000_000 })
    const done = whole[0] ?? 0
    const rest = fixed(restOf(trajectory(2, false), 0.25), { numSlices: 3, totalQuantity: 1_000_000 - done })
    for (const [index, quantity] of rest.entries()) assert.approximately(quantity, whole[index + 1] ?? 0, 2)
    assert.deepStrictEqual(
      fixed(restOf({ _tag: "InProportion", profile: [9, 3, 2, 1], from: 0, to: 1 }, 0.25), {
        numSlices: 3,
        totalQuantity: 600
      }),
      [300, 200, 100]
    )
  })

  it("is the straight line without risk aversion, and stays valid with a large one", () => {
    assert.deepStrictEqual(fixed(trajectory(1e-9, false)), [250, 250, 250, 250])
    assert.deepStrictEqual(fixed(trajectory(100, false)), [997, 1, 1, 1])
  })

  it("moves what exceeds the maximum of one slice to the others", () => {
    assert.deepStrictEqual(
      fixed({ _tag: "InProportion", profile: [97, 1, 1, 1], from: 0, to: 1 }, { largestSlice: 400 }),
      [400, 200, 200, 200]
    )
  })
})

describe("a generated schedule", () => {
  const small = Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 60 }))
  const Any = Schema.Struct({
    seed: Schema.String.check(Schema.isMaxLength(20)),
    numSlices: small,
    lotSize: Schema.Literals([1, 15, 65]),
    extraLots: Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 5000 })),
    windowMillis: Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 86_400_000 })),
    randomize: Schema.Boolean,
    curve: ScheduleInput.fields.curve,
    gapShare: Schema.Finite.check(Schema.isBetween({ minimum: 0, maximum: 1 })),
    hiding: Schema.Literals(["tight", "loose"]),
    maxShare: Schema.NullOr(Schema.Finite.check(Schema.isBetween({ minimum: 1, maximum: 3 })))
  })
  const inputOf = (any: typeof Any.Type): ScheduleInput => {
    const lots = any.numSlices + any.extraLots
    const curve =
      any.curve._tag === "InProportion"
        ? { ...any.curve, from: any.gapShare, to: any.gapShare + 1 / any.numSlices }
        : any.curve
    return {
      ...any,
      curve,
      totalQuantity: lots * any.lotSize,
      leastGapMillis: Math.floor((any.gapShare * any.windowMillis) / any.numSlices),
      largestSlice: any.maxShare === null ? null : Math.ceil((lots / any.numSlices) * any.maxShare) * any.lotSize
    }
  }

  it.prop(
    "keeps every rule: number, sum, whole lots, bounds, order, gap and window",
    [Any],
    ([any]) => {
      const input = inputOf(any)
      const slices = Result.getOrThrow(planSchedule(input))
      assert.strictEqual(slices.length, input.numSlices)
      assert.strictEqual(sum(quantitiesOf(slices)), input.totalQuantity)
      let before = -Infinity
      for (const { quantity, offsetMillis } of slices) {
        assert.strictEqual(quantity % input.lotSize, 0)
        assert.isAtLeast(quantity, input.lotSize)
        assert.isAtMost(quantity, input.largestSlice ?? Infinity)
        assert.isTrue(Number.isInteger(offsetMillis) && offsetMillis >= 0 && offsetMillis <= input.windowMillis)
        assert.isAtLeast(offsetMillis - before, Math.max(0, input.leastGapMillis - (input.randomize ? 0 : 1)))
        before = offsetMillis
      }
      assert.deepStrictEqual(planSchedule(input), planSchedule(input))
    },
    { arbitrary: { runs: 2000 } }
  )

  it.prop("is reproduced from its stored input, with an explanation of each slice", [Any], ([any]) => {
    const input = inputOf(any)
    const stored = JSON.parse(JSON.stringify(input)) as unknown
    const explained = Result.getOrThrow(explainSchedule(Schema.decodeUnknownSync(ScheduleInput)(stored)))
    assert.deepStrictEqual(
      explained.map(({ quantity, offsetMillis }) => ({ quantity, offsetMillis })),
      scheduleOf(input)
    )
    assert.strictEqual(explained.at(-1)?.aheadQuantity, 0)
    assert.strictEqual(sum(explained.map(({ curveQuantity }) => curveQuantity)), input.totalQuantity)
    for (const { offsetMillis, slotFromMillis, slotToMillis } of explained) {
      assert.isAtLeast(offsetMillis, slotFromMillis)
      assert.isAtMost(offsetMillis, slotToMillis + 1)
    }
  })
})
