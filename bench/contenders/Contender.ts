import type { Pool } from "pg"

/** A call of the broker or of a peer's job handler. Times are milliseconds since 1970, with fractions. */
export interface Call {
  readonly dueMillis: number
  readonly atMillis: number
}

/** A contender that is at work in this process. */
export interface Working {
  /** All calls so far, in order. */
  readonly calls: () => Promise<ReadonlyArray<Call>>
  /** Lets the broker show all orders as filled from now on, and hint at it; for contenders that follow orders. */
  readonly fill?: () => void
  readonly stop: () => Promise<void>
}

/** The broker's order list when it outlives the worker processes: which of these tags have an order in it. */
export type OrderList = (tags: ReadonlyArray<string>) => Promise<ReadonlyArray<string>>

export interface WorkOptions {
  readonly url: string
  readonly isTuned: boolean
  /**
   * The contender calls this once for each call of the broker or handler. `key` names the piece of work: its due time, or the
   * key of {@link Contender.dues}. `tag` is the placement's, if it has one.
   */
  readonly onCall: (key: number | string, tag?: string) => void
  /** Only where worker processes are killed: then the contender shortens what it waits before it recovers, if it can. */
  readonly orderList?: OrderList
}

/** A system under test: it runs work that is due from a database of its own. */
export interface Contender {
  /** Whether its lateness is measured, too. */
  readonly hasDueTimes: boolean
  /** False if its defaults handle less than one piece of work a second, or are measured elsewhere. */
  readonly isMeasuredAtDefaults: boolean
  /** Creates its tables. */
  readonly prepare: (url: string) => Promise<void>
  /** Enqueues work that is due at these times, in milliseconds since 1970, as a producer does. */
  readonly enqueue: (pool: Pool, dueMillis: ReadonlyArray<number>) => Promise<void>
  /** The same work, ready to be claimed, if `enqueue` leaves something to do before that; in orders of so many slices. */
  readonly put?: (pool: Pool, dueMillis: ReadonlyArray<number>, slicesPerOrder: number) => Promise<void>
  /** For a contender whose workers can be held until they are up: `ready` waits for that, `go` lets the work begin. */
  readonly release?: {
    readonly hold: (pool: Pool) => Promise<void>
    readonly ready: (pool: Pool, workers: number) => Promise<void>
    readonly go: (pool: Pool) => Promise<void>
  }
  /** Whether the database shows all work as done. */
  readonly isDone: (pool: Pool) => Promise<boolean>
  /** The due times of keys that `onCall` was called with, where a key is no due time. */
  readonly dues?: (url: string, keys: ReadonlyArray<string>) => Promise<ReadonlyMap<string, number>>
  /** Starts to work; called in a worker process. */
  readonly work: (options: WorkOptions) => Promise<Working>
}

/** The current time in milliseconds since 1970, with fractions. */
export const wallClockMillis = (): number => performance.timeOrigin + performance.now()

/** Records calls for contenders whose handlers know their due time. */
export const recorder = (onCall: WorkOptions["onCall"]) => {
  const calls: Array<Call> = []
  return {
    record: (dueMillis: number): void => {
      calls.push({ dueMillis, atMillis: wallClockMillis() })
      onCall(dueMillis)
    },
    calls: () => Promise.resolve(calls)
  }
}

export const chunksOf = function* <A>(all: ReadonlyArray<A>, size: number): Iterable<ReadonlyArray<A>> {
  for (let from = 0; from < all.length; from += size) yield all.slice(from, from + size)
}
