import { assert, describe, it } from "@effect/vitest"
import { execFileSync } from "node:child_process"
import { readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { shellWord } from "../../../src/domain/text/shellWord.ts"

/** Texts that a shell takes for something else than one word. */
const texts = [
  "x;touch y;#",
  "$(touch y)",
  "`touch y`",
  "${HOME}",
  "-rf",
  "two  words",
  "it's",
  "''",
  '"',
  "\\",
  "\\'",
  "!!",
  "*",
  "~",
  "a\nb",
  "a=b",
  "{a,b}",
  "#",
  "&",
  "株",
  ""
]

const sh = (script: string): string => execFileSync("sh", ["-c", script], { encoding: "utf8" })

describe("a word of a suggested command", () => {
  it("is as it was for ids as they should be", () => {
    for (const id of ["o1735228800a1b2c3d4e5f6", "A_b.c:d-e", "ORDER/3"]) assert.strictEqual(shellWord(id), id)
  })

  it("is the same text to a shell, and nothing else", () => {
    const words = texts.map(shellWord)
    assert.deepStrictEqual(sh(`printf '<%s>' ${words.join(" ")}`), texts.map((text) => `<${text}>`).join(""))
  })

  it("runs nothing when it is pasted with the double quotes of a message", () => {
    for (const text of texts.filter((text) => /touch|HOME/.test(text))) {
      const words = sh(`printf '%s' "order show ${shellWord(text)}"`)
      assert.include(words, text.replaceAll(/[$`]/g, "").slice(0, 5), text)
    }
  })

  it("is quoted wherever the code suggests a command with an id", () => {
    const root = new URL("../../../src/", import.meta.url).pathname
    const suggestion =
      /\b(?:order (?:show|resume|cancel|pause|watch|amend)|slice (?:placed|skip|retry)|audit|report|explain) \$\{(?!shellWord\()[^}]*\}/g
    const unquoted = readdirSync(root, { recursive: true, encoding: "utf8" })
      .filter((file) => file.endsWith(".ts"))
      .flatMap((file) =>
        [...readFileSync(join(root, file), "utf8").matchAll(suggestion)].map(([found]) => `${file}: ${found}`)
      )
    assert.deepStrictEqual(unquoted, [])
  })
})
