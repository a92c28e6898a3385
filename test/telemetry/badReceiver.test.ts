import { assert, describe, it } from "@effect/vitest"
import { Context, Effect, Exit, Layer, Logger, Scope } from "effect"
import { BrokerOrderId } from "../../src/domain/model/Ids.ts"
import { Telemetry } from "../../src/telemetry/Telemetry.ts"
import { TelemetryLayer } from "../../src/telemetry/TelemetryLayer.ts"
import { configuration } from "../support/database.ts"
import { sliceDueAt } from "../support/memoryStores.ts"
import { otlpReceiver, total } from "../support/otlp.ts"
import { eventually } from "../support/processes.ts"
import { answerWithoutEnd, webhookServer } from "../support/webhookServer.ts"

const place = (telemetry: Telemetry, count: number) => {
  for (let n = 0; n < count; n += 1) {
    telemetry.placed(
      sliceDueAt(1000, `s${n}`),
      { _tag: "Processed", brokerOrderId: BrokerOrderId.make("b1"), found: null },
      { beganMillis: 1000, endedMillis: 1010 }
    )
  }
}

/** Telemetry with quick exports to an endpoint, and the warnings that it logs. */
const telemetryTo = (endpoint: string, environment: Readonly<Record<string, string>> = {}) => {
  const lines: Array<string> = []
  const logger = Logger.make(({ logLevel, message }) => {
    lines.push(`${logLevel} ${Array.isArray(message) ? message.join(" ") : String(message)}`)
  })
  const settings = { OTEL_EXPORTER_OTLP_ENDPOINT: endpoint, OTEL_METRIC_EXPORT_INTERVAL: "100", ...environment }
  const layer = Layer.fresh(TelemetryLayer).pipe(
    Layer.provide(configuration(settings)),
    Layer.provideMerge(Logger.layer([logger]))
  )
  return { layer, warnings: () => lines.filter((line) => line.startsWith("Warn")) }
}

describe("a telemetry receiver", () => {
  it.live("that is unreachable causes one warning per signal, with the reason", () =>
    Effect.gen(function* () {
      const { layer, warnings } = telemetryTo("http://127.0.0.1:9")
      yield* Effect.gen(function* () {
        const telemetry = yield* Telemetry
        place(telemetry, 10)
        yield* eventually("it is logged", Effect.sync(warnings), (lines) => lines.length === 2)
      }).pipe(Effect.provide(layer))
      for (const line of warnings()) assert.match(line, /could not be sent to http:\/\/127\.0\.0\.1:9: .*ECONNREFUSED/)
    })
  )

  it.live("that answers 500 is tried again, with one warning per signal", () =>
    Effect.gen(function* () {
      const receiver = yield* otlpReceiver
      receiver.behave("fails")
      const { layer, warnings } = telemetryTo(receiver.url)
      yield* Effect.gen(function* () {
        const telemetry = yield* Telemetry
        place(telemetry, 10)
        yield* eventually(
          "they are tried again",
          Effect.sync(() => receiver.requests.length),
          (count) => count >= 4
        )
        place(telemetry, 700)
        receiver.behave("takes it")
        yield* eventually(
          "nothing counted is lost",
          Effect.sync(() => total(receiver.points(), "pulse.slice.placements")),
          (count) => count === 710
        )
        const spanIds = Effect.sync(() => new Set(receiver.spans().map(({ spanId }) => spanId)))
        yield* eventually("nor is a span that was kept meanwhile", spanIds, ({ size }) => size === 700)
      }).pipe(Effect.provide(layer))
      assert.lengthOf(warnings(), 2)
      assert.isTrue(warnings().every((line) => line.includes("it answered 500")))
    })
  )

  it.live("that answers without end is not read beyond 64 KiB", () =>
    Effect.gen(function* () {
      const { url } = yield* webhookServer(answerWithoutEnd(200))
      const { layer, warnings } = telemetryTo(new URL(url).origin)
      yield* Effect.gen(function* () {
        place(yield* Telemetry, 1)
        yield* eventually("it is logged", Effect.sync(warnings), (lines) => lines.length === 2)
      }).pipe(Effect.provide(layer))
      assert.isTrue(warnings().every((line) => line.includes("its answer has more than 64 KiB")))
    })
  )

  it.live("that never answers makes a request fail at its timeout", () =>
    Effect.gen(function* () {
      const receiver = yield* otlpReceiver
      receiver.behave("says nothing")
      const { layer, warnings } = telemetryTo(receiver.url, { OTEL_EXPORTER_OTLP_TIMEOUT: "50" })
      yield* Effect.gen(function* () {
        place(yield* Telemetry, 1)
        yield* eventually("it is logged", Effect.sync(warnings), (lines) => lines.length === 2)
      }).pipe(Effect.provide(layer))
      assert.isTrue(warnings().every((line) => line.includes("no answer within 50ms")))
    })
  )

  it.live("that never answers keeps a few requests waiting, and does not delay the end", () =>
    Effect.gen(function* () {
      const receiver = yield* otlpReceiver
      receiver.behave("says nothing")
      // A request may take ten minutes, so an end that waited for one would fail the test by its timeout.
      const { layer } = telemetryTo(receiver.url, { OTEL_EXPORTER_OTLP_TIMEOUT: "600000" })
      const scope = yield* Scope.make()
      const telemetry = Context.get(yield* Layer.buildWithScope(layer, scope), Telemetry)
      place(telemetry, 11_000)
      const spanRequests = Effect.sync(() => receiver.requests.filter(({ path }) => path === "/v1/traces").length)
      yield* eventually("four requests wait", spanRequests, (count) => count === 4)
      yield* Scope.close(scope, Exit.void)
    })
  )

  it.live("that answers gets the spans of a burst of placements up to the buffer's size; the rest is counted", () =>
    Effect.gen(function* () {
      const receiver = yield* otlpReceiver
      const { layer } = telemetryTo(receiver.url)
      yield* Effect.gen(function* () {
        place(yield* Telemetry, 10_700)
        const spanRequests = Effect.sync(() => receiver.requests.filter(({ path }) => path === "/v1/traces").length)
        yield* eventually("a hundred times a hundred spans are sent", spanRequests, (count) => count >= 100)
        const dropped = Effect.sync(() => total(receiver.points(), "pulse.telemetry.spans.dropped"))
        yield* eventually("what is not sent is counted", dropped, (count) => count === 700)
      }).pipe(Effect.provide(layer))
      assert.strictEqual(receiver.spans().length, 10_000)
      assert.strictEqual(new Set(receiver.spans().map(({ spanId }) => spanId)).size, 10_000)
      assert.strictEqual(total(receiver.points(), "pulse.slice.lateness"), 10_700)
    })
  )
})
