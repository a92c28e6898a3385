import { assert, describe, it } from "@effect/vitest"
import { excerpt } from "../../../src/domain/text/excerpt.ts"

describe("an excerpt", () => {
  it("is the beginning of a text, quoted, and says so if there is none", () => {
    assert.strictEqual(excerpt('<h1>"Bad Gateway"', "nothing"), '"<h1>\\"Bad Gateway\\""')
    assert.strictEqual(excerpt("", "nothing"), "nothing")
    assert.strictEqual(excerpt("a".repeat(1_000_000), "nothing").length, 202)
  })

  it("has escapes for whatever a terminal may obey", () => {
    assert.strictEqual(
      excerpt("a\u009b31m\u202eb\ufeff\u007f\u2028", "nothing"),
      '"a\\u009b31m\\u202eb\\ufeff\\u007f\\u2028"'
    )
  })
})
