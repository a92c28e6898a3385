import { assert, describe, it } from "@effect/vitest"
import { readFileSync } from "node:fs"
import { problemWithNode } from "../src/checkNode.ts"

describe("the version of Node.js", () => {
  it("is compared with the range in package.json", () => {
    for (const version of ["22.19.0", "22.20.1", "24.0.0", "100.1.0"]) assert.isNull(problemWithNode(version), version)
    for (const version of ["20.20.2", "22.18.9", "8.0.0"]) {
      assert.include(problemWithNode(version), `needs Node.js 22.19 or later, and this is ${version}`)
    }
  })

  it("can be checked by an older version: nothing that it lacks is imported before the check", () => {
    const builtIn = /^import (.*) from "node:/gm
    const names = ["../src/main.ts", "../src/checkNode.ts"].flatMap((file) =>
      [...readFileSync(new URL(file, import.meta.url), "utf8").matchAll(builtIn)].map(([, imported]) => imported)
    )
    assert.sameMembers(names, ["nodeModule", "{ fileURLToPath }", "{ setFlagsFromString }"])
  })
})
