import { assert, describe, it } from "@effect/vitest"
import { BigDecimal, Duration, Option } from "effect"
import { admit, allowedOf, stepOf } from "../../../src/domain/limits/participation.ts"

const limits = (percent: string) => ({
  volumeSharePercent: Option.some(BigDecimal.fromStringUnsafe(percent)),
  volumePeriod: Duration.minutes(5),
  quoteAge: Duration.seconds(60)
})
const now = 1_000_000
const volume = (recentVolume: number | null, used = 0, usedLately = 0) =>
  new Map([["A", { instrument: "A", recentVolume, recentVolumeMillis: now, used, usedLately }]])
const slices = (...quantities: ReadonlyArray<number>) =>
  quantities.map((quantity) => ({ instrument: "A", quantity, scheduledMillis: now }))
const admittedOf = (...asked: Parameters<typeof admit>) => admit(...asked).admitted.map(({ quantity }) => quantity)

describe("the share of the volume", () => {
  it("admits slices together up to exactly the share, with what is used already", () => {
    assert.deepStrictEqual(admittedOf(slices(20, 5), volume(1000), now, limits("2.5")), [20, 5])
    assert.deepStrictEqual(admittedOf(slices(20, 6), volume(1000), now, limits("2.5")), [20])
    assert.deepStrictEqual(admittedOf(slices(5), volume(1000, 20), now, limits("2.5")), [5])
    assert.deepStrictEqual(admittedOf(slices(6), volume(1000, 20), now, limits("2.5")), [])
    assert.deepStrictEqual(admittedOf(slices(1), volume(0), now, limits("100")), [])
  })

  it("lets no slice overtake the first that is too large, and says how much of that may go", () => {
    const { admitted, cut, waiting } = admit(slices(30, 100, 1), volume(1000, 40, 5), now, limits("10"))
    assert.deepStrictEqual(admitted, slices(30))
    assert.deepStrictEqual(
      cut.map(({ slice, room }) => ({ quantity: slice.quantity, ...room })),
      // 100 may be sent in the period, and 10 in a tenth of it.
      [{ quantity: 100, most: 30, steady: 10 - 35, isFirst: false }]
    )
    assert.deepStrictEqual(
      waiting.map(({ slice }) => slice.quantity),
      [1]
    )
    assert.strictEqual(
      cut[0]?.reason,
      "LIMIT_VOLUME_SHARE_PERCENT (10) allows 100 within 5 minutes, of which 30 are left, and the slice has 100"
    )
  })

  it("lets late slices catch up at a steady pace, past which those on time go", () => {
    const late = (quantity: number, seconds = 61) => ({
      instrument: "A",
      quantity,
      scheduledMillis: now - seconds * 1000
    })
    // 100 may be sent in the period, and 10 in a tenth of it.
    const admittedWith = (used: number, ...asked: ReadonlyArray<ReturnType<typeof late>>) =>
      admittedOf(asked, volume(1000, used, used), now, limits("10"))
    const { admitted, cut, waiting } = admit(
      [4, 4, 4, 2].map((quantity) => late(quantity)),
      volume(1000),
      now,
      limits("10")
    )
    assert.deepStrictEqual(
      [admitted.length, cut.map(({ room }) => room.steady), waiting.map(({ slice }) => slice.quantity)],
      [2, [2], [2]]
    )
    assert.deepStrictEqual(admittedWith(0, late(50), late(1)), [50])
    assert.deepStrictEqual(admittedWith(20, late(50), ...slices(30), late(1)), [30])
    assert.deepStrictEqual(admittedWith(0, late(30, 60), late(30, 60), late(30, 60)), [30, 30, 30])
  })

  it("lets a slice wait whole only when nothing at all is left", () => {
    const { cut, waiting } = admit(slices(10), volume(1000, 100), now, limits("10"))
    assert.deepStrictEqual([cut.length, waiting.length], [0, 1])
  })

  it("lets one late slice go in a tenth of the period where the volume is not known", () => {
    const late = { instrument: "A", quantity: 50, scheduledMillis: now - 61_000 }
    const unknown = (usedLately: number) => volume(null, 5000, usedLately)
    assert.deepStrictEqual(admittedOf([late, ...slices(7), late], unknown(0), now, limits("1")), [50, 7])
    assert.deepStrictEqual(admittedOf([late, ...slices(7), late], unknown(1), now, limits("1")), [7])
  })

  it("does not limit an instrument whose volume is not known, or known from too old a quote", () => {
    assert.deepStrictEqual(admittedOf(slices(1000), volume(null, 5000), now, limits("1")), [1000])
    assert.deepStrictEqual(admittedOf(slices(1000), volume(10), now + 60_001, limits("1")), [1000])
    assert.deepStrictEqual(admittedOf(slices(1000), volume(10), now + 60_000, limits("1")), [])
    assert.deepStrictEqual(
      admittedOf([{ instrument: "B", quantity: 9, scheduledMillis: now }], volume(10), now, limits("1")),
      [9]
    )
    assert.isNull(allowedOf({ recentVolume: 10, recentVolumeMillis: null }, now, limits("1")))
  })

  it("continues ten times in a period", () => {
    assert.strictEqual(Duration.toMillis(stepOf(limits("1"))), 30_000)
  })
})
