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
  readonly stop: () => Promise<void>
}

export interface WorkOptions {
  readonly url: string
  readonly isTuned: boolean
  /** The contender calls this once for each call of the broker or handler. */
  readonly onCall: () => void
}

/** A system under test: it runs work that is due from a database of its own. */
export interface Contender {
  readonly name: string
  readonly hasDueTimes: boolean
  /** False if its defaults handle less than one piece of work a second. */
  readonly isMeasuredAtDefaults: boolean
  /** Creates its tables. */
  readonly prepare: (url: string) => Promise<void>
  /** Enqueues work that is due at these times, in milliseconds since 1970. */
  readonly enqueue: (pool: Pool, dueMillis: ReadonlyArray<number>) => Promise<void>
  /** For a contender whose workers prepare overdue work first: `prepared` waits for that, `go` lets the work begin. */
  readonly release?: { readonly prepared: (pool: Pool) => Promise<void>; readonly go: (pool: Pool) => Promise<void> }
  /** Whether the database shows all work as done. */
  readonly isDone: (pool: Pool) => Promise<boolean>
  /** Starts to work; called in a worker process. */
  readonly work: (options: WorkOptions) => Promise<Working>
}

/** The current time in milliseconds since 1970, with fractions. */
export const wallClockMillis = (): number => performance.timeOrigin + performance.now()

/** Records calls for contenders whose handlers know their due time. */
export const recorder = (onCall: () => void) => {
  const calls: Array<Call> = []
  return {
    record: (dueMillis: number): void => {
      calls.push({ dueMillis, atMillis: wallClockMillis() })
      onCall()
    },
    calls: () => Promise.resolve(calls)
  }
}

export const chunksOf = function* <A>(all: ReadonlyArray<A>, size: number): Iterable<ReadonlyArray<A>> {
  for (let from = 0; from < all.length; from += size) yield all.slice(from, from + size)
}
