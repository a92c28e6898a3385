import type { DateTime } from "effect"
import { reconcileFirst } from "../../doctor/heldOrderCheck.ts"
import { instancesOf } from "../../domain/operations/workerHealth.ts"
import { millisBetween, spanText } from "../../domain/text/durations.ts"
import { shellWord } from "../../domain/text/shellWord.ts"
import type { MovingSlice, OverviewOrder } from "../../stores/operations/TopStore.ts"
import { clockTime } from "../terminal/moments.ts"
import { bar, isFinished, shownState } from "../terminal/renderOrders.ts"
import type { WorkerHealth } from "../terminal/renderWorkers.ts"
import { type Span, span, type Style } from "../terminal/styledLine.ts"
import type { Column } from "../terminal/table.ts"
import type { Snapshot } from "./Snapshot.ts"

export interface Row {
  /** Identifies the row from one snapshot to the next. */
  readonly key: string
  /** One for each column. */
  readonly cells: ReadonlyArray<Span>
  /** The full text of a cell that may be cut; empty for none. */
  readonly detail: string
  /** Commands that apply to the row, as arguments of the command line. */
  readonly commands: ReadonlyArray<string>
}

/** Rows of one kind. The title of the first column is the section's title. */
export interface Section {
  readonly columns: ReadonlyArray<Column>
  readonly rows: ReadonlyArray<Row>
}

/** The sections of `top` in the order of the screen. Empty sections are left out. */
export const sectionsOf = (snapshot: Snapshot, now: DateTime.Utc): ReadonlyArray<Section> => {
  const ofKind = (...kinds: ReadonlyArray<MovingSlice["kind"]>) =>
    snapshot.slices.filter(({ kind }) => kinds.includes(kind))
  return [
    doubtSection(ofKind("doubt", "lost"), now),
    orderSection(snapshot.orders, now),
    dueSection(ofKind("due"), now),
    placedSection(ofKind("placed"), now),
    workerSection(snapshot.workers)
  ].filter(({ rows }) => rows.length > 0)
}

const barCells = 16

/** Orders that were placed twice come first, then those that are not finished. */
const orderSection = (orders: ReadonlyArray<OverviewOrder>, now: DateTime.Utc): Section => ({
  columns: [
    { title: "ORDERS", rank: 1 },
    { title: "STATE", rank: 2 },
    { title: "PLACED", rank: 4, align: "right" },
    { title: "NEXT", rank: 3, align: "right" },
    { title: "FILLED", rank: 5, align: "right" },
    { title: "PROGRESS", rank: 6 },
    { title: "ORDER", rank: 7 },
    { title: "REASON", rank: 8, isElastic: true }
  ],
  rows: orders
    .toSorted((a, b) => rankOf(a) - rankOf(b))
    .map((order) => ({
      key: `order ${order.orderId}`,
      cells: [
        span(`${order.side ?? "?"} ${order.instrument ?? "?"}`),
        span(shownState(order), orderStyle(order)),
        span(`${order.processed}/${order.slices}`),
        nextSpan(order, now),
        span(`${order.filledQuantity}/${order.totalQuantity ?? "?"}`),
        span(bar(barCells, order.totalQuantity ?? 0, order.placedQuantity, order.filledQuantity)),
        span(order.orderId),
        span(orderReason(order))
      ],
      detail: orderReason(order),
      commands: orderCommands(order)
    }))
})

const rankOf = (order: OverviewOrder): number => (order.isDouble ? 0 : isFinished(order) ? 2 : 1)

/** A slice on hold is not shown as late: it is not to be sent. */
const nextSpan = ({ nextDueAt, holdReason }: OverviewOrder, now: DateTime.Utc): Span => {
  if (nextDueAt === null) return span("–")
  return holdReason === null ? dueSpan(nextDueAt, now) : span("held")
}

const orderReason = ({ holdReason, statusReason, isDouble }: OverviewOrder): string =>
  [...(isDouble ? [`placed twice, ${reconcileFirst}`] : []), holdReason, statusReason]
    .filter((reason) => reason !== null)
    .join("; ")

