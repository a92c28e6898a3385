import { DateTime, Effect, Result } from "effect"
import { Broker } from "../../broker/Broker.ts"
import { auditRow, type CallAnswer } from "../../broker/brokerCall.ts"
import { PlacementGate } from "../../broker/PlacementGate.ts"
import { Configuration } from "../../config/Configuration.ts"
import {
  afterCancel,
  type CancelOutcome,
  hadNoEffect,
  prospectAfter,
  type RefusalScope,
  unhindered
} from "../../domain/lifecycle/cancels.ts"
import { wasSent } from "../../domain/lifecycle/placement.ts"
import type { OpenSlice } from "../../domain/model/OrderSlice.ts"
import { because, type Reason } from "../../domain/model/reason.ts"
import { Instance } from "../../runtime/Instance.ts"
import type { ClaimedCancel } from "../../stores/slices/cancels.ts"
import { SliceStore } from "../../stores/slices/SliceStore.ts"
import { reportAnswer, reportRefusedCancels, reportStoppedCancels } from "./reportCancels.ts"

/** One pass sends only as many cancels as take about this long, so that the monitor's other tasks are not held up. */
const maxPassSeconds = 5
const maxAtMockBroker = 500

/** A claimed cancel, and what came of it. */
interface TriedCancel {
  readonly slice: OpenSlice
  readonly claimed: ClaimedCancel
  readonly outcome: CancelOutcome
}

/**
 * Sends the cancels that are wanted, longest-waiting first, a limited number per pass, each from one monitor only, and again after
 * pauses that grow (domain/lifecycle/cancels.ts). If the order list could not be read, the effect of earlier cancels is unknown,
 * and none is sent a second time, except after one that surely had no effect. Without credentials none is sent, and the slices say so.
 */
export const makeSendCancels = Effect.gen(function* () {
  const config = yield* Configuration
  const gate = yield* PlacementGate
  const slices = yield* SliceStore
  const noteStop = yield* makeNoteStop
  const sendClaimed = yield* makeSendClaimed
  const limit = config.brokerType === "zerodha" ? config.zerodhaOrdersPerSecond * maxPassSeconds : maxAtMockBroker
  let prospect = unhindered

  /** Learns from an answer whether other cancels make sense; whether they do not. */
  const stopsAll = ({ brokerOrderId }: OpenSlice, outcome: CancelOutcome) =>
    Effect.map(DateTime.now, (now) => {
      prospect = prospectAfter(prospect, brokerOrderId, outcome, now)
      return prospect.stop !== null
    })

  return Effect.fnUntraced(function* (open: ReadonlyArray<OpenSlice>, isOrderListRead: boolean) {
    const wanted = open.filter((slice) => slice.isCancelWanted)
    if (wanted.length === 0) return
    const noCredentials = yield* gate.reasonOf("credentials")
    if (noCredentials !== null) {
      prospect = unhindered
      return yield* noteStop(wanted, because("credentials_invalid", noCredentials))
    }
    const now = yield* DateTime.now
    const before = prospect.stop
    if (before !== null) {
      yield* noteStop(wanted, before.reason)
      if (DateTime.isLessThan(now, before.until)) return
    }
    const options = { limit: before === null ? limit : 1, now, mayRepeat: isOrderListRead }
    const results = yield* sendClaimed(wanted, options, stopsAll)
    const tried = results.flatMap((result) => (Result.isSuccess(result) ? [result.success] : []))
    const refused = tried.flatMap(newlyRefused)
    const { stop } = prospect
    const isOfStop = ({ scope }: { readonly scope: RefusalScope }) =>
      stop !== null && (scope === "account" || scope === "rights")
    yield* reportRefusedCancels(refused.filter((refusal) => !isOfStop(refusal)))
    const unsent = tried.filter(({ claimed, outcome }) => claimed.isFirst && hadNoEffect(outcome))
    if (unsent.length > 0) {
      yield* slices.releaseCancels(
        unsent.map(({ slice }) => slice),
        now
      )
    }
    if (stop !== null) {
      const accepted = new Set(tried.flatMap(({ slice, outcome }) => (outcome._tag === "Accepted" ? [slice.id] : [])))
      const others = wanted.filter(({ id }) => !accepted.has(id))
      yield* noteStop(
        others,
        stop.reason,
        refused.filter(isOfStop).map(({ slice }) => slice)
      )
    }
    const failed = results.find(Result.isFailure)
    if (failed !== undefined) return yield* failed.failure
  })
})

