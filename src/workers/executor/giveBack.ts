import { DateTime, Effect } from "effect"
import { givenBack } from "../../domain/lifecycle/placement.ts"
import type { ClaimedSlice } from "../../domain/model/OrderSlice.ts"
import type { Reason } from "../../domain/model/reason.ts"
import type { Telemetry } from "../../telemetry/Telemetry.ts"
import type { OutcomeWriter } from "./OutcomeWriter.ts"

/** Makes claimed slices that were not fired SCHEDULED again, so that any executor can claim them at once. */
export const makeGiveBack =
  (writer: OutcomeWriter, telemetry: Telemetry) => (unfired: ReadonlyArray<ClaimedSlice>, reason: Reason) =>
    Effect.map(DateTime.now, (at) => {
      telemetry.sliceReason(reason.code, unfired.length)
      const next = givenBack(reason)
      for (const slice of unfired) {
        const transition = { slice, next, attempts: slice.attempts, placedAt: null, at }
        writer.write({ transition, event: null, tried: null })
      }
    })

export type GiveBack = ReturnType<typeof makeGiveBack>