const orderStyle = (order: OverviewOrder): Style | null => {
  const { state } = order
  if (state === "failed" || state === "held") return "red"
  if (["skipped", "partial", "unfilled", "cancelling"].includes(state) || shownState(order) !== state) return "yellow"
  return state === "filled" ? "green" : null
}

const dueSpan = (at: DateTime.Utc, now: DateTime.Utc): Span => span(untilDue(at, now), isLate(millisBetween(now, at)))

/** The time until something is due, or since it was: `in 4.5 s`, `now`, `12 s late`. */
const untilDue = (at: DateTime.Utc, now: DateTime.Utc): string => {
  const millis = millisBetween(now, at)
  if (millis > 0) return `in ${spanText(millis)}`
  return millis > -minLateMillis ? "now" : `${spanText(-millis)} late`
}

/** A slice that is placed on time shows as due until its outcome is written. */
const minLateMillis = 1000

/** A claim is taken shortly before the due time and its outcome written shortly after: two seconds are not late. */
const isLate = (millis: number): Style | null => (millis < -2000 ? "red" : null)

const orderCommands = (order: OverviewOrder): ReadonlyArray<string> => {
  const on = (command: string) => `${command} ${shellWord(order.orderId)}`
  if (order.isDouble) return [on("order show"), on("audit"), on("order resume")]
  if (order.state === "failed" && order.slices === 0) return [on("order retry"), on("audit"), on("order show")]
  if (isFinished(order)) return [on("report"), on("audit"), on("order show")]
  return [
    order.holdReason === null ? `${on("order pause")} --reason TEXT` : on("order resume"),
    on("order cancel"),
    on("order show")
  ]
}

const dueSection = (slices: ReadonlyArray<MovingSlice>, now: DateTime.Utc): Section => ({
  columns: [
    { title: "DUE NEXT", rank: 1, align: "right" },
    { title: "SLICE", rank: 2 },
    { title: "QUANTITY", rank: 3, align: "right" },
    { title: "#", rank: 5, align: "right" },
    { title: "ORDER", rank: 6 },
    { title: "NOTE", rank: 4, isElastic: true }
  ],
  rows: slices.map((slice) => ({
    key: `due ${slice.id}`,
    cells: [dueSpan(slice.notBefore, now), ...nameCells(slice), span(dueNote(slice))],
    detail: dueNote(slice),
    commands: [`slice skip ${shellWord(slice.id)} --reason TEXT`, `order show ${shellWord(slice.orderId)}`]
  }))
})

const nameCells = (slice: MovingSlice): ReadonlyArray<Span> => [
  span(`${slice.side} ${slice.instrument}`),
  span(`${slice.quantity}`),
  span(`${slice.sequenceNumber}`),
  span(slice.orderId)
]

const dueNote = ({ stage, claimedBy, stageReason }: MovingSlice): string =>
  stage === "IN_PROGRESS" ? `claimed by ${claimedBy ?? "?"}` : (stageReason ?? "")

const placedSection = (slices: ReadonlyArray<MovingSlice>, now: DateTime.Utc): Section => ({
  columns: [
    { title: "PLACED LAST", rank: 1, align: "right" },
    { title: "SLICE", rank: 2 },
    { title: "LATENESS", rank: 3, align: "right" },
    { title: "BROKER SAYS", rank: 4 },
    { title: "QUANTITY", rank: 7, align: "right" },
    { title: "FILLED", rank: 5, align: "right" },
    { title: "PRICE", rank: 6, align: "right" },
    { title: "#", rank: 9, align: "right" },
    { title: "AT (UTC)", rank: 8 },
    { title: "REASON", rank: 10, isElastic: true }
  ],
  rows: slices.map((slice) => ({
    key: `placed ${slice.id}`,
    cells: [
      span(slice.placedAt === null ? "–" : `${spanText(millisBetween(slice.placedAt, now))} ago`),
      span(`${slice.side} ${slice.instrument}`),
      span(`${(slice.latenessMillis ?? 0).toFixed(1)} ms`, (slice.latenessMillis ?? 0) > 1000 ? "yellow" : null),
      brokerSays(slice),
      span(`${slice.quantity}`),
      span(`${slice.filledQuantity}`),
      span(slice.averagePrice ?? "–"),
      span(`${slice.sequenceNumber}`),
      span(slice.placedAt === null ? "–" : clockTime(slice.placedAt)),
      span(slice.stageReason ?? "")
    ],
    detail: slice.stageReason ?? "",
    commands: [
      ...(slice.stage === "FAILED"
        ? [`slice retry ${shellWord(`${slice.orderId}/${slice.sequenceNumber}`)} --reason TEXT`]
        : []),
      `order show ${shellWord(slice.orderId)}`,
      `audit ${shellWord(slice.orderId)}`
    ]
  }))
})

