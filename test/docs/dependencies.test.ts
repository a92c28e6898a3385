import { assert, describe, it } from "@effect/vitest"
import { Schema } from "effect"
import { readFileSync } from "node:fs"

const read = (path: string) => readFileSync(new URL(`../../${path}`, import.meta.url), "utf8")

const Versions = Schema.Record(Schema.String, Schema.String)
const manifest = Schema.decodeUnknownSync(
  Schema.fromJsonString(
    Schema.Struct({ dependencies: Versions, optionalDependencies: Versions, devDependencies: Versions })
  )
)(read("package.json"))
const bench = Schema.decodeUnknownSync(Schema.fromJsonString(Schema.Struct({ dependencies: Versions })))(
  read("bench/package.json")
)

/** The packages at the beginning of the items below a heading. */
const namedBelow = (heading: string): ReadonlyArray<string> => {
  const sections = read("doc/dependencies.md").split(/^## /m)
  const section = sections.find((text) => text.startsWith(`${heading}\n`)) ?? ""
  const items = [...section.matchAll(/^- ([^:]*):/gm)].map(([, names = ""]) => names)
  return items.flatMap((names) => [...names.matchAll(/`([^`]+)`/g)].map(([, name = ""]) => name))
}

describe("doc/dependencies.md", () => {
  for (const kind of ["dependencies", "optionalDependencies", "devDependencies"] as const) {
    it(`names each of the ${kind} once`, () => {
      assert.deepStrictEqual(namedBelow(kind).toSorted(), Object.keys(manifest[kind]).toSorted())
    })
  }

  it("names each package of the bench once", () => {
    assert.deepStrictEqual(namedBelow("bench").toSorted(), Object.keys(bench.dependencies).toSorted())
  })
})

describe("package.json", () => {
  it("has exact versions only", () => {
    const { dependencies, optionalDependencies, devDependencies } = manifest
    const all = Object.entries({ ...dependencies, ...optionalDependencies, ...devDependencies, ...bench.dependencies })
    const loose = all.filter(([, version]) => !/^\d+\.\d+\.\d+(-[\w.]+)?$/.test(version))
    assert.deepStrictEqual(loose, [])
  })
})
