import { assert, describe, it } from "@effect/vitest"
import { DateTime, type Duration, Effect, Layer, References } from "effect"
import { TestClock } from "effect/testing"
import { readFileSync } from "node:fs"
import { BrokerOrderId } from "../../src/domain/model/Ids.ts"
import { ClaimVersion, type NextStage, type UnresolvedSlice } from "../../src/domain/model/OrderSlice.ts"
import { definitions } from "../../src/telemetry/Metrics.ts"
import { Telemetry } from "../../src/telemetry/Telemetry.ts"
import { TelemetryLayer } from "../../src/telemetry/TelemetryLayer.ts"
import { orderTrace, spanIdOf } from "../../src/telemetry/trace.ts"
import { configuration } from "../support/database.ts"
import { sliceDueAt } from "../support/memoryStores.ts"
import { type OtlpReceiver, otlpReceiver, type ReceivedPoint, total } from "../support/otlp.ts"

const processed: NextStage = { _tag: "Processed", brokerOrderId: BrokerOrderId.make("b1"), found: null }
const unknown: NextStage = { _tag: "Unknown", code: "outcome_unknown", reason: "timeout: no answer" }
const span = (beganMillis: number, endedMillis: number) => ({ beganMillis, endedMillis })
const at = (millis: number) => DateTime.makeUnsafe(millis)

const slice = { ...sliceDueAt(1000), requestId: "r1" }
/** The same slice under its next claims. */
const claim = (claimVersion: number) => ({ ...slice, claimVersion: ClaimVersion.make(claimVersion) })
const doubted: UnresolvedSlice = { ...claim(3), lastSentMillis: 2000, readMillis: 9000, firstSentMillis: 1500 }
const order = { id: slice.orderId, originTraceId: slice.traceId, requestId: "r1", startsMillis: 400 }

/** Calls every method of Telemetry at least once. */
const recordEverything = (telemetry: Telemetry) => {
  telemetry.split(order, "done", 7, span(500, 525))
  telemetry.split({ ...order, id: "o2" }, "failed", 0, span(500, 501))
  telemetry.placed(claim(1), processed, span(1000.4, 1020))
  telemetry.placed(claim(2), processed, span(1004, 1020))
  telemetry.placed(claim(3), unknown, span(1000, 2000))
  telemetry.notFired({ _tag: "Skipped", code: "window_over", reason: "too late" })
  telemetry.skipped("window_over", 3)
  telemetry.reconciled(doubted, processed, span(9000, 9500))
  telemetry.doubted("unprovable")
  telemetry.doublePlacement()
  telemetry.brokerCalled("place", "ok", span(0, 4))
  telemetry.brokerCalled("place", "refused", span(0, 4))
  telemetry.waitedForTurn(span(0, 90))
  telemetry.held("circuit", true)
  telemetry.held("halt", true)
  telemetry.held("halt", false)
  telemetry.ticked("monitor", false)
  telemetry.clockOffset(-250)
  telemetry.statementBegan()
  telemetry.statementBegan()
  telemetry.statementEnded("SliceStore.claimDue", null, span(0, 2))
  telemetry.statementEnded("SliceStore.claimDue", "57014", span(0, 2))
  telemetry.backlog(
    {
      ordersPending: 1,
      ordersWaiting: 3,
      ordersInProgress: 2,
      pendingSince: at(4000),
      scheduled: 3,
      due: 4,
      dueSince: at(3000),
      inProgress: 5,
      inDoubt: 6,
      inDoubtSince: null,
      open: 7
    },
    at(10_000)
  )
}

/** A receiver after a service with these settings recorded everything, waited for `ago`, and ended in order. */
const received = (environment: Readonly<Record<string, string>>, ago: Duration.Input = 0) =>
  Effect.gen(function* () {
    const receiver = yield* otlpReceiver
    // Protobuf omits zeros, so no time may be zero.
    yield* TestClock.adjust("1 hour")
    const settings = { OTEL_EXPORTER_OTLP_ENDPOINT: `${receiver.url}/`, ...environment }
    yield* Effect.map(Telemetry, recordEverything).pipe(
      Effect.andThen(TestClock.adjust(ago)),
      Effect.provide(Layer.fresh(TelemetryLayer).pipe(Layer.provide(configuration(settings)))),
      Effect.provideService(References.MinimumLogLevel, "None")
    )
    return receiver
  })

