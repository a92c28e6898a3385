import { DateTime, Effect } from "effect"
import { givenBack } from "../../domain/lifecycle/placement.ts"
import type { ClaimedSlice } from "../../domain/model/OrderSlice.ts"
import type { OutcomeWriter } from "./OutcomeWriter.ts"

/** Makes claimed slices that were not fired SCHEDULED again, so that any executor can claim them at once. */
export const makeGiveBack = (writer: OutcomeWriter) => (unfired: ReadonlyArray<ClaimedSlice>, reason: string) =>
  Effect.flatMap(DateTime.now, (at) =>
    Effect.forEach(
      unfired,
      (slice) =>
        writer.write({
          transition: {
            slice,
            next: givenBack("given_back", reason),
            attempts: slice.attempts,
            placedAt: null,
            at
          },
          event: null
        }),
      { discard: true }
    )
  )

export type GiveBack = ReturnType<typeof makeGiveBack>
