import { assert, describe, it } from "@effect/vitest"
import { Effect, Schema } from "effect"
import { Db } from "../../src/db/Db.ts"
import { withDatabase } from "../support/daemon.ts"
import { runMain } from "../support/processes.ts"
import { insertOrder } from "../support/service.ts"

type Environment = Readonly<Record<string, string>>

/** Runs commands on a fresh database, with the settings of a desk that wants names, and two people for what loosens safety. */
const withDesk = <A, E>(
  body: (
    pulse: (
      args: ReadonlyArray<string>,
      environment?: Environment
    ) => Effect.Effect<{ readonly code: number | string; readonly output: string }>
  ) => Effect.Effect<A, E, Db>
) =>
  withDatabase((url) =>
    body((args, environment = {}) =>
      runMain(args, { DATABASE_URL: url, OPERATOR_REQUIRED: "on", SECOND_PERSON_REQUIRED: "on", ...environment })
    )
  )

const halts = Effect.flatMap(Db, ({ query, sql }) =>
  Effect.map(
    query(
      "test.halts",
      Schema.Struct({ isHalted: Schema.Boolean, requestedBy: Schema.String }),
      sql`SELECT is_halted, requested_by FROM placement_halts ORDER BY id`
    ),
    (rows) =>
      rows.map(
        ({ isHalted, requestedBy }) =>
          `${isHalted ? "halt" : "resume"} by ${requestedBy.replaceAll(/\([^)]*\)/g, "(…)")}`
      )
  )
)

const numberIn = (output: string): string => /--approve (\d+) /.exec(output)?.[1] ?? "none"

describe("a desk that wants two people", () => {
  it.live("has a halt lifted by two names, and records who asked and who approved", () =>
    withDesk((pulse) =>
      Effect.gen(function* () {
        const nobody = yield* pulse(["halt", "--reason", "test"])
        assert.deepStrictEqual(
          [nobody.code, nobody.output],
          [1, "Say who you are: --as NAME, or set PULSE_OPERATOR. Nothing was changed.\n"]
        )
        const odd = yield* pulse(["halt", "--reason", "test", "--as", "Asha\u00a0Rao"])
        assert.notStrictEqual(odd.code, 0)
        assert.include(odd.output, "a person's name of 2 to 64 letters")
        assert.strictEqual((yield* pulse(["halt", "--reason", "test"], { PULSE_OPERATOR: "Asha" })).code, 0)

        const asked = yield* pulse(["resume", "--as", "Asha", "--reason", "sorted out"])
        assert.strictEqual(asked.code, 1)
        assert.match(
          asked.output,
          /^Nothing was changed yet: "resume" needs a second person\. Until .* \(UTC\) another person may type\n  node dist\/main\.js resume --approve \d+ --as NAME\n$/
        )
        const number = numberIn(asked.output)
        for (const [args, words] of [
          [["--approve", number, "--as", "asha@desk.example"], "Asha has asked for it, and may be asha@desk.example"],
          [["--approve", "999", "--as", "Ravi"], "there is no such request"]
        ] as const) {
          const wrong = yield* pulse(["resume", ...args])
          assert.deepStrictEqual([wrong.code, wrong.output.includes(words)], [1, true], wrong.output)
        }
        assert.deepStrictEqual(yield* halts, ["halt by Asha (…)"])
        const done = yield* pulse(["resume", "--approve", number, "--as", "Ravi"])
        assert.strictEqual(done.code, 0, done.output)
        assert.deepStrictEqual(yield* halts, ["halt by Asha (…)", "resume by Asha (…), approved by Ravi (…)"])
        const twice = yield* pulse(["resume", "--approve", number, "--as", "Meera"])
        assert.include(twice.output, "approved already")

        const { output } = yield* pulse(["actions", "--json"])
        const recorded = Schema.decodeUnknownSync(
          Schema.fromJsonString(
            Schema.Array(
              Schema.Struct({
                action: Schema.String,
                operator: Schema.String,
                reason: Schema.String,
                databaseUser: Schema.String,
                details: Schema.Record(Schema.String, Schema.Unknown)
              })
            )
          )
        )(output)
        assert.deepStrictEqual(
          recorded.map(({ action, operator, reason }) => [action, operator.replaceAll(/ \([^)]*\)/g, ""), reason]),
          [
            ["resume", "Asha, approved by Ravi", "sorted out"],
            ["approval", "Ravi", "resumed"],
            ["approval request", "Asha", "sorted out"],
            ["halt", "Asha", "test"]
          ]
        )
        assert.deepInclude(recorded[2]?.details, { command: "resume", person: "Asha", what: { halt: 1 } })
        assert.deepStrictEqual(recorded[1]?.details, { command: "resume", request: Number(number) })
        assert.isTrue(recorded.every(({ databaseUser }) => databaseUser === "pulse_background"))
      })
    )
  )

  it.live("does not lift a halt that is newer than the request, nor a hold, without a second person", () =>
    withDesk((pulse) =>
      Effect.gen(function* () {
        const ravi = { PULSE_OPERATOR: "Ravi" }
        yield* pulse(["halt", "--reason", "first", "--as", "Asha"])
        const number = numberIn((yield* pulse(["resume", "--as", "Asha"])).output)
        yield* pulse(["halt", "--reason", "second", "--as", "Meera"])
        const late = yield* pulse(["resume", "--approve", number], ravi)
        assert.include(late.output, "has changed since")

        yield* insertOrder("o1")
        const paused = yield* pulse(["order", "pause", "o1"], ravi)
        assert.strictEqual(paused.code, 0, paused.output)
        const hold = numberIn((yield* pulse(["order", "resume", "o1"], ravi)).output)
        const other = yield* pulse(["resume", "--approve", hold, "--as", "Asha"])
        assert.include(other.output, 'it asks for "order resume", not for "resume"')
        const resumed = yield* pulse(["order", "resume", "o1", "--approve", hold, "--as", "Asha"])
        assert.strictEqual(resumed.code, 0, resumed.output)
      })
    )
  )
})
