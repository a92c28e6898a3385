import { assert, describe, it } from "@effect/vitest"
import { Cause, Effect, Exit, Logger, References, Schema, Scope } from "effect"
import { TestClock, TestConsole } from "effect/testing"
import { type LogEntry, LogFolding } from "../../src/runtime/LogFolding.ts"
import { foldingLogger, jsonLine, prettyLine, textIn } from "../../src/runtime/Logging.ts"

const LogLine = Schema.fromJsonString(Schema.Record(Schema.String, Schema.Unknown))

/** The lines that a logger prints for one effect. */
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
  it.effect("JSON: have one flat object a line, with the event's annotations and no empty fields", () =>
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

  it.effect("JSON: have details and causes as fields, with escaped line breaks", () =>
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

  it.effect("JSON: never let a detail replace the line's own fields", () =>
    Effect.gen(function* () {
      const [line] = yield* linesOf(jsonLine, Effect.logWarning("Not read", { message: "no answer", level: 7 }))
      assert.deepInclude(yield* Schema.decodeEffect(LogLine)(line ?? ""), {
        level: "warn",
        message: "Not read",
        its_message: "no answer",
        its_level: 7
      })
    })
  )

  it.effect("pretty: show details of several lines below the message", () =>
    Effect.gen(function* () {
      const [line] = yield* linesOf(prettyLine, Effect.logError("It\nbroke", { code: "429" }))
      assert.strictEqual(line, "00:00:00.000 service  ERROR It\n                      broke (429)")
    })
  )

  it.effect("pretty: are short", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* linesOf(prettyLine, placed), [
        "00:00:00.000 executor Slice placed (order o1, 2 ms late)"
      ])
      const [warning] = yield* linesOf(prettyLine, Effect.logWarning("Careful"))
      assert.strictEqual(warning, "00:00:00.000 service  WARN  Careful")
    })
  )
})

const nasty = "a\u001b[2J\u202eb\u009bc\u007f\r\u2028d"

describe("what a stranger wrote into a row", () => {
  const logged = Effect.logError(`It broke: ${nasty}\nnext`, Cause.fail(new Error(nasty))).pipe(
    Effect.annotateLogs("order_id", nasty)
  )

  it.effect("pretty: obeys no control character, and begins no line of its own", () =>
    Effect.gen(function* () {
      const [line = ""] = yield* linesOf(prettyLine, logged)
      assert.notMatch(line, /[^\P{Cc}\n]|[\p{Cf}\p{Zl}\p{Zp}]/u)
      const [first, ...more] = line.split("\n")
      assert.strictEqual(first, "00:00:00.000 service  ERROR It broke: a?[2J?b?c???d")
      assert.isAbove(more.length, 1)
      for (const below of more) assert.match(below, /^ {22}/)
    })
  )

  it.effect("JSON: is escaped, and the same when it is read", () =>
    Effect.gen(function* () {
      const [line = ""] = yield* linesOf(jsonLine, logged)
      assert.notMatch(line, /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u)
      const { message, order_id } = yield* Schema.decodeEffect(LogLine)(line)
      assert.deepStrictEqual({ message, order_id }, { message: `It broke: ${nasty}\nnext`, order_id: nasty })
    })
  )

  it.effect("is cut when it is long, in messages, fields and causes", () =>
    Effect.gen(function* () {
      const long = "x".repeat(1_000_000)
      const error = Effect.logError(long, { body: long }, Cause.fail(new Error(long))).pipe(
        Effect.annotateLogs("order_id", long)
      )
      const [line = ""] = yield* linesOf(jsonLine, error)
      assert.isBelow(line.length, 13_000)
      const { message, order_id } = yield* Schema.decodeEffect(LogLine)(line)
      assert.strictEqual(message, `${"x".repeat(2000)}… (1000000 characters)`)
      assert.strictEqual(order_id, message)
    })
  )

  it("is folded in a time that grows no faster than its length", () => {
    const millisFor = (length: number, times: number) => {
      const folding = new LogFolding()
      const message = "x".repeat(length)
      const began = performance.now()
      for (let n = 0; n < times; n += 1) {
        folding.admits({ date: new Date(0), level: "error", message, fields: {} }, () => 0)
      }
      return (performance.now() - began) / times
    }
    millisFor(1000, 1000)
    // A thousand times the length: a thousand times the time if it is linear, a million times if it is quadratic.
    assert.isBelow(millisFor(1_000_000, 1) / millisFor(1000, 1000), 50_000)
  })
})

