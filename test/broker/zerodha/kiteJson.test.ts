import { assert, describe, it } from "@effect/vitest"
import { Option, Schema } from "effect"
import { jsonReader } from "../../../src/broker/zerodha/kiteJson.ts"

const read = jsonReader(Schema.Unknown)
const nested = (depth: number, inner = "1") => `${"[".repeat(depth)}${inner}${"]".repeat(depth)}`

describe("JSON of Kite", () => {
  it("is read up to a depth that no answer of Kite has", () => {
    assert.isTrue(Option.isSome(read(nested(64))))
    assert.isTrue(Option.isNone(read(nested(65))))
    assert.isTrue(Option.isNone(read('{"a":'.repeat(65) + "1" + "}".repeat(65))))
    assert.isTrue(Option.isNone(read("<html>")))
  })

  it("may have any brackets inside its texts, also after escapes", () => {
    const text = `${"[{".repeat(100)}\\"${"[".repeat(100)}`
    assert.deepStrictEqual(read(JSON.stringify({ text })), Option.some({ text }))
    assert.deepStrictEqual(read(JSON.stringify([text, "\\"])), Option.some([text, "\\"]))
    assert.isTrue(Option.isNone(read(`{"text":"[[`)))
  })

  it("is read up to a number of values that no order list of a day has", () => {
    const row = JSON.stringify(Object.fromEntries(Array.from({ length: 40 }, (_, at) => [`field${at}`, "a, b"])))
    const rows = (count: number, text: string) => `[${Array.from({ length: count }, () => text).join()}]`
    assert.isTrue(Option.isSome(read(rows(10_000, row))))
    assert.isTrue(Option.isSome(read(JSON.stringify(",".repeat(600_000)))))
    for (const text of ["{}", "1", '{"a":1}', "[]"]) assert.isTrue(Option.isNone(read(rows(600_000, text))), text)
  })

  it("is refused in time that grows with its length", () => {
    const refusedIn = (size: number) => {
      const body = "[".repeat(size)
      const began = performance.now()
      assert.isTrue(Option.isNone(read(body)))
      return performance.now() - began
    }
    // A parser takes seconds for the second one.
    assert.isBelow(refusedIn(16_000_000), 200)
  })
})
