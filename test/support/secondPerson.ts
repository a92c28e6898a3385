import { assert } from "@effect/vitest"
import { Effect } from "effect"
import { runMain } from "./processes.ts"

/**
 * Runs a command where a second person is required, as one person, then what the answer tells another person to type. Its words
 * must have no spaces. Returns the second run.
 */
export const byTwoPeople = (args: ReadonlyArray<string>, environment: Readonly<Record<string, string>>) =>
  Effect.gen(function* () {
    const asked = yield* runMain(args, { ...environment, SECOND_PERSON_REQUIRED: "on", PULSE_OPERATOR: "Asha" })
    const [, typed = "", id = ""] = /^ {2}node dist\/main\.js (.* --approve (\d+)) --as NAME$/m.exec(asked.output) ?? []
    assert.deepStrictEqual([asked.code, asked.output.startsWith("Nothing was changed yet"), id !== ""], [1, true, true])
    return yield* runMain([...typed.split(" "), "--as", "Ravi"], environment)
  })
