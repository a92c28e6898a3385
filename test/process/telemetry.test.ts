import { assert, describe, it } from "@effect/vitest"
import { Effect, Schema } from "effect"
import { Db } from "../../src/db/Db.ts"
import { orderTrace, type Sampler } from "../../src/telemetry/trace.ts"
import { allProcessed, quick, quickToReconcile, withDatabase } from "../support/daemon.ts"
import { otlpReceiver, type ReceivedSpan, total } from "../support/otlp.ts"
import { eventually, startMain } from "../support/processes.ts"
import { contractRow } from "../support/service.ts"

const secret = "Bearer hunter2"

const environmentOf = (polls: typeof quick, databaseUrl: string, endpoint: string) => ({
  ...polls,
  DATABASE_URL: databaseUrl,
  MOCK_BROKER_LATENCY_MILLIS: "5",
  MOCK_BROKER_LATENCY_JITTER_MILLIS: "0",
  OTEL_EXPORTER_OTLP_ENDPOINT: endpoint,
  OTEL_EXPORTER_OTLP_HEADERS: `authorization=${encodeURIComponent(secret)}`,
  OTEL_METRIC_EXPORT_INTERVAL: "200"
})

/** Inserts orders of four slices that are due at once, each with its trace id. */
const submit = (traceIds: Readonly<Record<string, string | null>>) =>
  Effect.gen(function* () {
    const { sql, execute } = yield* Db
    for (const [id, origin_trace_id] of Object.entries(traceIds)) {
      const row = contractRow(id, { num_splits: 4, duration_minutes: 0, origin_trace_id })
      yield* execute("test.insert", sql`INSERT INTO orders ${sql.insert(row)}`)
    }
  })

const sliceOutcomes = Effect.flatMap(Db, ({ sql, query }) =>
  query(
    "test.outcomes",
    Schema.Struct({ id: Schema.String, claimedBy: Schema.String, wasInDoubt: Schema.Boolean }),
    sql`SELECT id, claimed_by, in_doubt_at IS NOT NULL AS was_in_doubt FROM order_slices`
  )
)

const clockSeconds = Effect.flatMap(Db, ({ sql, query }) =>
  query("test.seconds", Schema.Struct({ now: Schema.Int }), sql`SELECT extract(epoch FROM now())::int AS now`)
).pipe(Effect.map(([row]) => row?.now ?? 0))

const all: Sampler = { _tag: "All" }

