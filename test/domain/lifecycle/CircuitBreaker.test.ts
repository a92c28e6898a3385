import { assert, describe, it } from "@effect/vitest"
import { Duration } from "effect"
import {
  admit,
  type Circuit,
  closed,
  learn,
  maxPause,
  type Sign
} from "../../../src/domain/lifecycle/CircuitBreaker.ts"

const options = { failures: 3, pause: Duration.seconds(15) }

const after = (signs: ReadonlyArray<Sign>, circuit: Circuit = closed, nowMillis = 1000) =>
  signs.reduce((circuit, sign) => learn(circuit, sign, { sentMillis: nowMillis, nowMillis }, options), circuit)

/** The circuit at rest, after a placement of this time was answered. */
const closedAt = (answeredMillis: number): Circuit => ({ _tag: "Closed", failures: 0, answeredMillis })

const opened = after(["no clear answer", "no clear answer", "no clear answer"])

describe("the circuit breaker", () => {
  it("opens after the configured number of placements in a row without a clear answer", () => {
    assert.strictEqual(after(["no clear answer", "no clear answer"])._tag, "Closed")
    assert.deepStrictEqual(opened, { _tag: "Open", untilMillis: 16_000, pauseMillis: 15_000 })
    const interrupted = after(["no clear answer", "no clear answer", "answered", "no clear answer", "no clear answer"])
    assert.deepStrictEqual(interrupted, { _tag: "Closed", failures: 2, answeredMillis: 1000 })
    assert.strictEqual(after(["no clear answer", "not sent", "no clear answer", "not sent"])._tag, "Closed")
  })

  it("does not count placements that were sent before one that was answered", () => {
    const late = (circuit: Circuit, sentMillis: number) =>
      learn(circuit, "no clear answer", { sentMillis, nowMillis: 12_000 }, options)
    const answered = after(["answered"], closed, 10_000)
    assert.deepStrictEqual([1000, 2000, 3000, 9999].reduce(late, answered), answered)
    assert.strictEqual([10_000, 10_001, 10_002].reduce(late, answered)._tag, "Open")
    const older = learn(answered, "answered", { sentMillis: 500, nowMillis: 12_000 }, options)
    assert.deepStrictEqual(older, answered)
  })

  it("opens at once when the broker takes no orders from this address", () => {
    assert.strictEqual(after(["refused us"])._tag, "Open")
  })

  it("admits nothing while it is open, and then exactly one probe", () => {
    assert.isFalse(admit(opened, 15_999).mayPass)
    const first = admit(opened, 16_000)
    assert.isTrue(first.mayPass)
    assert.isFalse(admit(first.circuit, 16_000).mayPass)
    assert.isFalse(admit(first.circuit, 999_999).mayPass)
  })

  it("closes when the probe is answered, and waits twice as long when it is not", () => {
    const probing = admit(opened, 16_000).circuit
    assert.deepStrictEqual(after(["answered"], probing), closedAt(1000))
    const longer = after(["no clear answer"], probing, 20_000)
    assert.deepStrictEqual(longer, { _tag: "Open", untilMillis: 50_000, pauseMillis: 30_000 })
    let circuit: Circuit = longer
    for (let probes = 0; probes < 20; probes++) {
      circuit = after(["no clear answer"], {
        _tag: "Probing",
        pauseMillis: circuit._tag === "Open" ? circuit.pauseMillis : 0
      })
    }
    assert.deepInclude(circuit, { pauseMillis: Duration.toMillis(maxPause) })
  })

  it("ignores a probe that was not sent, and makes the next placement the probe", () => {
    const again = after(["not sent"], admit(opened, 16_000).circuit, 17_000)
    assert.isTrue(admit(again, 17_000).mayPass)
    assert.deepInclude(again, { pauseMillis: 15_000 })
  })

  it("admits a probe, and counts what is sent, when the clock was set back behind its pause", () => {
    assert.isTrue(admit(opened, 16_000 - 3_600_000).mayPass)
    assert.isFalse(admit(opened, 1000).mayPass)
    const answered = after(["answered"], closed, 3_600_000)
    assert.strictEqual(after(["no clear answer", "no clear answer", "no clear answer"], answered, 1000)._tag, "Open")
    assert.deepStrictEqual(after(["answered"], answered, 1000), closedAt(1000))
  })

  it("ignores answers to calls from before it opened, unless they show that the broker is well", () => {
    assert.deepStrictEqual(after(["no clear answer"], opened, 3000), opened)
    assert.deepStrictEqual(after(["answered"], opened, 3000), closedAt(3000))
  })
})
