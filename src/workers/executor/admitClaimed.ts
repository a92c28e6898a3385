import { DateTime, Effect, Option, Result } from "effect"
import { Configuration } from "../../config/Configuration.ts"
import type { DbError } from "../../db/DbError.ts"
import { stepOf } from "../../domain/limits/participation.ts"
import type { ClaimedSlice, NextStage } from "../../domain/model/OrderSlice.ts"
import { because } from "../../domain/model/reason.ts"
import { type CutRequest, cutSlice } from "../../domain/planning/replan/cutSlice.ts"
import { annotateReason, annotateSlice } from "../../runtime/annotate.ts"
import { summary } from "../../runtime/logAndContinue.ts"
import { ParticipationStore } from "../../stores/account/ParticipationStore.ts"
import { ReplanStore } from "../../stores/orders/ReplanStore.ts"
import { Telemetry } from "../../telemetry/Telemetry.ts"
import { Lookout } from "../supervision/Lookout.ts"
import type { OutcomeWriter } from "./OutcomeWriter.ts"

/** Answers which of the claimed slices may be queued; of the others nothing is left to do. */
export type AdmitClaimed = (claimed: ReadonlyArray<ClaimedSlice>) => Effect.Effect<ReadonlyArray<ClaimedSlice>, DbError>

/** Admits every slice: the volume is not limited. */
export const admitAll: AdmitClaimed = Effect.succeed

/**
 * Makes the step between a claim and the queue that keeps all slices of an instrument within their share of the volume
 * (domain/limits/participation.ts). A slice that is too large is cut in two, and its parts are claimed like any other; one of which
 * nothing may go now becomes SCHEDULED again, for later. Without the limit it asks nothing.
 */
export const makeAdmitClaimed = Effect.fnUntraced(function* (writer: OutcomeWriter) {
  const config = yield* Configuration
  const { limits } = config
  if (Option.isNone(limits.volumeSharePercent)) return admitAll
  const participation = yield* ParticipationStore
  const cut = yield* makeCut
  const giveBack = yield* makeGiveBackLater(writer)
  /** The instruments of which the last slice had to wait or was cut: it is logged when that begins. */
  const limited = new Set<string>()

  const tell = ({ instrument, ...slice }: ClaimedSlice, reason: string) => {
    const isNews = !limited.has(instrument)
    limited.add(instrument)
    const message = `The share of the volume of ${instrument} is used up for now, and its slices leave in parts, or wait: ${reason}`
    return annotateReason("market_limit")(isNews ? Effect.logWarning(message) : Effect.logDebug(message)).pipe(
      annotateSlice(slice)
    )
  }

  return (claimed) => {
    if (claimed.length === 0) return Effect.succeed(claimed)
    return Effect.gen(function* () {
      const now = yield* DateTime.now
      const options = { ...limits, now, lease: config.sliceExecutionTimeout }
      const admission = yield* participation
        .reserve(claimed, options)
        .pipe(Effect.tapCause((cause) => giveBack(claimed, `how much was sent is not known: ${summary(cause)}`)))
      for (const { slice, room, reason } of admission.cut) {
        yield* tell(slice, reason)
        if (!(yield* cut({ slice, room, step: stepOf(limits), now }))) yield* giveBack([slice], reason)
      }
      for (const { slice, reason } of admission.waiting) {
        yield* tell(slice, reason)
        yield* giveBack([slice], reason)
      }
      for (const { instrument } of admission.admitted) limited.delete(instrument)
      return admission.admitted
    })
  }
}) satisfies (writer: OutcomeWriter) => Effect.Effect<AdmitClaimed, never, unknown>

/** Cuts a slice in two; false if it stays as it is, and is to be given back. */
const makeCut = Effect.gen(function* () {
  const config = yield* Configuration
  const replans = yield* ReplanStore
  const lookout = yield* Lookout
  return (request: CutRequest) => {
    const { slice, now } = request
    return replans
      .change(slice.orderId, { now, windowGrace: config.orderWindowGrace }, (running) =>
        Result.succeed(cutSlice(running, request))
      )
      .pipe(
        Effect.map((done) => done !== null),
        Effect.tap((isCut) => (isCut ? lookout.note("slices") : Effect.void)),
        // Its order was cancelled, or it is not claimed any more: giving it back says so, or writes nothing.
        Effect.catch((error) => Effect.as(Effect.logDebug(`The slice is not cut: ${error.message}`), false)),
        annotateSlice(slice)
      )
  }
})

/** Makes slices SCHEDULED again, due when the market is asked again. */
const makeGiveBackLater = Effect.fnUntraced(function* (writer: OutcomeWriter) {
  const config = yield* Configuration
  const telemetry = yield* Telemetry
  return (slices: ReadonlyArray<ClaimedSlice>, why: string) =>
    Effect.map(DateTime.now, (at) => {
      const notBefore = DateTime.addDuration(at, config.quotesPollInterval)
      const { code, text } = because("market_limit", `the share of the volume, for now: ${why}`)
      const next: NextStage = { _tag: "Rescheduled", code, reason: text, notBefore }
      for (const slice of slices) {
        telemetry.notFired(next)
        writer.write({
          transition: { slice, next, attempts: slice.attempts, placedAt: null, at },
          event: null,
          tried: null
        })
      }
    })
})
