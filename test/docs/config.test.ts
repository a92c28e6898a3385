import { assert, describe, it } from "@effect/vitest"
import { readFileSync } from "node:fs"
import { settings } from "../../src/config/Configuration.ts"

const page = readFileSync(new URL("../../doc/guides/config.md", import.meta.url), "utf8")

/** The rows of the page's tables, each a variable and its default. */
const rows = [...page.matchAll(/^\| `([A-Z_]+)`\s*\| (?:`([^`]*)`)?\s*\|/gm)].map(([, name, value]) => [
  name,
  value ?? ""
])

describe("doc/guides/config.md", () => {
  it("has exactly one row for each setting, with its default", () => {
    assert.sameDeepMembers(
      rows,
      settings.map((setting) => [setting.name, setting.defaultText])
    )
  })
})
