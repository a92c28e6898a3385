import type { DateTime } from "effect"
import { oneLine } from "../domain/text/oneLine.ts"

/** One event in the life of an order. */
export interface AuditEntry {
  readonly at: DateTime.Utc
  /** False when it happened at this time or before, because only the row's last change is kept. */
  readonly isExact: boolean
  readonly kind: "order" | "plan" | "call" | "slice" | "book" | "cancel" | "hold" | "action" | "halt" | "alarm"
  /** The numbers of the slices that it concerns. */
  readonly slices: ReadonlyArray<number>
  /** In plain words, on one line. */
  readonly text: string
}

/** Makes an entry, exact unless said otherwise, with its text on one line. */
export const entry = (
  at: DateTime.Utc,
  kind: AuditEntry["kind"],
  text: string,
  { isExact = true, slices = [] }: Partial<Pick<AuditEntry, "isExact" | "slices">> = {}
): AuditEntry => ({ at, isExact, kind, slices, text: oneLine(text) })
