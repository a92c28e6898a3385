import { assert, describe, it } from "@effect/vitest"
import { Result } from "effect"
import { readFileSync } from "node:fs"
import { noDefaults, readDatabaseAddress } from "../../src/config/databaseAddress.ts"
import { parameterNames, parameterOf } from "../../src/config/databaseParameters.ts"

const page = readFileSync(new URL("../../doc/guides/database.md", import.meta.url), "utf8")

const section = (title: string): string => {
  const [, text = ""] = page.split(`\n## ${title}\n`)
  return text.split("\n## ")[0] ?? ""
}

describe("doc/guides/database.md", () => {
  it("has URLs of providers that are read as they are", () => {
    const urls = [...section("Providers").matchAll(/`(postgres:\/\/\S+)`/g)].flatMap(([, url]) => url ?? [])
    assert.isAtLeast(urls.length, 10)
    for (const url of urls) {
      const address = readDatabaseAddress(url, noDefaults)
      assert.isTrue(Result.isSuccess(address), `${url}: ${String(Result.isFailure(address) && address.failure)}`)
    }
  })

  it("names every parameter that is honoured, and every variable", () => {
    const honoured = parameterNames.filter((name) => parameterOf(name).only === undefined)
    for (const name of honoured) {
      assert.include(section("Parameters"), `\`${name}\``)
      const { variable } = parameterOf(name)
      if (variable !== undefined) assert.include(section("Variables of libpq"), `\`${variable}\``)
    }
  })
})