const brokerSays = ({ stage, brokerStatus }: MovingSlice): Span =>
  stage === "PROCESSED"
    ? span(brokerStatus ?? "–", brokerStatus === "REJECTED" ? "red" : null)
    : span(stage, stage === "FAILED" ? "red" : "yellow")

const doubtSection = (slices: ReadonlyArray<MovingSlice>, now: DateTime.Utc): Section => ({
  columns: [
    { title: "IN DOUBT", rank: 1 },
    { title: "SLICE", rank: 2 },
    { title: "QUANTITY", rank: 3, align: "right" },
    { title: "#", rank: 5, align: "right" },
    { title: "ORDER", rank: 6 },
    { title: "REASON", rank: 4, isElastic: true }
  ],
  rows: slices.map((slice) => ({
    key: `${slice.kind} ${slice.id}`,
    cells: [
      span(slice.doubtfulSince === null ? "–" : spanText(millisBetween(slice.doubtfulSince, now)), "red"),
      ...nameCells(slice),
      span(doubtNote(slice))
    ],
    detail: doubtNote(slice),
    commands: doubtCommands(slice)
  }))
})

const doubtNote = ({ kind, stageReason, claimedBy }: MovingSlice): string => {
  if (kind === "lost") return "its order was open when the broker's order list ceased to show it"
  return stageReason ?? `its claim is over, and ${claimedBy ?? "its owner"} did not say what became of it`
}

const doubtCommands = ({ kind, id, orderId, brokerOrderId }: MovingSlice): ReadonlyArray<string> => {
  const placed = `slice placed ${shellWord(id)}`
  return [
    ...(kind === "lost"
      ? [`${placed} ${shellWord(brokerOrderId ?? "BROKER_ORDER")} --filled N --price P --reason TEXT`]
      : [`${placed} BROKER_ORDER --reason TEXT`, `slice skip ${shellWord(id)} --reason TEXT`]),
    `order show ${shellWord(orderId)}`
  ]
}

const workerSection = (workers: ReadonlyArray<WorkerHealth>): Section => ({
  columns: [
    { title: "DAEMONS", rank: 1 },
    { title: "HEARTBEAT", rank: 2, align: "right" },
    { title: "STATUS", rank: 3 },
    { title: "VERSION", rank: 4 },
    { title: "HOST", rank: 6 },
    { title: "FAILED TICKS", rank: 5, align: "right" },
    { title: "HOLD", rank: 7, isElastic: true }
  ],
  rows: instancesOf(workers).flatMap(workerRow)
})

const workerRow = (all: ReadonlyArray<WorkerHealth>): ReadonlyArray<Row> => {
  const [first] = all
  if (first === undefined) return []
  const stale = all.filter(({ isStale }) => isStale).map(({ worker }) => worker)
  const holds = [...new Set(all.flatMap(({ hold }) => (hold === null ? [] : [hold])))]
  const status =
    stale.length > 0 ? span(`STALE ${stale.join(" ")}`, "red") : holds.length > 0 ? span("on hold", "red") : span("ok")
  return [
    {
      key: `instance ${first.instanceId}`,
      cells: [
        span(first.instanceId),
        span(spanText(Math.max(...all.map(({ ageMillis }) => ageMillis)))),
        status,
        span(first.version),
        span(first.hostname),
        span(`${all.reduce((sum, { failedTicks }) => sum + failedTicks, 0)}`),
        span(holds.join("; "))
      ],
      detail: [...holds, ...new Set(all.flatMap(({ lastError }) => (lastError === null ? [] : [lastError])))].join(
        "; "
      ),
      commands: ["workers", "doctor"]
    }
  ]
}
