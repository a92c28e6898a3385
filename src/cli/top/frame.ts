import { DateTime } from "effect"
import { haltedWords } from "../../domain/model/GateClosure.ts"
import { millisBetween, spanText } from "../../domain/text/durations.ts"
import { maxCounted } from "../../stores/operations/TopStore.ts"
import { clockTime } from "../terminal/moments.ts"
import { closuresOf } from "../terminal/renderWorkers.ts"
import { cutLine, type Line, type Span, span, type Style } from "../terminal/styledLine.ts"
import { fitColumns, rowLine } from "../terminal/table.ts"
import { shownCell, wrap } from "../terminal/text.ts"
import { type Row, type Section, sectionsOf } from "./sections.ts"
import type { Limits, Snapshot } from "./Snapshot.ts"

/** A snapshot and the state of the screen that shows it. */
export interface View {
  readonly snapshot: Snapshot
  /** Why the last refresh failed; null when it succeeded. */
  readonly failure: string | null
  /** A snapshot older than this, in milliseconds, means that the database does not answer. */
  readonly oldAfterMillis: number
  /** The key of the selected row, whose commands are shown; null for none. */
  readonly selected: string | null
}

/** The size of a screen in cells. */
export interface Size {
  readonly columns: number
  /** Null for as many rows as there are lines, as in `top --once`. */
  readonly rows: number | null
}

/**
 * The whole screen of `top` as lines, computed from a snapshot, a size and the time: no I/O happens here. A frame has
 * as many lines as the screen has rows, none wider than its columns, and no text that a terminal would obey. From top
 * to bottom: the state in a word, counts and limits, alarms, the sections of sections.ts, and the commands for the
 * selected row. Where room is short, alarms and the first sections win. Called by live.ts for the screen and by
 * topCommand for `--once`.
 */
export const frame = (view: View, size: Size, now: DateTime.Utc): ReadonlyArray<Line> => {
  const sections = sectionsOf(view.snapshot, now)
  const rows = size.rows ?? Infinity
  const top = [stateLine(view, now), ...countLines(view.snapshot, rows), ...alarmLines(view, size, now)]
  const bottom = size.rows === null ? [] : bottomLines(view, sections, size.columns, rows)
  const kept = top.slice(0, Math.max(1, rows - bottom.length - 2))
  const body = bodyLines(view, sections, size.columns, rows - kept.length - bottom.length)
  const padding = size.rows === null ? 0 : Math.max(0, rows - kept.length - body.length - bottom.length)
  return [...kept, ...body, ...Array.from({ length: padding }, () => []), ...bottom]
    .slice(0, Math.max(1, rows))
    .map((line) => cutLine(line, size.columns))
}

/** The rows that can be selected, from the top of the screen to its bottom. */
export const rowKeys = (snapshot: Snapshot, now: DateTime.Utc): ReadonlyArray<string> =>
  sectionsOf(snapshot, now).flatMap(({ rows }) => rows.map(({ key }) => key))

const isOld = ({ snapshot, failure, oldAfterMillis }: View, now: DateTime.Utc): boolean =>
  failure !== null || millisBetween(snapshot.at, now) > oldAfterMillis

const stateLine = (view: View, now: DateTime.Utc): Line => [
  span("pulse-background ", "bold"),
  stateOf(view, now),
  span(`  ${clockTime(now).slice(0, 8)} UTC  ${DateTime.formatIsoDateUtc(now)}  ${view.snapshot.broker}`)
]

/** Whether slices are being placed, in one word, or the first thing that keeps them from it. */
const stateOf = (view: View, now: DateTime.Utc): Span => {
  const { workers, halt } = view.snapshot
  const live = workers.filter(({ worker, isStale }) => worker === "executor" && !isStale)
  if (isOld(view, now)) return span("NO DATABASE", "red")
  if (halt !== null) return span("HALTED", "red")
  if (live.length === 0) return span("NO DAEMON", "red")
  return live.every(({ hold }) => hold !== null) ? span("ON HOLD", "red") : span("placing", "green")
}

const countLines = ({ counts, limits }: Snapshot, rows: number): ReadonlyArray<Line> => {
  const count = (number: number, what: string, alarm: Style | null = null): Span =>
    span(`  ${number}${number >= maxCounted ? "+" : ""} ${what}`, number > 0 ? alarm : null)
  const slices = [
    span("slices"),
    count(counts.scheduled, "scheduled"),
    count(counts.overdue, "overdue", "red"),
    count(counts.inDoubt, "in doubt", "red"),
    count(counts.claimed, "claimed"),
    count(counts.open, "open at the broker")
  ]
  return rows < 14 ? [slices] : [slices, [span(`today   ${limitTexts(limits).join("  ")}`)]]
}

const ofLimit = (used: number | string, limit: number | string | null): string =>
  limit === null ? `${used}` : `${used} of ${limit}`

const limitTexts = ({ orders, ordersPerDay, value, valuePerDay, requests }: Limits): ReadonlyArray<string> => [
  `orders ${ofLimit(orders, ordersPerDay)}`,
  // The value is shown only with a limit: without one, MARKET orders may have no price, and the sum is too low.
  ...(valuePerDay === null ? [] : [`value ${ofLimit(value, valuePerDay)}`]),
  ...(requests === null
    ? ["requests: no limit of the account"]
    : [
        `requests ${ofLimit(requests.today, requests.perDay)}`,
        `last minute ${ofLimit(requests.lastMinute, requests.perMinute)}`,
        `last second ${ofLimit(requests.lastSecond, requests.perSecond)}`
      ])
]