const valueOf = (points: ReadonlyArray<ReceivedPoint>, name: string, having = {}) => {
  assert.isTrue(
    points.some((point) => point.name === name),
    `${name} is missing`
  )
  return total(points, name, having)
}

const assertSpans = (receiver: OtlpReceiver) => {
  const { traceId, splitSpanId } = orderTrace(slice.orderId, slice.traceId, { _tag: "All" })
  const spans = receiver.spans().filter((one) => one.traceId === traceId)
  assert.deepStrictEqual(spans.map(({ name }) => name).toSorted(), ["place", "place", "place", "reconcile", "split"])
  assert.strictEqual(new Set(spans.map(({ spanId }) => spanId)).size, 5)
  const split = spans.find(({ spanId }) => spanId === splitSpanId)
  assert.deepInclude(split, { name: "split", parentSpanId: null, kind: 1, durationMillis: 25, isError: false })
  assert.deepStrictEqual(split?.attributes, { order_id: slice.orderId, request_id: "r1", outcome: "done", slices: 7 })

  const place = spans.find(({ name, attributes }) => name === "place" && attributes["outcome"] === "unknown")
  assert.deepInclude(place, { parentSpanId: splitSpanId, kind: 3, durationMillis: 1000, isError: true })
  assert.deepInclude(place?.attributes, { order_id: slice.orderId, slice_id: slice.id, tag: slice.tag, attempt: 1 })

  const reconcile = spans.find(({ name }) => name === "reconcile")
  assert.deepInclude(reconcile, { parentSpanId: splitSpanId, isError: false })
  assert.deepStrictEqual(reconcile?.linkedSpanIds, [spanIdOf("place", slice.id, 3)])
  assert.strictEqual(place?.spanId, spanIdOf("place", slice.id, 3))
  assert.deepInclude(reconcile?.attributes, { outcome: "processed", broker_order_id: "b1", doubt_seconds: 7.5 })
}

