import { assert, describe, it } from "@effect/vitest"
import { repeatedRefusal } from "../../../src/domain/lifecycle/repeatedRefusal.ts"

describe("a repeated refusal", () => {
  const margin = (missing: string) => `MarginException: Insufficient funds. Required margin is ${missing}.`

  it("is three refusals in a row with the same words, whatever numbers they name", () => {
    const words = [margin("95,417.84"), margin("95,417.84"), margin("12")]
    const reason = `the broker refused 3 slices in a row: ${margin("95,417.84")}`
    assert.strictEqual(repeatedRefusal(words), reason)
    assert.strictEqual(repeatedRefusal([...words, null, null]), reason)
  })

  it("is ten refusals in a row, too, whatever their words", () => {
    const words = Array.from({ length: 10 }, (_, index) => (index % 2 === 0 ? "price out of range" : margin("1")))
    assert.strictEqual(repeatedRefusal(words), "the broker refused 10 slices in a row: price out of range")
    assert.isNull(repeatedRefusal(words.slice(1)))
    assert.isNull(repeatedRefusal([...words.slice(0, 5), null, ...words]))
  })

  it("is none when fewer were refused, one between them was taken, or the words differ", () => {
    assert.isNull(repeatedRefusal([]))
    assert.isNull(repeatedRefusal([margin("1"), margin("2")]))
    assert.isNull(repeatedRefusal([null, margin("1"), margin("1"), margin("1")]))
    assert.isNull(repeatedRefusal([margin("1"), null, margin("1"), margin("1")]))
    assert.isNull(repeatedRefusal([margin("1"), "OrderException: the price is out of range", margin("1")]))
  })
})
