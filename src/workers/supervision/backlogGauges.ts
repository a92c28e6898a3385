import { DateTime, Effect, Layer, Schedule } from "effect"
import { Configuration } from "../../config/Configuration.ts"
import { logAndContinue } from "../../runtime/logAndContinue.ts"
import { BacklogStore } from "../../stores/operations/BacklogStore.ts"
import { Telemetry } from "../../telemetry/Telemetry.ts"

/** Reads the backlog from the database once per metric interval; never if metrics are not exported. */
export const BacklogTelemetry: Layer.Layer<never, never, BacklogStore | Configuration> = Layer.effectDiscard(
  Effect.gen(function* () {
    const { telemetry: settings } = yield* Configuration
    const telemetry = yield* Telemetry
    const backlogs = yield* BacklogStore
    if (!telemetry.isOn || !settings.exportsMetrics) return

    const ask = Effect.gen(function* () {
      const now = yield* DateTime.now
      telemetry.backlog(yield* backlogs.read(now), now)
    })
    yield* ask.pipe(
      logAndContinue("Could not count what is to be done"),
      Effect.repeat(Schedule.spaced(settings.metricInterval)),
      Effect.forkScoped
    )
  })
)
