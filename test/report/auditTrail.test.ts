import { assert, describe, it } from "@effect/vitest"
import { DateTime } from "effect"
import { auditTrail } from "../../src/report/auditTrail.ts"
import { casesOr, choicesOf } from "../support/generate.ts"
import {
  anOrderRecord,
  anUnsentSlice,
  aPlacement,
  aRecordedOrder,
  aRecordedPlan,
  aRecordedSlice,
  at,
  generateRecord
} from "../support/orderRecords.ts"

const later = at(3600)
const trailOf = (changed: Parameters<typeof anOrderRecord>[0] = {}) =>
  auditTrail(anOrderRecord(changed), later).entries.map(
    (entry) =>
      `${entry.isExact ? "" : "≤"}${DateTime.toEpochMillis(entry.at) - DateTime.toEpochMillis(at(0))} ${entry.kind} ${entry.text}`
  )

describe("auditTrail", () => {
  it("describes a normal order: received, split, each slice sent and filled", () => {
    assert.deepStrictEqual(trailOf({ slices: [aRecordedSlice(1), aRecordedSlice(2)] }), [
      '0 order received from pulse-api: BUY 300 NSE:RELIANCE, TWAP in 3 slices over 1 minute, MARKET CNC DAY, key "morning-1"',
      "2 call slice 1 sent (100, attempt 1, 2 ms after it was due): acknowledged after 48.0 ms as b1",
      "20 plan plan 1, the split by vm-1: slices 1 and 2, 200 in all, 2026-11-24T04:30:00.000Z to 2026-11-24T04:31:00.000Z",
      "≤1000 book slice 1 at the broker: COMPLETE, 100 of 100 filled at 100.05",
      "30002 call slice 2 sent (100, attempt 1, 2 ms after it was due): acknowledged after 48.0 ms as b2",
      "≤31000 book slice 2 at the broker: COMPLETE, 100 of 100 filled at 100.05"
    ])
  })

  it("describes a resolved doubt, a refused slice, and a slice still in doubt", () => {
    const found = aRecordedSlice(1, { inDoubtAt: at(9), acknowledgedAt: at(9) })
    const refused = anUnsentSlice(2, {
      stage: "FAILED",
      stageReason: "RMS: no margin",
      placedAt: at(30),
      updatedAt: at(30.1)
    })
    const crashed = anUnsentSlice(3, { stage: "IN_PROGRESS", isInDoubt: true, updatedAt: at(58) })
    const calls = [
      aPlacement(found, { outcome: "unknown", brokerOrderId: null, code: "timeout", message: "no answer" }),
      aPlacement(refused, { outcome: "refused", brokerOrderId: null, code: "RMS", message: "no margin" })
    ]
    const trail = trailOf({ slices: [found, refused, crashed], calls })
    for (const line of [
      "2 call slice 1 sent (100, attempt 1, 2 ms after it was due): no clear answer after 48.0 ms, nobody knows whether it had an effect: timeout: no answer",
      "9000 slice until then nobody knew whether slice 1 was placed",
      "9000 slice slice 1 found to be the broker's b1",
      "30000 call slice 2 sent (100, attempt 1, 0 ms after it was due): refused after 48.0 ms: RMS: no margin",
      "≤30100 slice slice 2 is FAILED",
      "58000 alarm slice 3 was claimed, and its daemon never said what became of it: nobody knows whether it was placed"
    ]) {
      assert.include(trail, line)
    }
  })

  it("describes every plan with its author, its reason and what it replaced", () => {
    const plans = [
      aRecordedPlan(),
      aRecordedPlan({ revision: 2, firstSequence: 4, cause: "AMENDMENT", note: "a@desk: less", createdAt: at(10) })
    ]
    const replaced = { stage: "SKIPPED", stageReason: "replaced by plan 2", replacedBy: 2, updatedAt: at(10) } as const
    const slices = [
      aRecordedSlice(1),
      anUnsentSlice(2, replaced),
      anUnsentSlice(3, replaced),
      anUnsentSlice(4, { quantity: 50 })
    ]
    const trail = trailOf({ order: aRecordedOrder({ totalQuantity: 150 }), slices, plans })
    assert.include(trail[0], "BUY 300 NSE:RELIANCE")
    assert.deepStrictEqual(
      trail.filter((line) => line.startsWith("10000")),
      [
        "10000 plan plan 2, an amendment (a@desk: less): slice 4, 50 in all, 2026-11-24T04:30:00.000Z to 2026-11-24T04:31:00.000Z; " +
          "instead of slices 2 and 3, 200 in all, which were not sent"
      ]
    )
    assert.strictEqual(trail.filter((line) => line.includes("replaced by")).length, 0)
  })

  it("describes cancels, holds, halts, double placements and an unreadable order list", () => {
    const order = aRecordedOrder({
      state: "cancelled",
      heldAt: at(12),
      cancelRequestedAt: at(40),
      cancelRequestedBy: "a@desk",
      settledAt: null
    })
    const slice = aRecordedSlice(1)
    const skipped = [2, 3].map((number) =>
      anUnsentSlice(number, { stage: "SKIPPED", stageReason: "order cancelled", updatedAt: at(40) })
    )
    const trail = trailOf({
      order,
      slices: [slice, ...skipped],
      calls: [aPlacement(slice), aPlacement(slice, { call: "cancel", calledAt: at(41), durationMillis: 20 })],
      halts: [{ isHalted: true, reason: "news", requestedBy: "b@desk", requestedAt: at(-5) }],
      doubles: [{ sliceId: "s1", brokerOrderIds: ["b1", "b7"], seenAt: at(50) }],
      lookUps: {
        count: 9,
        failed: [5, 6, 7, 200].map((seconds) => ({ calledAt: at(seconds), outcome: "unknown", message: null }))
      }
    })
    for (const line of [
      "-5000 halt all placements of all orders were halted by b@desk: news",
      "12000 hold the order was put on hold; it has been resumed since",
      "40000 cancel the order was cancelled by a@desk",
      "≤40000 slice slices 2 and 3 are SKIPPED: order cancelled",
      "41000 call cancel of slice 1's order b1 sent: accepted after 20.0 ms",
      "50000 alarm DOUBLE PLACEMENT: the broker has b1 and b7 for slice 1",
      "5000 book the broker's order list could not be read, 3 times until 2026-11-24T04:30:07.000Z (unknown)",
      "200000 book the broker's order list could not be read, once (unknown)"
    ]) {
      assert.include(trail, line)
    }
  })

  it("names what the broker did not accept: the token, the address or the rights", () => {
    const slice = aRecordedSlice(1)
    const refused = (code: string | null, calledAt: DateTime.Utc) =>
      aPlacement(slice, {
        call: "cancel",
        outcome: "credentials_invalid",
        code,
        message: "no",
        calledAt,
        durationMillis: 20
      })
    const calls = ["token", "address", "permission", null].map((code, index) => refused(code, at(41 + index)))
    assert.deepStrictEqual(
      trailOf({ slices: [slice], calls })
        .filter((line) => line.includes("cancel"))
        .map((line) => line.slice(line.indexOf(";"))),
      [
        "; the access token is not valid: no",
        "; the broker takes no orders from this address: no",
        "; the account or the app may not do this: no",
        "; the access token is not valid: no"
      ]
    )
  })

  it("describes operators' actions: who, what, why and the result", () => {
    const order = aRecordedOrder({
      state: "cancelled",
      heldAt: at(12),
      cancelRequestedAt: at(40),
      cancelRequestedBy: "a@desk"
    })
    const base = { operator: "a@desk", sliceId: null, details: {} }
    const actions = [
      { ...base, at: at(3), action: "order pause", reason: "a look" },
      { ...base, at: at(5), action: "order resume", reason: "no reason given" },
      { ...base, at: at(12), action: "order pause", reason: "the client asks" },
      { ...base, at: at(20), action: "slice skip", reason: "too much", sliceId: "s2", details: { quantity: 100 } },
      {
        ...base,
        at: at(30),
        action: "slice placed",
        reason: "seen in Kite",
        sliceId: "gone",
        details: { broker_order_id: "b9", filled: null }
      },
      { ...base, at: at(40), action: "order cancel", reason: "enough" }
    ]
    const trail = trailOf({ order, actions })
    assert.deepStrictEqual(
      trail.filter((line) => / (action|hold|cancel) /.test(line)),
      [
        "3000 action order pause by a@desk: a look",
        "5000 action order resume by a@desk: no reason given",
        "12000 action order pause by a@desk: the client asks",
        "20000 action slice skip of slice 2 by a@desk: too much (quantity 100)",
        "30000 action slice placed of gone by a@desk: seen in Kite (broker order id b9)",
        "40000 action order cancel by a@desk: enough"
      ]
    )

    const ownHold = { ...order, heldAt: at(13), holdReason: "DOUBLE PLACEMENT" }
    assert.include(trailOf({ order: ownHold, actions }), "13000 hold the order is on hold: DOUBLE PLACEMENT")
    assert.isFalse(
      auditTrail(anOrderRecord({ actions }), later).notKept.some((text) => text.includes("who ended them"))
    )
  })

  it("gives the reason when an order could not be split", () => {
    const order = aRecordedOrder({
      orderQueueStatus: "FAILED",
      state: "failed",
      statusReason: "instrument: must look like EXCHANGE:SYMBOL",
      splitAt: null,
      side: null,
      instrument: "RELIANCE\u001b[2J\nrm"
    })
    const trail = trailOf({ order, slices: [], plans: [] })
    assert.strictEqual(trail.length, 2)
    // The reason is on one line, without control characters.
    assert.include(trail[0], "received from pulse-api: ? 300 RELIANCE [2J rm,")
    assert.strictEqual(trail[1], "≤20 order FAILED: instrument: must look like EXCHANGE:SYMBOL")
  })

  it("is in the order of time for generated orders, with every call and every sent or ended slice", () => {
    for (let seed = 0; seed < casesOr(300); seed += 1) {
      const record = generateRecord(choicesOf(`audit ${seed}`))
      const { entries } = auditTrail(record, later)
      const times = entries.map((entry) => DateTime.toEpochMillis(entry.at))
      assert.deepStrictEqual(
        times,
        times.toSorted((a, b) => a - b),
        `seed ${seed}`
      )
      assert.strictEqual(entries.filter(({ kind }) => kind === "call").length, record.calls.length, `seed ${seed}`)
      const mentioned = new Set(entries.flatMap(({ slices }) => slices))
      const untold = record.slices.filter(
        ({ sequenceNumber, stage, replacedBy }) =>
          !mentioned.has(sequenceNumber) && stage !== "SCHEDULED" && replacedBy === null
      )
      assert.deepStrictEqual(untold, [], `seed ${seed}`)
      assert.isTrue(entries.every(({ text }) => text !== "" && !/[\n\r]/.test(text)))
    }
  })
})