describe("telemetry over OTLP", () => {
  for (const protocol of ["http/protobuf", "http/json"]) {
    it.effect(`${protocol}: the receiver decodes what was recorded`, () =>
      Effect.gen(function* () {
        const receiver = yield* received({ OTEL_EXPORTER_OTLP_PROTOCOL: protocol })
        const points = receiver.points()
        const value = (name: string, having = {}) => valueOf(points, name, having)

        assert.strictEqual(value("pulse.order.splits"), 2)
        assert.strictEqual(value("pulse.order.splits", { outcome: "failed" }), 1)
        assert.strictEqual(value("pulse.slices.planned"), 7)
        assert.strictEqual(value("pulse.slice.lateness"), 2)
        assert.strictEqual(value("pulse.slice.placements", { outcome: "processed" }), 2)
        assert.strictEqual(value("pulse.slice.placements", { outcome: "unknown" }), 1)
        assert.strictEqual(value("pulse.slices.skipped", { reason: "window_over" }), 3)
        assert.strictEqual(value("pulse.slice.reconciliations", { outcome: "processed" }), 1)
        assert.strictEqual(value("pulse.slice.double_placements"), 1)
        assert.strictEqual(value("pulse.broker.call.duration", { call: "place", outcome: "refused" }), 1)
        assert.strictEqual(value("pulse.placements.held", { hold: "circuit" }), 1)
        assert.strictEqual(value("pulse.placements.held", { hold: "halt" }), 0)
        assert.strictEqual(value("pulse.clock.offset"), -0.25)
        assert.strictEqual(value("pulse.db.statements.active"), 0)
        assert.strictEqual(value("db.client.connection.max"), 10)
        assert.strictEqual(value("pulse.order.pending.age"), 6)
        assert.strictEqual(value("pulse.slice.doubt.age"), 0)
        assert.strictEqual(value("pulse.slices", { state: "in_doubt" }), 6)

        const lateness = points.find(({ name }) => name === "pulse.slice.lateness")
        assert.closeTo(lateness?.sum ?? 0, 0.0044, 1e-9)
        assert.strictEqual(lateness?.bounds[0], 0.0005)
        // 0.4 ms is in the first bucket, 4 ms in the one from 3 to 5.
        assert.deepStrictEqual(lateness?.buckets.slice(0, 5), [1, 0, 0, 0, 1])
        assertSpans(receiver)
      })
    )
  }

  it.effect("sends every metric with its name, unit and attributes, and no other", () =>
    Effect.gen(function* () {
      const points = (yield* received({})).points()
      assert.sameMembers(
        [...new Set(points.map(({ name }) => name))],
        definitions.map(({ name }) => name)
      )
      for (const { name, unit, kind, attributes } of points) {
        const definition = definitions.find((one) => one.name === name)
        assert.deepInclude(definition, { unit, kind })
        for (const [key, value] of Object.entries(attributes)) {
          const known = definition?.attributes[key]
          assert.isTrue(known === null || known?.includes(String(value)), `${name} has ${key}=${String(value)}`)
        }
      }
    })
  )

  it.effect("sends spans with the attributes that the guide lists, and no others", () =>
    Effect.gen(function* () {
      const page = readFileSync(new URL("../../doc/guides/monitoring.md", import.meta.url), "utf8")
      const spans = (yield* received({})).spans()
      for (const name of ["split", "place", "reconcile"]) {
        const [, cell = ""] = new RegExp(`^\\| \`${name}\`(?: *\\|[^|]*){2}\\|([^|]*)\\|$`, "m").exec(page) ?? []
        const listed = [...cell.matchAll(/`(\w+)`/g)].map(([, attribute]) => attribute)
        const sent = spans.filter((span) => span.name === name).flatMap(({ attributes }) => Object.keys(attributes))
        assert.sameMembers([...new Set(sent)], listed, name)
      }
    })
  )

  it.effect("sends no error.type for a statement that succeeds", () =>
    Effect.gen(function* () {
      const statements = (yield* received({})).points().filter(({ name }) => name === "db.client.operation.duration")
      const common = { "db.system.name": "postgresql", "db.operation.name": "SliceStore.claimDue" }
      assert.sameDeepMembers(
        statements.map(({ attributes }) => attributes),
        [common, { ...common, "error.type": "57014" }]
      )
    })
  )

  it.effect("applies the OTEL_* variables, and sends secrets in headers only", () =>
    Effect.gen(function* () {
      const receiver = yield* received({
        OTEL_SERVICE_NAME: "desk-a",
        OTEL_RESOURCE_ATTRIBUTES: "service.name=other,deployment.environment.name=production,team=fx%2C%20spot",
        OTEL_EXPORTER_OTLP_HEADERS: "authorization=Bearer%20hunter2,x-tenant=desk"
      })
      const [point] = receiver.points()
      assert.deepInclude(point?.resource, {
        "service.name": "desk-a",
        "deployment.environment.name": "production",
        team: "fx, spot"
      })
      assert.isString(point?.resource["service.instance.id"])
      assert.isAtLeast(receiver.requests.length, 2)
      for (const { headers, body } of receiver.requests) {
        assert.deepInclude(headers, { authorization: "Bearer hunter2", "x-tenant": "desk" })
        assert.notInclude(body.toString("latin1"), "hunter2")
      }
    })
  )

  it.effect("sends only one signal, a share of the orders, or nothing, as configured", () =>
    Effect.gen(function* () {
      const noTraces = yield* received({ OTEL_TRACES_EXPORTER: "none" })
      assert.deepStrictEqual([noTraces.spans().length, noTraces.points().length > 0], [0, true])
      const noMetrics = yield* received({ OTEL_METRICS_EXPORTER: "none" })
      assert.deepStrictEqual([noMetrics.spans().length > 0, noMetrics.points().length], [true, 0])
      const none = yield* received({ OTEL_TRACES_SAMPLER: "traceidratio", OTEL_TRACES_SAMPLER_ARG: "0" })
      assert.deepStrictEqual([none.spans().length, none.points().length > 0], [0, true])
      const disabled = yield* received({ OTEL_SDK_DISABLED: "TRUE" })
      assert.lengthOf(disabled.requests, 0)
    })
  )

  it.effect("increases the age of a worker's last successful pass until the next one", () =>
    Effect.gen(function* () {
      const points = (yield* received({ OTEL_TRACES_EXPORTER: "none" }, "30 seconds"))
        .points()
        .filter(({ name }) => name === "pulse.worker.tick.age")
      assert.deepStrictEqual(
        points.map(({ value }) => value),
        [30, 30, 30]
      )
    })
  )
})
