import { assert, describe, it } from "@effect/vitest"
import { createHash } from "node:crypto"
import { orderTrace, placeInTrace, type Sampler, spanIdOf } from "../../src/telemetry/trace.ts"

const all: Sampler = { _tag: "All" }
const hex = "4bf92f3577b34da6a3ce929d0e0e4736"

describe("an order's trace", () => {
  it("has the first half of the SHA-256 of pulse-api's id as trace id, the same for every replica", () => {
    const id = "t1735228800a1b2c3d4e5f6"
    const { traceId, beganMillis, parentSpanId } = orderTrace("o1", id, all)
    assert.strictEqual(traceId, createHash("sha256").update(id).digest("hex").slice(0, 32))
    assert.strictEqual(beganMillis, 1_735_228_800_000)
    assert.isNull(parentSpanId)
    assert.deepStrictEqual(orderTrace("o1", id, all), orderTrace("o1", id, all))
  })

  it("uses a hexadecimal id in either case, and a UUID, as the trace id", () => {
    assert.strictEqual(orderTrace("o1", hex, all).traceId, hex)
    assert.strictEqual(orderTrace("o1", hex.toUpperCase(), all).traceId, hex)
    assert.strictEqual(orderTrace("o1", "4bf92f35-77b3-4da6-a3ce-929d0e0e4736", all).traceId, hex)
    assert.isNull(orderTrace("o1", hex, all).beganMillis)
  })

  it("takes the trace, the parent and the sampling flag from a traceparent", () => {
    const sampled = orderTrace("o1", `00-${hex}-00f067aa0ba902b7-01`, all)
    assert.deepStrictEqual([sampled.traceId, sampled.parentSpanId, sampled.isSampled], [hex, "00f067aa0ba902b7", true])
    assert.isFalse(orderTrace("o1", `00-${hex}-00f067aa0ba902b7-00`, all).isSampled)
  })

  it("hashes invalid trace ids like any other id, and the order's own id if there is none", () => {
    for (const id of ["0".repeat(32), `00-${"0".repeat(32)}-00f067aa0ba902b7-01`, "x"]) {
      assert.strictEqual(orderTrace("o1", id, all).traceId, createHash("sha256").update(id).digest("hex").slice(0, 32))
    }
    assert.strictEqual(orderTrace("o1", null, all).traceId, orderTrace("o2", "o1", all).traceId)
    assert.strictEqual(orderTrace("o1", "", all).traceId, orderTrace("o1", null, all).traceId)
  })

  it("derives the id of the split's span from the order alone", () => {
    const [one, two] = [orderTrace("o1", hex, all), orderTrace("o2", hex, all)]
    assert.match(one.splitSpanId, /^[0-9a-f]{16}$/)
    assert.notStrictEqual(one.splitSpanId, two.splitSpanId)
    assert.notStrictEqual(spanIdOf("place", "s1", 1), spanIdOf("place", "s1", 2))
  })

  it("samples the same share of the traces in every replica, and a superset for a larger share", () => {
    const ids = Array.from({ length: 2000 }, (_, n) => `t1735228800${n.toString(36).padStart(12, "0")}`)
    const sampledWith = (share: number) =>
      new Set(ids.filter((id) => orderTrace("o1", id, { _tag: "Share", share }).isSampled))
    const [none, tenth, half, every] = [sampledWith(0), sampledWith(0.1), sampledWith(0.5), sampledWith(1)]
    assert.deepStrictEqual([none.size, every.size], [0, 2000])
    assert.isTrue(tenth.size > 140 && tenth.size < 260, `${tenth.size}`)
    assert.isTrue(half.size > 900 && half.size < 1100, `${half.size}`)
    assert.isTrue([...tenth].every((id) => half.has(id)))
    assert.isFalse(orderTrace("o1", hex, { _tag: "None" }).isSampled)
  })

  it("links spans that begin more than an hour after the trace, instead of making them part of it", () => {
    const trace = orderTrace("o1", "t1735228800a1b2c3d4e5f6", all)
    const began = 1_735_228_800_000
    assert.deepStrictEqual(placeInTrace(trace, began + 3_600_000), {
      parentSpanId: trace.splitSpanId,
      linkedSpanIds: []
    })
    assert.deepStrictEqual(placeInTrace(trace, began + 3_600_001), {
      parentSpanId: null,
      linkedSpanIds: [trace.splitSpanId]
    })
    assert.strictEqual(
      placeInTrace(orderTrace("o1", hex, all), began * 2).parentSpanId,
      orderTrace("o1", hex, all).splitSpanId
    )
  })
})
