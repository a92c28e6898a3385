import { indianTimeOfDay } from "../../domain/market/indianTime.ts"
import { oneLine } from "../../domain/text/oneLine.ts"
import type { AuditTrail } from "../../report/auditTrail.ts"
import { timeText } from "../terminal/moments.ts"
import { pad } from "../terminal/text.ts"
import { instrumentText, momentText } from "./figures.ts"

/** An audit trail as text, one line for each entry. */
export const auditText = ({ order, at, isOver, keepsHours, entries, notKept }: AuditTrail): ReadonlyArray<string> => {
  const kindWidth = Math.max(...entries.map(({ kind }) => kind.length))
  return [
    oneLine(`Order ${order.orderId}: ${instrumentText(order)}, ${order.state}`) +
      (isOver ? "" : `; it is not over as of ${momentText(at)}`),
    `Times in UTC${keepsHours ? ", then in India" : ""}; ≤ before one says that it happened then or before: only the last change is kept`,
    "",
    ...entries.map(({ at, isExact, kind, text }) =>
      [
        `${isExact ? " " : "≤"} ${timeText(at)}`,
        ...(keepsHours ? [`${indianTimeOfDay(at)} IST`] : []),
        pad(kind, kindWidth),
        text
      ].join("  ")
    ),
    "",
    `Not kept: ${notKept.join("; ")}`
  ]
}
