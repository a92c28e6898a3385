/** The parts of a log line, the same for every format. */
export interface LogEntry {
  readonly date: Date
  /** debug, info, warn, error or fatal. */
  readonly level: string
  readonly message: string
  readonly fields: Readonly<Record<string, unknown>>
}

interface Burst {
  readonly first: LogEntry
  /** Start of the burst, or the time of its last summary. */
  sinceMillis: number
  folded: number
  last: LogEntry
  /** The ids in the folded lines, up to {@link maxIds} of each. */
  readonly orderIds: Set<string>
  readonly sliceIds: Set<string>
}

const windowMillis = 60_000
/** Limits the memory that folding takes, however many kinds of errors there are. */
const maxBursts = 1000
/** The ids kept of each burst. */
const maxIds = 100

/**
 * Folds bursts of a warning or error into its first line and a line each minute that counts the others. Lines belong to the same
 * burst when level, worker, reason code and message are equal apart from words with digits, such as ids, numbers and times.
 * Lines of other levels always pass.
 */
export class LogFolding {
  private readonly bursts = new Map<string, Burst>()

  /** Whether a line is shown; otherwise it is counted. Times in milliseconds of a monotonic clock. */
  admits(entry: LogEntry, nowMillis: () => number): boolean {
    if (entry.level !== "warn" && entry.level !== "error") return true
    const { worker, reason_code } = entry.fields
    const key = `${entry.level} ${String(worker)} ${String(reason_code)} ${withoutNumbers(entry.message)}`
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

  /** The summaries due by now. A burst ends when a whole minute brought no line. */
  due(nowMillis: number): ReadonlyArray<LogEntry> {
    return this.take(nowMillis, windowMillis)
  }

  /** The remaining summaries, before the process ends. */
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
      // A single folded line is shown itself: it is as short as its summary, and says more.
      entries.push(burst.folded === 1 ? burst.last : foldedEntry(burst, passedMillis))
      burst.sinceMillis = nowMillis
      burst.folded = 0
      burst.orderIds.clear()
      burst.sliceIds.clear()
    }
    return entries
  }
}

/** The message with a mark for each word with a digit. The time that it takes grows with the length, not with its square. */
const withoutNumbers = (message: string): string => message.replaceAll(/\S+/g, (word) => (/\d/.test(word) ? "#" : word))

const remember = (ids: Set<string>, id: unknown): void => {
  if (typeof id === "string" && ids.size < maxIds) ids.add(id)
}

/** The fields that all lines of a burst have in common. */
const shared = ["worker", "reason_code"]

const foldedEntry = ({ first, folded, last, orderIds, sliceIds }: Burst, passedMillis: number): LogEntry => ({
  date: last.date,
  level: last.level,
  message: `… and ${folded} more like it in the last ${Math.round(passedMillis / 1000)} s: ${first.message}`,
  fields: {
    ...Object.fromEntries(shared.flatMap((name) => (name in last.fields ? [[name, last.fields[name]]] : []))),
    folded,
    ...(orderIds.size === 0 ? {} : { order_ids: [...orderIds] }),
    ...(sliceIds.size === 0 ? {} : { slice_ids: [...sliceIds] })
  }
})
