import * as NodeServices from "@effect/platform-node/NodeServices"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Result } from "effect"
import { Command } from "effect/cli"
import { TestConsole } from "effect/testing"
import { readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { limitFlag, textArgument, textFlag, waitFlag, wholeFlag } from "../../src/cli/shared/flags.ts"

/** What the flags of a command are read as; null where the command line refuses them. */
const read = (args: ReadonlyArray<string>) =>
  Effect.gen(function* () {
    let given: object | null = null
    const command = Command.make(
      "test",
      {
        id: textArgument("ID", 5),
        text: textFlag("text", 5),
        count: wholeFlag("count"),
        limit: limitFlag,
        wait: waitFlag(30, "how long")
      },
      (values) => Effect.sync(() => (given = values))
    )
    const result = yield* Effect.result(Command.runWith(command, { version: "1" })(args))
    const said = (yield* TestConsole.errorLines).map(String).join("\n")
    return { given: Result.isSuccess(result) ? given : null, said }
  }).pipe(Effect.provide([NodeServices.layer, TestConsole.layer]))

const valid = { text: "text", count: "-7", limit: "10000", wait: "0" }

const argsOf = (id: string, flags: Readonly<Record<string, string>>) => [
  ...Object.entries({ ...valid, ...flags }).map(([name, value]) => `--${name}=${value}`),
  id
]

describe("flags", () => {
  it.effect("are numbers in digits within a range, and texts of a length", () =>
    Effect.gen(function* () {
      const { given } = yield* read(argsOf("id", {}))
      assert.deepStrictEqual(given, { id: "id", text: "text", count: -7, limit: 10_000, wait: 0 })
    })
  )

  it.effect("say what is right when they are not", () =>
    Effect.gen(function* () {
      const wrong: ReadonlyArray<readonly [name: string, texts: ReadonlyArray<string>, right: string]> = [
        ["limit", ["0", "-1", "10001", "0x10", "1e3", "1.5", " 7", "NaN", "9".repeat(5000)], "from 1 to 10000"],
        ["wait", ["-1", "86401", "Infinity"], "from 0 to 86400"],
        ["count", ["x", "1e309", "9".repeat(16)], "a whole number of at most 15 digits"],
        ["text", ["longer", "x".repeat(100_000)], "at most 5 characters"]
      ]
      for (const [name, texts, right] of wrong) {
        for (const text of texts) {
          const { given, said } = yield* read(argsOf("id", { [name]: text }))
          assert.isNull(given, `${name} ${text.slice(0, 20)}`)
          assert.include(said, right)
          assert.include(said, `--${name}`)
        }
      }
      assert.include((yield* read(argsOf("too long", {}))).said, "at most 5 characters")
    })
  )

  it("have a range or a length in every command", () => {
    const root = new URL("../../src/cli/", import.meta.url).pathname
    const unlimited = readdirSync(root, { recursive: true, encoding: "utf8" })
      .filter((file) => file.endsWith(".ts") && !file.endsWith("shared/flags.ts"))
      .flatMap((file) =>
        [
          ...readFileSync(join(root, file), "utf8").matchAll(/\b(?:Flag|Argument)\.(?:String|Int|File\w*)\("[\w-]+"/g)
        ].map(([found]) => found)
      )
    // The command says of the key what was not done.
    assert.deepStrictEqual(unlimited, ['Flag.String("key"'])
  })
})