describe("the daemon's telemetry", () => {
  it.live("has a lateness observation for each acknowledged slice, and one trace for each order", () =>
    withDatabase((url) =>
      Effect.gen(function* () {
        const receiver = yield* otlpReceiver
        const run = yield* startMain([], {
          ...environmentOf(quickToReconcile, url, receiver.url),
          MOCK_BROKER_SCENARIOS: "success,network_error,success,timeout",
          BROKER_CIRCUIT_FAILURES: "100"
        })
        const traceIds = {
          recent: `t${yield* clockSeconds}a1b2c3d4e5f6`,
          old: "t1735228800a1b2c3d4e5f6",
          hexadecimal: "4bf92f3577b34da6a3ce929d0e0e4736",
          none: null
        }
        yield* submit(traceIds)
        yield* allProcessed(16)
        yield* eventually("the metrics are complete", Effect.sync(receiver.points), (points) => {
          const placed = total(points, "pulse.slice.placements", { outcome: "processed" })
          const found = total(points, "pulse.slice.reconciliations", { outcome: "processed" })
          return placed + found === 16 && total(points, "pulse.slices", { state: "scheduled" }) === 0
        })
        // At its end the daemon waits at most a second for its last spans.
        yield* eventually("the traces are complete", Effect.sync(receiver.spans), (spans) => {
          const outcomes = spans.filter(({ name }) => name === "place" || name === "reconcile")
          return outcomes.filter(({ attributes }) => attributes["outcome"] === "processed").length === 16
        })
        run.child.kill("SIGTERM")
        assert.strictEqual(yield* run.exit, 0, run.output())

        const points = receiver.points()
        const slices = yield* sliceOutcomes
        const doubted = slices.filter(({ wasInDoubt }) => wasInDoubt)
        assert.isAbove(doubted.length, 0)
        assert.strictEqual(
          total(points, "pulse.slice.lateness"),
          total(points, "pulse.slice.placements", { outcome: "processed" })
        )
        assert.isAtLeast(total(points, "pulse.slice.lateness"), 16 - doubted.length)
        assert.strictEqual(total(points, "pulse.order.splits", { outcome: "done" }), 4)
        assert.strictEqual(total(points, "pulse.slices.planned"), 16)
        for (const statement of ["SliceStore.claimDue", "SliceStore.transition"]) {
          assert.isAbove(total(points, "db.client.operation.duration", { "db.operation.name": statement }), 0)
        }
        for (const worker of ["splitter", "executor", "monitor"]) {
          assert.isAbove(total(points, "pulse.worker.ticks", { worker, outcome: "ok" }), 0)
        }
        assert.isTrue(points.some(({ name }) => name === "pulse.clock.offset"))
        assert.strictEqual(points[0]?.resource["service.instance.id"], slices[0]?.claimedBy)

        const spans = receiver.spans()
        for (const [orderId, traceId] of Object.entries(traceIds)) assertTrace(spans, orderId, traceId)
        const reconciled = spans.filter(({ name }) => name === "reconcile")
        assert.isAtLeast(reconciled.length, doubted.length)
        const unknown = spans.filter(({ attributes }) => attributes["outcome"] === "unknown")
        for (const { linkedSpanIds } of reconciled) {
          assert.isTrue(unknown.some(({ spanId }) => linkedSpanIds.includes(spanId)))
        }
        const password = decodeURIComponent(new URL(url).password)
        for (const { headers, body } of receiver.requests) {
          assert.strictEqual(headers.authorization, secret)
          assert.notInclude(body.toString("latin1"), "hunter2")
          assert.notInclude(body.toString("latin1"), password)
        }
        assert.notInclude(run.output(), "hunter2")
      }).pipe(Effect.scoped)
    )
  )

  it.live("delays neither placements nor the end of the daemon, and logs nothing, when the receiver is silent", () =>
    withDatabase((url) =>
      Effect.gen(function* () {
        const receiver = yield* otlpReceiver
        receiver.behave("says nothing")
        // A request may take ten minutes, so a daemon that waited for one would fail the test by its timeout.
        const run = yield* startMain([], {
          ...environmentOf(quick, url, receiver.url),
          OTEL_EXPORTER_OTLP_TIMEOUT: "600000"
        })
        yield* submit({ first: null })
        yield* allProcessed(4)
        yield* eventually(
          "both signals wait for an answer",
          Effect.sync(() => receiver.requests.length),
          (n) => n >= 2
        )

        yield* submit({ second: null, third: null })
        yield* allProcessed(12)
        run.child.kill("SIGTERM")
        assert.strictEqual(yield* run.exit, 0, run.output())
        assert.notInclude(run.output(), "could not be sent")
      }).pipe(Effect.scoped)
    )
  )
})

/** Asserts the spans of one order, whose trace id and split span are computed from the order alone. */
const assertTrace = (spans: ReadonlyArray<ReceivedSpan>, orderId: string, originTraceId: string | null) => {
  const { traceId, splitSpanId } = orderTrace(orderId, originTraceId, all)
  const own = spans.filter(({ attributes }) => attributes["order_id"] === orderId)
  assert.isTrue(
    own.every((span) => span.traceId === traceId),
    orderId
  )
  assert.deepStrictEqual(
    own.filter(({ name }) => name === "split").map(({ spanId, parentSpanId }) => [spanId, parentSpanId]),
    [[splitSpanId, null]]
  )
  const later = own.filter(({ name }) => name !== "split")
  assert.isAtLeast(later.length, 4)
  for (const { parentSpanId, linkedSpanIds } of later) {
    assert.strictEqual(parentSpanId, orderId === "old" ? null : splitSpanId, orderId)
    assert.strictEqual(linkedSpanIds.includes(splitSpanId), orderId === "old", orderId)
  }
  const placed = new Set(later.filter(({ name }) => name === "place").map(({ attributes }) => attributes["slice_id"]))
  assert.strictEqual(placed.size, 4)
}
