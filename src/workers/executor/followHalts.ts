import { Effect, Option } from "effect"
import { PlacementGate } from "../../broker/PlacementGate.ts"
import { Wakeups } from "../../db/Wakeups.ts"
import { haltedWords } from "../../domain/model/GateClosure.ts"
import { Instance } from "../../runtime/Instance.ts"
import { HaltStore } from "../../stores/operations/HaltStore.ts"

/** A notification may be lost, and operators wait for the acknowledgement. */
const pollInterval = "5 seconds"
const retryInterval = "500 millis"

/**
 * Closes and opens the placement gate as operators halt and resume, and acknowledges each of them: a halt only when no
 * placement of this process is in flight. While the database cannot be asked, its last answer stays in force.
 */
export const makeFollowHalts = Effect.gen(function* () {
  const gate = yield* PlacementGate
  const halts = yield* HaltStore
  const instance = yield* Instance
  const wakeups = yield* Wakeups
  let acknowledged = 0

  const obey = Effect.gen(function* () {
    const last = yield* halts.current
    if (Option.isNone(last)) return true
    const { id, isHalted } = last.value
    yield* isHalted ? gate.close("halt", haltedWords(last.value)) : gate.open("halt")
    if (id === acknowledged) return true
    if (isHalted) yield* gate.untilIdle
    const isNoted = yield* halts.acknowledge(instance.id, id)
    if (isNoted) acknowledged = id
    return isNoted
  })

  return obey.pipe(
    Effect.catch((error) =>
      // No short retry is needed: the connection wakes its listeners when the database is back.
      Effect.as(Effect.logWarning(`Could not ask whether placements are halted: ${error.message}`), true)
    ),
    Effect.flatMap((isDone) =>
      Effect.raceFirst(wakeups.next("halts"), Effect.sleep(isDone ? pollInterval : retryInterval))
    ),
    Effect.forever
  )
})
