import { DateTime, Effect } from "effect"
import { givenBack } from "../../domain/lifecycle/placement.ts"
import type { ClaimedSlice } from "../../domain/model/OrderSlice.ts"
import type { Reason } from "../../domain/model/reason.ts"
import type { Telemetry } from "../../telemetry/Telemetry.ts"
import type { OutcomeWriter } from "./OutcomeWriter.ts"

/** Makes claimed slices that were not fired SCHEDULED again, so that any executor can claim them at once. */
export const makeGiveBack =
  (writer: OutcomeWriter, telemetry: Telemetry) => (unfired: ReadonlyArray<ClaimedSlice>, reason: Reason) =>
    Effect.flatMap(DateTime.now, (at) => {
      telemetry.sliceReason(reason.code, unfired.length)
      return Effect.forEach(
        unfired,
        (slice) =>
          writer.write({
            transition: {
              slice,
              next: givenBack(reason),
              attempts: slice.attempts,
              placedAt: null,
              at
            },
            event: null
          }),
        { discard: true }
      )
    })

export type GiveBack = ReturnType<typeof makeGiveBack>
