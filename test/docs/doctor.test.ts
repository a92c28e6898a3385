import { assert, describe, it } from "@effect/vitest"
import { readdirSync, readFileSync } from "node:fs"

const root = new URL("../../", import.meta.url)
const read = (path: string) => readFileSync(new URL(path, root), "utf8")
const unique = (names: Iterable<string>) => [...new Set(names)].toSorted()

/** The names of the checks, which are written out where a check is made. */
const checks = unique(
  readdirSync(new URL("src/doctor/", root))
    .map((file) => read(`src/doctor/${file}`))
    .concat(read("src/cli/doctor/examine.ts"))
    .flatMap((source) => [...source.matchAll(/(?:\b(?:name|overdueName) = |\b(?:ok|warning|problem)\(\s*)"([^"]+)"/g)])
    .map(([, name = ""]) => name)
)

/** The first column of the table; a cell may name several checks, with remarks in parentheses. */
const documented = unique(
  (/^\| check .*\n\|[-| ]+\n((?:\|.*\n)+)/m.exec(read("doc/guides/operating.md"))?.[1] ?? "")
    .trim()
    .split("\n")
    .flatMap((row) => (row.split("|")[1] ?? "").replaceAll(/\([^)]*\)/g, "").split(","))
    .map((name) => name.trim())
)

describe("doc/guides/operating.md", () => {
  it("says of each check of doctor when it has a WARNING and when a PROBLEM", () => {
    assert.isAbove(checks.length, 20)
    assert.deepStrictEqual(documented, checks)
  })
})
