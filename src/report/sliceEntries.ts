import { DateTime } from "effect"
import type { OrderRecord, RecordedCall, RecordedSlice } from "../domain/lifecycle/OrderRecord.ts"
import { millisBetween } from "../domain/text/durations.ts"
import { type AuditEntry, entry } from "./AuditEntry.ts"
import { answerText, fillText, saidBy } from "./auditWords.ts"
import { slicesText } from "./words.ts"

/** Entries for an order's slices: every broker call, and what became of each slice. */
export const sliceEntries = ({ slices, calls }: OrderRecord): ReadonlyArray<AuditEntry> => {
  const bySlice = new Map(slices.map((slice) => [slice.id, slice]))
  const callsOf = Map.groupBy(calls, ({ sliceId }) => sliceId)
  return [
    ...calls.map((call) => callEntry(call, bySlice.get(call.sliceId ?? ""))),
    ...slices.flatMap((slice) => storyOf(slice, callsOf.get(slice.id) ?? [])),
    ...stageEntries(slices, callsOf)
  ]
}

const callEntry = (call: RecordedCall, slice: RecordedSlice | undefined): AuditEntry => {
  const which = slice === undefined ? "an unknown slice" : `slice ${slice.sequenceNumber}`
  const about = { slices: slice === undefined ? [] : [slice.sequenceNumber] }
  if (call.call === "cancel") {
    return entry(
      call.calledAt,
      "call",
      `cancel of ${which}'s order ${call.brokerOrderId ?? "?"} sent: ${answerText(call)}`,
      about
    )
  }
  const lateMillis = slice === undefined ? null : millisBetween(slice.scheduledAt, call.calledAt)
  const details = [
    ...(slice === undefined ? [] : [`${slice.quantity}`]),
    `attempt ${call.attempt ?? "?"}`,
    ...(lateMillis === null ? [] : [`${lateMillis} ms after it was due`])
  ]
  return entry(call.calledAt, "call", `${which} sent (${details.join(", ")}): ${answerText(call)}`, about)
}

/** Entries for a slice that follow from its row and not from a broker call. */
const storyOf = (slice: RecordedSlice, calls: ReadonlyArray<RecordedCall>): ReadonlyArray<AuditEntry> => {
  const { sequenceNumber, stage, acknowledgedAt, brokerOrderId, inDoubtAt, leftBookAt, updatedAt } = slice
  const about = { slices: [sequenceNumber] }
  const name = `slice ${sequenceNumber}`
  const entries: Array<AuditEntry> = []
  const isAcknowledged = calls.some(
    (call) => call.call === "place" && call.outcome === "ok" && call.brokerOrderId === brokerOrderId
  )
  if (inDoubtAt !== null && slice.outcomeUnknownAt === null) {
    entries.push(entry(inDoubtAt, "slice", `until then nobody knew whether ${name} was placed`, about))
  }
  if (stage === "IN_PROGRESS") entries.push(claimedEntry(slice))
  if (stage !== "PROCESSED") return entries
  if (acknowledgedAt !== null && !isAcknowledged) {
    entries.push(entry(acknowledgedAt, "slice", `${name} found to be the broker's ${brokerOrderId ?? "?"}`, about))
  }
  if (leftBookAt !== null) {
    const text = `the broker's order list no longer shows ${name}'s order ${brokerOrderId ?? "?"}, which was not over`
    entries.push(entry(leftBookAt, "alarm", text, about))
  }
  if (slice.brokerStatus !== null) {
    const text = `${name} at the broker: ${fillText(slice)}${slice.stageReason === null ? "" : ` (${slice.stageReason})`}`
    entries.push(entry(updatedAt, "book", text, { ...about, isExact: false }))
  }
  return entries
}

const claimedEntry = ({ sequenceNumber, isInDoubt, outcomeUnknownAt, updatedAt }: RecordedSlice): AuditEntry => {
  const name = `slice ${sequenceNumber}`
  const text = !isInDoubt
    ? `${name} is claimed, and about to be sent`
    : outcomeUnknownAt === null
      ? `${name} was claimed, and its daemon never said what became of it: nobody knows whether it was placed`
      : `since then nobody knows whether ${name} was placed`
  return entry(outcomeUnknownAt ?? updatedAt, isInDoubt ? "alarm" : "slice", text, { slices: [sequenceNumber] })
}

/** Entries for slices that were not placed; slices with the same time and reason share one. */
const stageEntries = (
  slices: ReadonlyArray<RecordedSlice>,
  callsOf: ReadonlyMap<string | null, ReadonlyArray<RecordedCall>>
): ReadonlyArray<AuditEntry> => {
  const ended = slices.filter(
    ({ stage, stageReason, replacedBy }) =>
      replacedBy === null &&
      (stage === "FAILED" || stage === "SKIPPED" || (stage === "SCHEDULED" && stageReason !== null))
  )
  const keyOf = ({ stage, stageReason, updatedAt, carriedQuantity, isWaived }: RecordedSlice) =>
    JSON.stringify([stage, stageReason, DateTime.toEpochMillis(updatedAt), carriedQuantity > 0, isWaived])
  return [...Map.groupBy(ended, keyOf).values()].flatMap((group) => {
    const [slice] = group
    if (slice === undefined) return []
    const numbers = group.map(({ sequenceNumber }) => sequenceNumber)
    const last = callsOf.get(slice.id)?.findLast(({ call }) => call === "place")
    const isSaid = slice.stageReason === null || (last !== undefined && saidBy(last) === slice.stageReason)
    const text = [
      `${slicesText(numbers)} ${numbers.length === 1 ? "is" : "are"} ${slice.stage}${slice.stage === "SCHEDULED" ? " again" : ""}`,
      ...(isSaid ? [] : [`: ${slice.stageReason ?? ""}`]),
      ...(slice.carriedQuantity > 0 ? ["; carried into later slices"] : []),
      ...(slice.isWaived ? ["; a person gave it up"] : [])
    ]
    return [entry(slice.updatedAt, "slice", text.join(""), { slices: numbers, isExact: false })]
  })
}
