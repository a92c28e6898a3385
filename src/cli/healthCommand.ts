import { DateTime, Effect } from "effect"
import { Command } from "effect/cli"
import { hostname } from "node:os"
import { HeartbeatStore, type WorkerRow } from "../stores/HeartbeatStore.ts"
import { CommandFailed, CommandLayer, json, print } from "./environment.ts"
import { table } from "./render.ts"

interface WorkerHealth extends WorkerRow {
  readonly ageMillis: number
  readonly isStale: boolean
}

/** An instance is healthy when all of its workers gave a sign of life in time; a host, when one instance is. */
export const judge = (rows: ReadonlyArray<WorkerRow>, now: DateTime.Utc) => {
  const workers = rows.map((row): WorkerHealth => {
    const ageMillis = DateTime.toEpochMillis(now) - DateTime.toEpochMillis(row.heartbeatAt)
    return { ...row, ageMillis, isStale: ageMillis > row.staleAfterMillis }
  })
  const instances = [...Map.groupBy(workers, (worker) => worker.instanceId).values()]
  return { healthy: instances.some((all) => all.length === 3 && all.every((worker) => !worker.isStale)), workers }
}

export const healthCommand = Command.make(
  "health",
  { json },
  Effect.fn("health")(function* (given) {
    const rows = yield* (yield* HeartbeatStore).workersOn(hostname())
    const health = judge(rows, yield* DateTime.now)
    yield* print(given.json, health, ({ healthy, workers }) =>
      [
        healthy ? "healthy" : workers.length === 0 ? `no daemon runs on ${hostname()}` : "NOT healthy",
        ...holdsOf(workers),
        ...(workers.length === 0 ? [] : [workerTable(workers)])
      ].join("\n")
    )
    if (!health.healthy) return yield* new CommandFailed({ message: "The service on this host is not healthy" })
  }, Effect.provide(CommandLayer))
).pipe(Command.withDescription("Say whether this host's daemon works; exit 0 if it does, 1 if not"))

/** Each reason once, whoever it keeps from placing. A service on hold is healthy: starting it anew would change nothing. */
const holdsOf = (workers: ReadonlyArray<WorkerHealth>): ReadonlyArray<string> => [
  ...new Set(
    workers.flatMap(({ worker, hold, isStale }) =>
      hold === null || isStale ? [] : [worker === "executor" ? `Placements are on hold: ${hold}` : `Note: ${hold}`]
    )
  )
]

const workerTable = (workers: ReadonlyArray<WorkerHealth>): string =>
  table(
    ["INSTANCE", "WORKER", "VERSION", "LAST SUCCESS", "STATUS", "TICKS", "FAILED", "LAST ERROR"],
    workers.map((worker) => [
      worker.instanceId,
      worker.worker,
      worker.version,
      `${(worker.ageMillis / 1000).toFixed(1)} s ago`,
      worker.isStale ? "STALE" : "ok",
      `${worker.ticks}`,
      `${worker.failedTicks}`,
      worker.lastError ?? ""
    ])
  )
