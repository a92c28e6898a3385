import { assert, describe, it } from "@effect/vitest"
import { Cause, Effect, Logger, References, Schema } from "effect"
import { jsonLine, prettyLine } from "../src/Logging.ts"

const LogLine = Schema.fromJsonString(Schema.Record(Schema.String, Schema.Unknown))

/** What a logger prints for one effect. */
const linesOf = (logger: Logger.Logger<unknown, string>, effect: Effect.Effect<void>) =>
  Effect.gen(function* () {
    const lines: Array<string> = []
    const collect = Logger.map(logger, (line) => void lines.push(line))
    yield* effect.pipe(
      Effect.provide(Logger.layer([collect])),
      Effect.provideService(References.MinimumLogLevel, "Debug")
    )
    return lines
  })

const placed = Effect.logInfo("Slice placed").pipe(
  Effect.annotateLogs({ worker: "executor", order_id: "o1", slice_id: "s1", request_id: "r1", trace_id: null }),
  Effect.annotateLogs("lateness_millis", 2)
)

describe("logs", () => {
  it.effect("JSON: one object a line, flat, with what the event is annotated with, and no empty fields", () =>
    Effect.gen(function* () {
      const [line] = yield* linesOf(jsonLine, placed)
      assert.deepStrictEqual(yield* Schema.decodeEffect(LogLine)(line ?? ""), {
        timestamp: "1970-01-01T00:00:00.000Z",
        level: "info",
        message: "Slice placed",
        worker: "executor",
        order_id: "o1",
        slice_id: "s1",
        request_id: "r1",
        lateness_millis: 2
      })
    })
  )

  it.effect("JSON: details and causes are fields, line breaks stay inside the line", () =>
    Effect.gen(function* () {
      const [line] = yield* linesOf(
        jsonLine,
        Effect.logError("It\nbroke", { code: "429" }, Cause.fail(new Error("why")))
      )
      assert.notInclude(line ?? "", "\n")
      const fields = yield* Schema.decodeEffect(LogLine)(line ?? "")
      assert.strictEqual(fields["message"], "It\nbroke")
      assert.strictEqual(fields["code"], "429")
      assert.include(String(fields["cause"]), "why")
    })
  )

  it.effect("pretty: short, for people", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* linesOf(prettyLine, placed), [
        "00:00:00.000 executor Slice placed (order o1, 2 ms late)"
      ])
      const [warning] = yield* linesOf(prettyLine, Effect.logWarning("Careful"))
      assert.strictEqual(warning, "00:00:00.000 service  WARN Careful")
    })
  )
})
