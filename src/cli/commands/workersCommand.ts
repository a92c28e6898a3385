import { DateTime, Effect } from "effect"
import { Command } from "effect/cli"
import { instancesOf, isLive, judge } from "../../domain/operations/workerHealth.ts"
import { counted } from "../../domain/text/plural.ts"
import { HeartbeatStore } from "../../stores/operations/HeartbeatStore.ts"
import { CommandFailed, CommandLayer, json, print } from "../shared/environment.ts"
import { type WorkerHealth, workerTable } from "../terminal/renderWorkers.ts"

export const workersCommand = Command.make(
  "workers",
  { json },
  Effect.fnUntraced(function* (given) {
    const { workers } = judge(yield* (yield* HeartbeatStore).workers, yield* DateTime.now)
    const stale = staleInstances(workers)
    yield* print(given.json, { stale: stale.map(({ id }) => id), workers }, () => workersText(workers))
    if (workers.length === 0) {
      return yield* new CommandFailed({ message: 'No daemon runs on this database: "node dist/main.js" starts one' })
    }
    if (stale.length > 0) {
      return yield* new CommandFailed({
        message: `Stale: ${stale.map(({ id, names }) => `${id} (${names})`).join(", ")}. ${staleAdvice}`
      })
    }
  }, Effect.provide(CommandLayer))
).pipe(
  Command.withDescription(
    "Show every daemon on this database and its workers; exit 0, or 1 when none runs or one gives no sign of life"
  )
)

/** The meaning of a stale worker, and what to do about it. */
const staleAdvice =
  "Its daemon was killed or hangs, or every tick fails: see its log, and start it anew. " +
  "Whoever is gone is forgotten a day after its last sign of life"

/** Instances with stale workers, each with the names of those workers. */
const staleInstances = (workers: ReadonlyArray<WorkerHealth>) =>
  instancesOf(workers.filter(({ isStale }) => isStale)).flatMap((all) => {
    const [first] = all
    return first === undefined ? [] : [{ id: first.instanceId, names: all.map(({ worker }) => worker).join(", ") }]
  })

const workersText = (workers: ReadonlyArray<WorkerHealth>): ReadonlyArray<string> => {
  if (workers.length === 0) return ["no daemon runs"]
  const instances = instancesOf(workers)
  const live = instances.filter(isLive).length
  const stale = instances.length - live
  return [
    `${counted(live, "daemon")} ${live === 1 ? "runs" : "run"}${stale === 0 ? "" : `, ${stale} ${stale === 1 ? "is" : "are"} stale`}`,
    "",
    ...workerTable(
      instances.flatMap((all) => all.slice(0, 1)),
      ["INSTANCE", "HOST", "PID", "VERSION", "BROKER", "RUNNING SINCE (UTC)"]
    ),
    "",
    ...workerTable(workers, ["INSTANCE", "WORKER", "LAST SUCCESS", "STATUS", "TICKS", "FAILED", "HOLD", "LAST ERROR"])
  ]
}
