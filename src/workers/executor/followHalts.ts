import { DateTime, Effect, Option } from "effect"
import { PlacementGate } from "../../broker/PlacementGate.ts"
import { Wakeups } from "../../db/Wakeups.ts"
import { haltedWords } from "../../domain/model/GateClosure.ts"
import { Instance } from "../../runtime/Instance.ts"
import { type Halt, HaltStore } from "../../stores/operations/HaltStore.ts"
import { Lookout } from "../supervision/Lookout.ts"

/** A notification may be lost, and operators wait for the acknowledgement. */
const pollInterval = "5 seconds"
const retryInterval = "500 millis"

/**
 * Closes and opens the placement gate as operators halt and resume, and acknowledges each of them: a halt only when no
 * placement of this process is in flight. It asks when it is told, and when the lookout has seen one that is not acknowledged.
 * While the database cannot be asked, its last answer stays in force. A halt that this process has obeyed is ended by a later
 * resume only: if the database has forgotten it, it is written again.
 */
export const makeFollowHalts = Effect.gen(function* () {
  const gate = yield* PlacementGate
  const halts = yield* HaltStore
  const instance = yield* Instance
  const wakeups = yield* Wakeups
  const lookout = yield* Lookout
  /** The last halt or resume that was obeyed. */
  let obeyed: Halt | null = null

  const writeAgain = Effect.fnUntraced(function* (halt: Halt) {
    yield* Effect.logError(
      `The database has forgotten the halt of ${halt.requestedBy} (${halt.reason}); it stays in force and is written again`
    )
    const reason = halt.reason.endsWith(forgotten) ? halt.reason : `${halt.reason}${forgotten}`
    yield* halts.restore({ ...halt, reason }, yield* DateTime.now)
    return false
  })

  const obey = Effect.gen(function* () {
    const last = Option.getOrNull(yield* halts.current)
    const isForgotten =
      obeyed !== null && obeyed.isHalted && (last === null || (!last.isHalted && !isLater(last, obeyed)))
    if (isForgotten && obeyed !== null) return yield* writeAgain(obeyed)
    if (last === null) return true
    const { id, isHalted } = last
    obeyed = last
    yield* isHalted ? gate.close("halt", haltedWords(last)) : gate.open("halt")
    if (isHalted) yield* gate.untilIdle
    // Also what was acknowledged before: the row that says so may be gone.
    return yield* halts.acknowledge(instance.id, id)
  }).pipe(Effect.tap((isDone) => (isDone ? Effect.void : lookout.note("halts"))))

  return lookout.unlessIdle("halts", obey).pipe(
    Effect.catch((error) =>
      // No short retry is needed: the connection wakes its listeners when the database is back.
      Effect.as(Effect.logWarning(`Could not ask whether placements are halted: ${error.message}`), true)
    ),
    Effect.flatMap((isDone) =>
      Effect.raceFirst(
        Effect.andThen(wakeups.next("halts"), lookout.note("halts")),
        Effect.sleep(isDone === false ? retryInterval : pollInterval)
      )
    ),
    Effect.forever
  )
})

const forgotten = " (written again: the database had forgotten it)"

/** By the id as by the time: a database that has forgotten rows gives their ids again, and its clock may be set back. */
const isLater = (row: Halt, than: Halt): boolean =>
  row.id > than.id || DateTime.isGreaterThan(row.requestedAt, than.requestedAt)
