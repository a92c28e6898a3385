import { assert, describe, it } from "@effect/vitest"
import { readFileSync } from "node:fs"
import { settings } from "../../src/config/Configuration.ts"

const page = readFileSync(new URL("../../doc/guides/config.md", import.meta.url), "utf8")

/** The rows of the page's tables, each a variable and its default. */
const rows = [...page.matchAll(/^\| `([A-Z_]+)`\s*\| (?:`([^`]*)`)?\s*\|/gm)].map(([, name, value]) => [
  name,
  value ?? ""
])

/** The names in the paragraph on secrets from files. */
const fromFiles = /## Secrets from files\n\n([\s\S]*?)\n\n/.exec(page)?.[1] ?? ""

describe("doc/guides/config.md", () => {
  it("names each setting that may come from a file", () => {
    assert.sameMembers(
      [...fromFiles.matchAll(/`([A-Z_]+)`/g)].flatMap(([, name = ""]) => (name === "NAME_FILE" ? [] : name)),
      settings.flatMap(({ isSecret, name }) => (isSecret === true ? name : []))
    )
  })

  it("has exactly one row for each setting, with its default", () => {
    assert.sameDeepMembers(
      rows,
      settings.map((setting) => [setting.name, setting.defaultText])
    )
  })
})
