import { DateTime } from "effect"

/** What tells whether a worker is alive. */
export interface SignOfLife {
  readonly instanceId: string
  /** When its last tick succeeded. */
  readonly heartbeatAt: DateTime.Utc
  readonly staleAfterMillis: number
}

export type Judged<Worker extends SignOfLife> = Worker & { readonly ageMillis: number; readonly isStale: boolean }

/** An instance is healthy when all of its three workers gave a sign of life in time; a set of them, when one instance is. */
export const judge = <Worker extends SignOfLife>(rows: ReadonlyArray<Worker>, now: DateTime.Utc) => {
  const workers = rows.map((row): Judged<Worker> => {
    const ageMillis = DateTime.toEpochMillis(now) - DateTime.toEpochMillis(row.heartbeatAt)
    return { ...row, ageMillis, isStale: ageMillis > row.staleAfterMillis }
  })
  const healthy = instancesOf(workers).some((all) => all.length === 3 && isLive(all))
  return { healthy, workers }
}

/** Whether all workers of an instance gave a sign of life in time. */
export const isLive = (instance: ReadonlyArray<{ readonly isStale: boolean }>): boolean =>
  instance.every(({ isStale }) => !isStale)

/** The workers of each instance, instances in the order of their first worker. */
export const instancesOf = <Worker extends SignOfLife>(
  workers: ReadonlyArray<Worker>
): ReadonlyArray<ReadonlyArray<Worker>> => [...Map.groupBy(workers, (worker) => worker.instanceId).values()]
