import { assert, describe, it } from "@effect/vitest"
import { DateTime, Duration } from "effect"
import { builtInCalendar } from "../../../src/domain/market/data/builtInCalendar.ts"
import { dailyList, syncPause } from "../../../src/domain/market/instrumentSync.ts"

const at = (text: string) => DateTime.makeUnsafe(`${text}+05:30`)
const opening = (day: string, time = "08:35") => {
  const list = dailyList(time, builtInCalendar, at(`${day}T12:00:00`))
  return list === null
    ? null
    : [list.day, list.dueAt, list.opensAt].map((one) => (typeof one === "string" ? one : DateTime.formatIso(one)))
}

describe("dailyList", () => {
  it("is wanted on each day on which any venue trades, before the first one opens", () => {
    assert.deepStrictEqual(opening("2026-12-01"), [
      "2026-12-01",
      "2026-12-01T03:05:00.000Z",
      "2026-12-01T03:30:00.000Z"
    ])
    // A Sunday, Christmas, and a holiday with an evening session of MCX.
    assert.deepStrictEqual([opening("2026-11-29"), opening("2026-12-25")], [null, null])
    assert.deepStrictEqual(opening("2026-11-24")?.[2], "2026-11-24T11:30:00.000Z")
    const any = dailyList("00:00", null, at("2026-11-29T00:00:00"))
    assert.strictEqual(any?.day, "2026-11-29")
  })

  it("is tried again after pauses that grow to ten minutes", () => {
    assert.deepStrictEqual(
      [1, 2, 3, 4, 5, 60].map((attempts) => Duration.toMinutes(syncPause(attempts))),
      [1, 2, 4, 8, 10, 10]
    )
  })
})
