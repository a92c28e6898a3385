import type { Pool } from "pg"

/** One call of the broker, or of a peer's handler: when it was due and when it came, in milliseconds since 1970. */
export interface Call {
  readonly dueMillis: number
  readonly atMillis: number
}

/** A running worker process's end of a contender. */
export interface Working {
  /** Every call so far, in the order in which they came. */
  readonly calls: () => Promise<ReadonlyArray<Call>>
  readonly stop: () => Promise<void>
}

export interface WorkOptions {
  readonly url: string
  readonly isTuned: boolean
  /** To be called once for each call of the broker or handler. */
  readonly onCall: () => void
}

/** Something that does work when it is due, out of a database of its own. */
export interface Contender {
  readonly name: string
  readonly hasDueTimes: boolean
  /** false: at its defaults it does less than a piece of work a second. */
  readonly isMeasuredAtDefaults: boolean
  /** Makes its tables. */
  readonly prepare: (url: string) => Promise<void>
  /** Work that is due at these moments, in milliseconds since 1970. */
  readonly enqueue: (pool: Pool, dueMillis: ReadonlyArray<number>) => Promise<void>
  /** For one whose workers have to prepare overdue work first: that ends, and from then on it is done. */
  readonly release?: { readonly prepared: (pool: Pool) => Promise<void>; readonly go: (pool: Pool) => Promise<void> }
  /** Whether everything is done, by the database. */
  readonly isDone: (pool: Pool) => Promise<boolean>
  /** Runs in a process of its own. */
  readonly work: (options: WorkOptions) => Promise<Working>
}

/** Now, in milliseconds since 1970, with fractions. */
export const wallClockMillis = (): number => performance.timeOrigin + performance.now()

/** For handlers that know when they were due. */
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