/** Builds the note on slices why none of their cancels is sent. `refused`: those whose own cancel has just had this answer. */
const makeNoteStop = Effect.map(SliceStore, (slices) =>
  Effect.fnUntraced(function* (
    wanted: ReadonlyArray<OpenSlice>,
    reason: Reason,
    refused: ReadonlyArray<OpenSlice> = []
  ) {
    const ids = wanted.map(({ id }) => id)
    const news = new Set([...refused.map(({ id }) => id), ...(yield* slices.stopCancels(ids, reason))])
    yield* reportStoppedCancels(
      wanted.filter(({ id }) => news.has(id)),
      reason
    )
  })
)

/** Builds the sending of as many of these cancels as can be claimed; it ends when an answer stops all. */
const makeSendClaimed = Effect.gen(function* () {
  const slices = yield* SliceStore
  const send = yield* makeSend

  return Effect.fnUntraced(function* (
    wanted: ReadonlyArray<OpenSlice>,
    options: { readonly limit: number; readonly now: DateTime.Utc; readonly mayRepeat: boolean },
    stopsAll: (slice: OpenSlice, outcome: CancelOutcome) => Effect.Effect<boolean>
  ) {
    const claims = yield* slices.claimCancels({ ids: wanted.map(({ id }) => id), ...options })
    const claimedOf = new Map(claims.map((claimed) => [claimed.id, claimed]))
    let isStopped = false
    const sendOne = (slice: OpenSlice, claimed: ClaimedCancel) =>
      Effect.gen(function* () {
        const outcome: CancelOutcome = isStopped ? { _tag: "NotSent" } : yield* send(slice, claimed, options.now)
        if (outcome._tag !== "NotSent") isStopped = yield* stopsAll(slice, outcome)
        return { slice, claimed, outcome } satisfies TriedCancel
      })
    // A failed write must not interrupt the other calls.
    return yield* Effect.forEach(
      wanted.flatMap((slice) => {
        const claimed = claimedOf.get(slice.id)
        return claimed === undefined ? [] : [Effect.result(sendOne(slice, claimed))]
      }),
      (one) => one,
      { concurrency: 8 }
    )
  })
})

/** The refusal, unless the one before had the same words. */
const newlyRefused = ({ slice, claimed, outcome }: TriedCancel) =>
  outcome._tag === "Refused" && outcome.reason.text !== claimed.refusal ? [{ slice, ...outcome }] : []

/** Builds the call of the broker for one claimed cancel; its answer and its audit are written together. */
const makeSend = Effect.gen(function* () {
  const broker = yield* Broker
  const slices = yield* SliceStore
  const instance = yield* Instance

  return Effect.fnUntraced(function* (slice: OpenSlice, { isFirst, tries }: ClaimedCancel, claimedAt: DateTime.Utc) {
    const calledAt = yield* DateTime.now
    const isRepeated = !isFirst && tries > 0
    const answer: CallAnswer<void> = yield* Effect.exit(broker.cancel(slice.brokerOrderId, isRepeated))
    const at = yield* DateTime.now
    const outcome = afterCancel(answer, isRepeated)
    const event = auditRow({
      id: `${slice.id}:cancel:${DateTime.toEpochMillis(calledAt)}`,
      call: "cancel",
      askedAt: calledAt,
      durationMillis: DateTime.toEpochMillis(at) - DateTime.toEpochMillis(calledAt),
      answer,
      onSuccess: () => ({}),
      slice,
      brokerOrderId: slice.brokerOrderId,
      request: () => ({ broker_order_id: slice.brokerOrderId }),
      broker: broker.name,
      worker: instance.id
    })
    yield* reportAnswer(slice, event)
    if (outcome._tag === "NotSent") return outcome
    const refusal = outcome._tag === "Refused" ? outcome.reason : null
    yield* slices.cancelAnswered({ slice, claimedAt, refusal }, wasSent(answer) ? [event] : [])
    return outcome
  })
})
