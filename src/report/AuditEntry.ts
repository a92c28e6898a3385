import type { DateTime } from "effect"
import { oneLine } from "../domain/text/oneLine.ts"

/** One thing that happened to an order. */
export interface AuditEntry {
  readonly at: DateTime.Utc
  /** False when it happened then or before: all that is kept is when the row last changed. */
  readonly isExact: boolean
  readonly kind: "order" | "plan" | "call" | "slice" | "book" | "cancel" | "hold" | "action" | "halt" | "alarm"
  /** The numbers of the slices that it is about. */
  readonly slices: ReadonlyArray<number>
  /** In plain words, on one line. */
  readonly text: string
}

export const entry = (
  at: DateTime.Utc,
  kind: AuditEntry["kind"],
  text: string,
  { isExact = true, slices = [] }: Partial<Pick<AuditEntry, "isExact" | "slices">> = {}
): AuditEntry => ({ at, isExact, kind, slices, text: oneLine(text) })