/** The reasons why slices are not placed, the most urgent first. A small screen shows the first alarm on one line. */
const alarmLines = (view: View, size: Size, now: DateTime.Utc): ReadonlyArray<Line> => {
  const { halt, limits, workers, at } = view.snapshot
  const stale = workers.filter(({ isStale }) => isStale)
  const alarms = [
    ...(isOld(view, now)
      ? [`The database has not answered for ${spanText(millisBetween(at, now))}, trying again. ${view.failure ?? ""}`]
      : []),
    ...(halt === null
      ? []
      : [
          `Halted ${spanText(millisBetween(halt.requestedAt, now))} ago by ${halt.requestedBy}: ${halt.reason} ("resume" ends it)`
        ]),
    ...(workers.length === stale.length ? ['No daemon runs: "node dist/main.js" starts one'] : []),
    ...closuresOf(workers).filter((hold) => halt === null || !hold.includes(haltedWords(halt))),
    ...until("The broker asked for a pause", limits.requests?.blockedUntil ?? null),
    ...until("The account's requests of the day are used up", limits.requests?.cappedUntil ?? null)
  ]
  const isSmall = size.rows !== null && size.rows < 20
  const lines = isSmall
    ? alarms.slice(0, 1)
    : alarms.flatMap((alarm) => wrap(shownCell(alarm), size.columns).slice(0, 3))
  return lines.map((line) => [span(line, "red")])
}

const until = (what: string, end: DateTime.Utc | null): ReadonlyArray<string> =>
  end === null ? [] : [`${what}, until ${clockTime(end).slice(0, 8)} UTC`]

/** The title of each section and as many rows as fit: those around the selected row, or the first ones. */
const bodyLines = (
  { selected }: View,
  sections: ReadonlyArray<Section>,
  columns: number,
  room: number
): ReadonlyArray<Line> => {
  const shares = allot(
    sections.map(({ rows }) => rows.length + 1),
    room
  )
  return sections.flatMap((section, index) => {
    const count = Math.max(0, (shares[index] ?? 0) - 1)
    if (count === 0) return []
    const hidden = section.rows.length - count
    const titled =
      hidden <= 0 ? section : titledWith(section, `${count}${columns < 80 ? "/" : " of "}${section.rows.length}`)
    const fitted = fitColumns(
      titled.columns,
      section.rows.map(({ cells }) => cells),
      columns - gutter
    )
    const titles = titled.columns.map(({ title }) => span(title, "bold"))
    return [
      [span(" ".repeat(gutter)), ...rowLine(fitted, titles)],
      ...windowAround(section.rows, selected, count).map(({ key, cells }) =>
        marked(rowLine(fitted, cells), key === selected)
      )
    ]
  })
}

const gutter = 2

const marked = (line: Line, isSelected: boolean): Line =>
  isSelected
    ? [span("> ", "reverse"), ...line.map(({ text }) => span(text, "reverse"))]
    : [span(" ".repeat(gutter)), ...line]

const titledWith = (section: Section, addition: string): Section => ({
  ...section,
  columns: section.columns.map((column, index) =>
    index === 0 ? { ...column, title: `${column.title} ${addition}` } : column
  )
})

/**
 * Divides `room` lines among sections that want so many each. Every section gets its title and one row, in order, as
 * long as there is room; the rest is given out one line at a time, in turn.
 */
export const allot = (wanted: ReadonlyArray<number>, room: number): ReadonlyArray<number> => {
  if (wanted.reduce((sum, want) => sum + want, 0) <= room) return wanted
  let left = room
  const shares = wanted.map((want): number => {
    const share = want >= 2 && left >= 2 ? 2 : 0
    left -= share
    return share
  })
  for (let given = true; left > 0 && given;) {
    given = false
    for (const [index, want] of wanted.entries()) {
      const share = shares[index] ?? 0
      if (left <= 0 || share === 0 || share >= want) continue
      shares[index] = share + 1
      left -= 1
      given = true
    }
  }
  return shares
}

const windowAround = (rows: ReadonlyArray<Row>, selected: string | null, count: number): ReadonlyArray<Row> => {
  const index = rows.findIndex(({ key }) => key === selected)
  const start = Math.max(0, Math.min(index - count + 1, rows.length - count))
  return rows.slice(start, start + count)
}

/** The selected row's detail and commands, or commands for the whole service, and the keys. */
const bottomLines = (
  { selected, snapshot }: View,
  sections: ReadonlyArray<Section>,
  columns: number,
  rows: number
): ReadonlyArray<Line> => {
  const row = sections.flatMap((section) => section.rows).find(({ key }) => key === selected)
  const commands = row?.commands ?? [
    snapshot.halt === null ? "halt --reason TEXT" : "resume",
    "doctor",
    "order submit --help"
  ]
  const prefix = columns >= 80 ? "$ node dist/main.js " : "$ "
  const lines = commands.flatMap((command) => wrap(shownCell(prefix + command), columns))
  const detail = row === undefined || rows < 20 ? [] : wrap(shownCell(row.detail), columns)
  const room = rows >= 20 ? 3 : rows >= 8 ? 2 : 0
  return [
    ...detail.slice(0, 2).map((line): Line => [span(line)]),
    ...lines.slice(0, room).map((line): Line => [span(line, "yellow")]),
    [
      span(
        row === undefined ? "up/down: what to do about a row  q: quit" : "up/down: another row  esc: none  q: quit",
        "dim"
      )
    ]
  ]
}
