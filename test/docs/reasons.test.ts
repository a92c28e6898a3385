import { assert, describe, it } from "@effect/vitest"
import { readFileSync } from "node:fs"
import { reasonsPage } from "../../scripts/lib/reasonsPage.ts"
import { reasonCodes, reasonMeanings } from "../../src/domain/model/reason.ts"

const page = readFileSync(new URL("../../doc/guides/reasons.md", import.meta.url), "utf8")

/** The text without the formatter's padding of table cells. */
const cells = (text: string) => text.replaceAll(/-+/g, "-").replaceAll(/ +/g, " ")

describe("doc/guides/reasons.md", () => {
  it("has the table that the code generates", () => {
    assert.strictEqual(cells(page), cells(reasonsPage(page)))
    for (const code of reasonCodes) assert.include(page, `| \`${code}\``)
  })

  it("is found incomplete when a code is missing", () => {
    const without = page.replace(/^\| `window_over`.*\n/m, "")
    assert.notStrictEqual(cells(without), cells(reasonsPage(without)))
  })
})

describe("reason codes", () => {
  it("are snake_case words, each with a sentence as its meaning", () => {
    for (const code of reasonCodes) {
      assert.match(code, /^[a-z]+(_[a-z]+)*$/)
      assert.match(reasonMeanings[code].meaning, /^(?:[A-Z]|`).*\.$/, code)
      assert.isAbove(reasonMeanings[code].of.length, 0, code)
    }
  })
})
