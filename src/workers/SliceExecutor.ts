import { Effect, FiberSet } from "effect"
import { PlacementGate } from "../broker/PlacementGate.ts"
import { Configuration } from "../config/Configuration.ts"
import { because } from "../domain/model/reason.ts"
import { Telemetry } from "../telemetry/Telemetry.ts"
import { makeAdmitClaimed } from "./executor/admitClaimed.ts"
import { makeClaimedSlices } from "./executor/ClaimedSlices.ts"
import { makeFireDue } from "./executor/fireDue.ts"
import { makeFollowClock } from "./executor/followClock.ts"
import { makeFollowHalts } from "./executor/followHalts.ts"
import { makeGiveBack } from "./executor/giveBack.ts"
import { makeOutcomeWriter } from "./executor/OutcomeWriter.ts"
import { makePollDue } from "./executor/pollDue.ts"

/**
 * Places each slice at its time, never before it and never without a claim. The daemon runs it under `supervise`.
 *
 * - Polls for due slices: `pollDue` claims what is due soon into a queue of this process.
 * - Places orders with broker: `fireDue` waits for each due time and calls `place`.
 * - Records broker order ID, updates slice status: `OutcomeWriter`, conditional on the claim's version.
 *
 * Beside them `followHalts` obeys the operators, and `followClock` holds placements while the database's clock is not believed. Slices that a crash leaves claimed are reconciled by the monitor once their
 * leases have ended.
 *
 * A stop goes in this order: no more claims and calls; calls in flight end, or become unknown after SHUTDOWN_GRACE_SECONDS;
 * claims that were not fired are given back; every outcome is written.
 */
export const SliceExecutor = Effect.scoped(
  Effect.gen(function* () {
    const config = yield* Configuration
    const gate = yield* PlacementGate
    const claimed = yield* makeClaimedSlices

    // Finalizers run in reverse order: this is the order of the stop, from its end.
    const writer = yield* makeOutcomeWriter
    const giveBack = makeGiveBack(writer, yield* Telemetry)
    yield* Effect.addFinalizer(() =>
      giveBack(claimed.queue.drain(), because("executor_stopped", "given back: its executor stopped"))
    )
    const inFlight = yield* FiberSet.make<void>()
    yield* Effect.addFinalizer(() => FiberSet.awaitEmpty(inFlight).pipe(Effect.timeoutOption(config.shutdownGrace)))
    // Closing the gate ends the waits for a turn at the broker. A restarted executor may place again.
    yield* Effect.acquireRelease(gate.open("stopping"), () => gate.close("stopping", "the executor stops"))

    const followHalts = yield* makeFollowHalts
    const followClock = yield* makeFollowClock
    const pollDue = yield* makePollDue(claimed, giveBack, yield* makeAdmitClaimed(writer))
    const fireDue = yield* makeFireDue(claimed, inFlight, writer)
    return yield* Effect.raceAllFirst([followHalts, followClock, pollDue, fireDue])
  })
)
