import { DateTime } from "effect"

/** A heartbeat of one worker. */
export interface SignOfLife {
  readonly instanceId: string
  /** When its last tick succeeded. */
  readonly heartbeatAt: DateTime.Utc
  readonly staleAfterMillis: number
}

export type Judged<Worker extends SignOfLife> = Worker & { readonly ageMillis: number; readonly isStale: boolean }

/** Judges heartbeats: the service is healthy if one instance has fresh heartbeats of all three workers. */
export const judge = <Worker extends SignOfLife>(rows: ReadonlyArray<Worker>, now: DateTime.Utc) => {
  const workers = rows.map((row): Judged<Worker> => {
    const ageMillis = DateTime.toEpochMillis(now) - DateTime.toEpochMillis(row.heartbeatAt)
    return { ...row, ageMillis, isStale: ageMillis > row.staleAfterMillis }
  })
  const healthy = instancesOf(workers).some((all) => all.length === 3 && isLive(all))
  return { healthy, workers }
}

/** Whether all heartbeats of an instance are fresh. */
export const isLive = (instance: ReadonlyArray<{ readonly isStale: boolean }>): boolean =>
  instance.every(({ isStale }) => !isStale)

/** The workers by instance, instances in the order of their first worker. */
export const instancesOf = <Worker extends SignOfLife>(
  workers: ReadonlyArray<Worker>
): ReadonlyArray<ReadonlyArray<Worker>> => [...Map.groupBy(workers, (worker) => worker.instanceId).values()]