describe("a burst of one error", () => {
  const logged = Effect.map(TestConsole.logLines, (lines) => lines.map(String))
  const withFolding = <A>(body: Effect.Effect<A>) =>
    Effect.gen(function* () {
      const scope = yield* Scope.make()
      const logger = yield* Scope.provide(foldingLogger(textIn("pretty")), scope)
      yield* Effect.provide(body, Logger.layer([logger]))
      yield* Scope.close(scope, Exit.void)
      return yield* logged
    }).pipe(Effect.provide(TestConsole.layer))
  const failed = (n: number) => Effect.logError(`Slice s${n}x failed after ${n} ms`)

  it.effect("is folded into its first line and one line a minute with the count of the others", () =>
    Effect.gen(function* () {
      const lines = yield* withFolding(
        Effect.gen(function* () {
          for (let n = 1; n <= 500; n += 1) yield* failed(n)
          yield* TestClock.adjust("59 seconds")
          yield* failed(501)
          yield* TestClock.adjust("2 seconds")
          yield* failed(502)
          yield* failed(503)
          yield* TestClock.adjust("60 seconds")
          // A minute without the error ends the burst, so the next error is shown unfolded.
          yield* TestClock.adjust("60 seconds")
          yield* failed(504)
        })
      )
      assert.deepStrictEqual(
        lines.map((line) => line.slice(22)),
        [
          "ERROR Slice s1x failed after 1 ms",
          "ERROR … and 500 more like it in the last 60 s: Slice s1x failed after 1 ms",
          "ERROR … and 2 more like it in the last 60 s: Slice s1x failed after 1 ms",
          "ERROR Slice s504x failed after 504 ms"
        ]
      )
    })
  )

  it.effect("names the orders and slices concerned, and shows a single further line unfolded", () =>
    Effect.gen(function* () {
      const about = (n: number) => Effect.annotateLogs(failed(n), { order_id: "o1", slice_id: `s${n}` })
      const lines = yield* withFolding(
        Effect.gen(function* () {
          for (const n of [1, 2, 3]) yield* about(n)
          yield* TestClock.adjust("60 seconds")
          yield* about(4)
        })
      )
      assert.deepStrictEqual(
        lines.map((line) => line.slice(22)),
        [
          "ERROR Slice s1x failed after 1 ms (order o1)",
          "ERROR … and 2 more like it in the last 60 s: Slice s1x failed after 1 ms (orders o1, slices s2,s3)",
          "ERROR Slice s4x failed after 4 ms (order o1)"
        ]
      )
    })
  )

  it("keeps the reason code of its lines; lines with another code are another burst", () => {
    const folding = new LogFolding()
    const failedFor = (code: string): LogEntry => ({
      date: new Date(0),
      level: "error",
      message: "Slice failed: refused",
      fields: { reason_code: code }
    })
    const codes = ["broker_refused", "broker_refused", "broker_refused", "attempts_exhausted"]
    assert.deepStrictEqual(
      codes.map((code) => folding.admits(failedFor(code), () => 0)),
      [true, false, false, true]
    )
    assert.deepStrictEqual(
      folding.due(60_000).map(({ fields }) => fields),
      [{ reason_code: "broker_refused", folded: 2 }]
    )
  })

  it.effect("is reported before the logger ends, and does not hide other errors", () =>
    Effect.gen(function* () {
      const lines = yield* withFolding(
        Effect.gen(function* () {
          for (const n of [1, 2, 3]) {
            yield* failed(n)
            yield* Effect.logWarning(`Slice s${n}x failed after ${n} ms`)
            yield* Effect.annotateLogs(failed(n), "worker", "monitor")
            yield* Effect.logFatal("DOUBLE PLACEMENT")
            yield* Effect.logInfo("Slice placed")
          }
          yield* TestClock.adjust("12 seconds")
        })
      )
      const count = (text: string) => lines.filter((line) => line.includes(text)).length
      assert.strictEqual(count("FATAL DOUBLE PLACEMENT"), 3)
      assert.strictEqual(count("Slice placed"), 3)
      assert.strictEqual(count("… and 2 more like it in the last 12 s: Slice s1x failed after 1 ms"), 3)
      assert.lengthOf(lines, 12)
    })
  )
})
