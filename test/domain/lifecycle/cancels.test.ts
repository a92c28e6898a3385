import { assert, describe, it } from "@effect/vitest"
import { DateTime, Duration, Exit } from "effect"
import {
  afterCancel,
  cancelPause,
  cancelText,
  type CancelStop,
  prospectAfter,
  type RefusalScope,
  stopAfter,
  unhindered
} from "../../../src/domain/lifecycle/cancels.ts"
import {
  BrokerCredentialsInvalid,
  type BrokerError,
  BrokerNotSent,
  BrokerOutcomeUnknown,
  BrokerRefused,
  BrokerTryLater
} from "../../../src/domain/model/BrokerError.ts"
import { BrokerOrderId } from "../../../src/domain/model/Ids.ts"
import { because, type ReasonCode } from "../../../src/domain/model/reason.ts"

const at = (seconds: number) => DateTime.makeUnsafe(seconds * 1000)
const said = { code: "X", message: "no" }

describe("the answer of a cancel", () => {
  const outcomes: ReadonlyArray<readonly [BrokerError, ReasonCode, string, RefusalScope]> = [
    [new BrokerRefused(said), "cancel_refused", "X: no", "order"],
    [new BrokerOutcomeUnknown(said), "outcome_unknown", "no clear answer, X: no", "unclear"],
    [new BrokerTryLater({ ...said, retryAt: at(0) }), "broker_try_later", "X: no", "unclear"],
    [
      new BrokerCredentialsInvalid({ kind: "token", message: "no" }),
      "credentials_invalid",
      "the access token is not valid: no",
      "account"
    ],
    [
      new BrokerCredentialsInvalid({ kind: "address", message: "no" }),
      "credentials_invalid",
      "the broker takes no orders from this address: no",
      "account"
    ],
    [
      new BrokerCredentialsInvalid({ kind: "permission", message: "no" }),
      "credentials_invalid",
      "the broker does not permit it: no",
      "rights"
    ],
    [new BrokerNotSent({ code: "daily_limit", message: "no", retryAt: at(9) }), "daily_request_limit", "no", "account"]
  ]

  it("says why the order stays open, and whether it concerns every cancel", () => {
    for (const [error, code, text, scope] of outcomes) {
      assert.deepStrictEqual(afterCancel(Exit.fail(error), false), {
        _tag: "Refused",
        reason: { code, text },
        scope
      })
    }
    assert.deepStrictEqual(afterCancel(Exit.void, false), { _tag: "Accepted" })
    assert.deepInclude(afterCancel(Exit.die("bug"), true), { _tag: "Refused", scope: "unclear" })
  })

  it("concerns no first cancel when the share of repeated ones is used up", () => {
    const usedUp = Exit.fail(new BrokerNotSent({ code: "daily_limit", message: "no", retryAt: at(9) }))
    assert.deepInclude(afterCancel(usedUp, true), { _tag: "Refused", scope: "unclear" })
  })

  it("says nothing when its turn did not come", () => {
    const notSent = new BrokerNotSent({ code: "rate_limit", message: "no", retryAt: at(1) })
    assert.deepStrictEqual(afterCancel(Exit.fail(notSent), false), { _tag: "NotSent" })
  })
})

describe("what an answer means for all other cancels", () => {
  const idOf = (id: string) => BrokerOrderId.make(id)
  const after = (error: BrokerError | null) => afterCancel(error === null ? Exit.void : Exit.fail(error), false)
  const answers = {
    accepted: after(null),
    address: after(new BrokerCredentialsInvalid({ kind: "address", message: "no" })),
    rights: after(new BrokerCredentialsInvalid({ kind: "permission", message: "not yours" })),
    order: after(new BrokerRefused(said)),
    unclear: after(new BrokerOutcomeUnknown(said)),
    notSent: after(new BrokerNotSent({ code: "rate_limit", message: "no", retryAt: at(1) }))
  }
  /** Whether cancels are stopped after these answers, each of the broker order that is named. */
  const isStopped = (...given: ReadonlyArray<readonly [id: string, answer: keyof typeof answers]>) =>
    given.reduce((before, [id, answer]) => prospectAfter(before, idOf(id), answers[answer], at(0)), unhindered).stop !==
    null

  it("stops all at once for the address, until the broker's answer is about one order", () => {
    assert.isTrue(isStopped(["a", "address"]))
    assert.isTrue(isStopped(["a", "address"], ["b", "unclear"], ["c", "notSent"]))
    assert.isFalse(isStopped(["a", "address"], ["b", "accepted"]))
    assert.isFalse(isStopped(["a", "address"], ["b", "order"]))
    assert.isFalse(isStopped(["a", "address"], ["b", "rights"]))
  })

  it("stops all for missing rights that two broker orders in a row were refused for", () => {
    assert.isFalse(isStopped(["a", "rights"], ["a", "rights"]))
    assert.isTrue(isStopped(["a", "rights"], ["b", "rights"]))
    assert.isTrue(isStopped(["a", "rights"], ["c", "unclear"], ["b", "rights"]))
    assert.isFalse(isStopped(["a", "rights"], ["c", "order"], ["b", "rights"]))
    assert.isTrue(isStopped(["a", "rights"], ["b", "rights"], ["b", "rights"]))
    assert.isTrue(isStopped(["a", "rights"], ["b", "rights"], ["c", "rights"]))
    assert.isFalse(isStopped(["a", "rights"], ["b", "rights"], ["c", "order"]))
  })
})

describe("the pauses between cancels", () => {
  it("grow to ten minutes", () => {
    const seconds = [0, 1, 2, 3, 4, 5, 6, 7, 1000].map((tries) => Duration.toSeconds(cancelPause(tries)))
    assert.deepStrictEqual(seconds, [15, 15, 30, 60, 120, 300, 600, 600, 600])
  })

  it("grow for the whole process with each probe, and not with the other answers of one pass", () => {
    const reason = because("credentials_invalid", "no")
    const first = stopAfter(null, reason, at(0))
    assert.deepStrictEqual(first, { reason, tries: 1, until: at(15) })
    const other = because("credentials_invalid", "another")
    assert.deepStrictEqual(stopAfter(first, other, at(1)), { ...first, reason: other })
    let stop: CancelStop = first
    const pauses: Array<number> = []
    for (let probe = 0; probe < 6; probe++) {
      const sentAt = stop.until
      stop = stopAfter(stop, reason, sentAt)
      pauses.push(Duration.toSeconds(DateTime.distance(sentAt, stop.until)))
    }
    assert.deepStrictEqual(pauses, [30, 60, 120, 300, 600, 600])
  })

  it("are told with the broker's words and the time of the next try", () => {
    const stored = { cancelTries: 3, cancelRefusal: "OrderException: Try later.", cancelSentAt: at(100) }
    assert.strictEqual(
      cancelText(stored),
      "cancel refused 3 times: OrderException: Try later; next try at 1970-01-01T00:02:40.000Z"
    )
    assert.include(cancelText({ ...stored, cancelTries: 1 }), "refused once")
    assert.strictEqual(cancelText({ ...stored, cancelTries: 0 }), "cancel not sent: OrderException: Try later")
    assert.isNull(cancelText({ ...stored, cancelRefusal: null }))
  })
})
