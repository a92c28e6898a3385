/** One log line's parts, the same for every format. */
export interface LogEntry {
  readonly date: Date
  /** debug, info, warn, error or fatal. */
  readonly level: string
  readonly message: string
  readonly fields: Readonly<Record<string, unknown>>
}

interface Burst {
  readonly first: LogEntry
  /** Of the burst, or of what was last said of it. */
  sinceMillis: number
  folded: number
  last: LogEntry
  /** What the folded lines were about, as far as it is remembered. */
  readonly orderIds: Set<string>
  readonly sliceIds: Set<string>
}

const windowMillis = 60_000
/** However many kinds of errors there are, folding takes no more memory than this many. */
const maxBursts = 1000
/** And no more than this many ids of each. */
const maxIds = 100

/**
 * Folds bursts of one warning or error into its first line and then, once a minute, a line that says how many more there were.
 * Alike are lines of one level, worker and message, but for the words with digits in them: ids, numbers and times. What is
 * neither a warning nor an error always passes.
 */
export class LogFolding {
  private readonly bursts = new Map<string, Burst>()

  /** Whether a line is to be shown; it is counted if not. Times in milliseconds, of one clock that never goes back. */
  admits(entry: LogEntry, nowMillis: () => number): boolean {
    if (entry.level !== "warn" && entry.level !== "error") return true
    const key = `${entry.level} ${String(entry.fields["worker"])} ${entry.message.replaceAll(/\S*\d\S*/g, "#")}`
    const burst = this.bursts.get(key)
    if (burst !== undefined) {
      burst.folded += 1
      burst.last = entry
      remember(burst.orderIds, entry.fields["order_id"])
      remember(burst.sliceIds, entry.fields["slice_id"])
      return false
    }
    if (this.bursts.size < maxBursts) {
      const ids = { orderIds: new Set<string>(), sliceIds: new Set<string>() }
      this.bursts.set(key, { first: entry, sinceMillis: nowMillis(), folded: 0, last: entry, ...ids })
    }
    return true
  }

  /** What is to be said by now of what was folded. A burst goes on as long as something of it was. */
  due(nowMillis: number): ReadonlyArray<LogEntry> {
    return this.take(nowMillis, windowMillis)
  }

  /** What is to be said before everything ends. */
  rest(nowMillis: number): ReadonlyArray<LogEntry> {
    return this.take(nowMillis, 0)
  }

  private take(nowMillis: number, fromMillis: number): ReadonlyArray<LogEntry> {
    const entries: Array<LogEntry> = []
    for (const [key, burst] of this.bursts) {
      const passedMillis = nowMillis - burst.sinceMillis
      if (passedMillis < fromMillis) continue
      if (burst.folded === 0) {
        this.bursts.delete(key)
        continue
      }
      // One line is as short as what would be said of it, and says more.
      entries.push(burst.folded === 1 ? burst.last : foldedEntry(burst, passedMillis))
      burst.sinceMillis = nowMillis
      burst.folded = 0
      burst.orderIds.clear()
      burst.sliceIds.clear()
    }
    return entries
  }
}

const remember = (ids: Set<string>, id: unknown): void => {
  if (typeof id === "string" && ids.size < maxIds) ids.add(id)
}

const foldedEntry = ({ first, folded, last, orderIds, sliceIds }: Burst, passedMillis: number): LogEntry => ({
  date: last.date,
  level: last.level,
  message: `… and ${folded} more like it in the last ${Math.round(passedMillis / 1000)} s: ${first.message}`,
  fields: {
    ...("worker" in last.fields ? { worker: last.fields["worker"] } : {}),
    folded,
    ...(orderIds.size === 0 ? {} : { order_ids: [...orderIds] }),
    ...(sliceIds.size === 0 ? {} : { slice_ids: [...sliceIds] })
  }
})
