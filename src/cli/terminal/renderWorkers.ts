import type { Judged } from "../../domain/operations/workerHealth.ts"
import type { WorkerRow } from "../../stores/operations/HeartbeatStore.ts"
import { timeText } from "./moments.ts"
import { table } from "./table.ts"

export type WorkerHealth = Judged<WorkerRow>

const columns = {
  INSTANCE: ({ instanceId }: WorkerHealth) => instanceId,
  HOST: ({ hostname }: WorkerHealth) => hostname,
  PID: ({ pid }: WorkerHealth) => `${pid}`,
  BROKER: ({ broker }: WorkerHealth) => broker,
  "RUNNING SINCE (UTC)": ({ startedAt }: WorkerHealth) => timeText(startedAt),
  WORKER: ({ worker }: WorkerHealth) => worker,
  VERSION: ({ version }: WorkerHealth) => version,
  "LAST SUCCESS": ({ ageMillis }: WorkerHealth) => `${(ageMillis / 1000).toFixed(1)} s ago`,
  STATUS: ({ isStale }: WorkerHealth) => (isStale ? "STALE" : "ok"),
  TICKS: ({ ticks }: WorkerHealth) => `${ticks}`,
  FAILED: ({ failedTicks }: WorkerHealth) => `${failedTicks}`,
  HOLD: ({ hold }: WorkerHealth) => hold ?? "",
  "LAST ERROR": ({ lastError }: WorkerHealth) => lastError ?? ""
}

/** A table of workers with the named columns. */
export const workerTable = (
  workers: ReadonlyArray<WorkerHealth>,
  names: ReadonlyArray<keyof typeof columns>
): ReadonlyArray<string> =>
  table(
    names,
    workers.map((worker) => names.map((name) => columns[name](worker)))
  )

/**
 * Each reason that keeps a live worker from its work, once. Such a worker is healthy: a restart would change nothing.
 */
export const closuresOf = (workers: ReadonlyArray<WorkerHealth>): ReadonlyArray<string> => [
  ...new Set(
    workers.flatMap(({ worker, hold, isStale }) =>
      hold === null || isStale ? [] : [worker === "executor" ? `Placements are on hold: ${hold}` : `Note: ${hold}`]
    )
  )
]
