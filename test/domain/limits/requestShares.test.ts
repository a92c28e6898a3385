import { assert, describe, it } from "@effect/vitest"
import { placementsPerDay, type RequestKind, requestShare } from "../../../src/domain/limits/requestShares.ts"

/** Sends requests of these kinds as long as their shares allow; returns how many of each were sent. */
const fill = (perDay: number, kinds: ReadonlyArray<RequestKind>) => {
  const sent = { placements: 0, cancels: 0 }
  for (const kind of kinds) {
    const { max, keptForOther } = requestShare(kind, perDay)
    const key = kind === "placement" ? "placements" : "cancels"
    const other = kind === "placement" ? sent.cancels : sent.placements
    while (sent[key] + Math.max(other, keptForOther) < max) sent[key] += 1
  }
  return sent
}

describe("the shares of the day's requests", () => {
  it("let neither placements nor cancels use up the other's, and together keep to the day's", () => {
    assert.deepStrictEqual(fill(5000, ["placement", "cancel"]), { placements: 4500, cancels: 500 })
    assert.deepStrictEqual(fill(5000, ["cancel", "placement"]), { placements: 2500, cancels: 2500 })
  })

  it("leave some of the cancels' to the first cancel of an order", () => {
    assert.deepStrictEqual(fill(5000, ["placement", "repeated cancel"]), { placements: 4500, cancels: 250 })
    assert.deepStrictEqual(fill(5000, ["placement", "repeated cancel", "cancel"]), { placements: 4500, cancels: 500 })
  })

  it("are whole for an account that may send hardly anything", () => {
    assert.strictEqual(placementsPerDay(2), 2)
    assert.deepStrictEqual(fill(1, ["placement"]), { placements: 1, cancels: 0 })
    assert.deepStrictEqual(fill(1, ["cancel"]), { placements: 0, cancels: 1 })
  })
})
