import { assert, describe, it } from "@effect/vitest"
import { DateTime, Duration, Result } from "effect"
import { type EndedSlice, retrySlice } from "../../../src/domain/lifecycle/retrySlice.ts"
import { OrderId, SliceId } from "../../../src/domain/model/Ids.ts"
import { ClaimVersion } from "../../../src/domain/model/OrderSlice.ts"

const at = (seconds: number) => DateTime.makeUnsafe(seconds * 1000)

/** A refused slice, due at 100 s, of an order whose window and grace end at 1000 s. */
const refused: EndedSlice = {
  id: SliceId.make("s1"),
  orderId: OrderId.make("o1"),
  stage: "FAILED",
  stageReason: "margin: too little",
  claimVersion: ClaimVersion.make(1),
  brokerOrderId: null,
  filledQuantity: 0,
  replacedBy: null,
  carriedQuantity: 0,
  waivedBy: null,
  inDoubtAt: null,
  claimedAt: at(100),
  isDouble: false,
  scheduledAt: at(100),
  notAfter: at(1000),
  isSpreadAnew: false,
  orderQueueStatus: "DONE",
  isCancelled: false,
  isSkippedLate: false,
  maxLatenessSeconds: 60,
  completesAt: null
}

const retry = (changed: Partial<EndedSlice>, seconds: number, atSeconds: number | null = null) =>
  retrySlice(
    { ...refused, ...changed },
    {
      now: at(seconds),
      at: atSeconds === null ? null : at(atSeconds),
      windowGrace: Duration.seconds(600),
      orderListSince: at(50)
    }
  )

const shown = (result: ReturnType<typeof retry>) =>
  Result.match(result, {
    onFailure: (reason) => reason,
    onSuccess: ({ notBefore, notAfter, staleAt, isLookedUpFirst }) => ({
      from: DateTime.toEpochMillis(notBefore) / 1000,
      until: DateTime.toEpochMillis(notAfter) / 1000,
      stale: staleAt === null ? null : DateTime.toEpochMillis(staleAt) / 1000,
      isLookedUpFirst
    })
  })

describe("the retry of a slice", () => {
  it("is immediate while the slice's window lasts", () => {
    assert.deepStrictEqual(shown(retry({}, 200)), { from: 200, until: 1000, stale: null, isLookedUpFirst: false })
    assert.deepStrictEqual(shown(retry({ stage: "SKIPPED" }, 1000)), {
      from: 1000,
      until: 1000,
      stale: null,
      isLookedUpFirst: false
    })
  })

  it("is never before the slice's due time", () => {
    assert.deepInclude(shown(retry({ stage: "SKIPPED" }, 50)), { from: 100, until: 1000 })
    assert.match(`${String(shown(retry({}, 50, 99)))}`, /before it is due at/)
  })

  it("after the window needs a time from a person, and is then valid for the order's max lateness", () => {
    assert.match(`${String(shown(retry({}, 1001)))}`, /its time was over at .*: give it a new one with --at/)
    assert.deepInclude(shown(retry({}, 1001, 2000)), { from: 2000, until: 2600 })
    assert.deepInclude(shown(retry({}, 200, 300)), { from: 300, until: 1000 })
    assert.deepInclude(shown(retry({ isSkippedLate: true }, 200, 300)), { from: 300, until: 360 })
    assert.deepInclude(shown(retry({ isSpreadAnew: true }, 200, 300)), { from: 300, until: 1000, stale: 360 })
  })

  it("needs a look-up in the broker's order list first, if the slice was ever in doubt", () => {
    assert.deepInclude(shown(retry({ inDoubtAt: at(120) }, 200)), { isLookedUpFirst: true })
  })

  it("is refused if the slice was in doubt before the order list began, and allowed if it never was", () => {
    assert.match(
      `${String(shown(retry({ inDoubtAt: at(120), claimedAt: at(49) }, 200)))}`,
      /may have been sent at .*the broker's order list goes back to .* only\..* "slice placed", with --filled/
    )
    assert.deepInclude(shown(retry({ claimedAt: at(49) }, 200)), { isLookedUpFirst: false })
  })

  for (const [changed, reason] of [
    [{ stage: "SCHEDULED" }, /still to be sent/],
    [{ stage: "IN_PROGRESS" }, /a daemon has it in hand/],
    [{ stage: "PROCESSED", brokerOrderId: "b1" }, /placed as b1, and would be there twice/],
    [{ filledQuantity: 1 }, /would be there twice/],
    [{ isDouble: true }, /the broker was seen to have an order for it/],
    [{ replacedBy: 2 }, /plan 2 stand in for it/],
    [{ carriedQuantity: 7 }, /later slices took over 7 of it/],
    [{ waivedBy: 2 }, /an amendment \(plan 2\) says how much is still to be sent/],
    [{ isCancelled: true }, /order o1 was cancelled/],
    [{ orderQueueStatus: "FAILED" }, /order o1 is FAILED, not split/],
    [{ completesAt: at(200) }, /was completed at/]
  ] as ReadonlyArray<readonly [Partial<EndedSlice>, RegExp]>) {
    it(`is refused if ${JSON.stringify(changed)}`, () => {
      for (const time of [null, 500]) assert.match(`${String(shown(retry(changed, 200, time)))}`, reason)
    })
  }

  it("is refused for a time that is over, too far ahead, or after the order's completion", () => {
    assert.match(`${String(shown(retry({}, 200, 199)))}`, /which is over/)
    assert.match(`${String(shown(retry({}, 200, 200 + 86_401)))}`, /more than a day ahead/)
    assert.match(`${String(shown(retry({ completesAt: at(900) }, 200, 900)))}`, /--at must be before/)
  })
})
