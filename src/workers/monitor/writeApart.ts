import { Cause, Effect } from "effect"
import type { DbError } from "../../db/DbError.ts"
import { annotateSlice } from "../../runtime/annotate.ts"
import { summary } from "../../runtime/logAndContinue.ts"

/**
 * Writes what was found out about several slices in one statement. If the database refuses their data, it writes each half
 * alone, so that one slice with a value that cannot be stored does not keep the others from being written; that slice is
 * logged, and stays as it is. A failure that every statement would meet is passed on. Returns the answers of the statements.
 */
export const writeApart = <Item extends { readonly slice: { readonly id: string; readonly orderId: string } }, A>(
  items: ReadonlyArray<Item>,
  write: (items: ReadonlyArray<Item>) => Effect.Effect<A, DbError>
): Effect.Effect<ReadonlyArray<A>, DbError> => {
  const [first] = items
  if (first === undefined) return Effect.succeed([])
  return Effect.suspend(() => write(items)).pipe(
    Effect.map((answer) => [answer]),
    Effect.catchCause((cause): Effect.Effect<ReadonlyArray<A>, DbError> => {
      if (cause.reasons.some(isGeneral)) return Effect.failCause(cause)
      if (items.length === 1) {
        return Effect.logError(
          `The database does not take what the broker says of this slice, so it stays as it is: ${summary(cause)}`
        ).pipe(annotateSlice(first.slice), Effect.as([]))
      }
      const middle = Math.ceil(items.length / 2)
      return Effect.zipWith(
        writeApart(items.slice(0, middle), write),
        writeApart(items.slice(middle), write),
        (before, after) => [...before, ...after]
      )
    })
  )
}

const isGeneral = (reason: Cause.Reason<DbError>): boolean =>
  Cause.isInterruptReason(reason) || (Cause.isFailReason(reason) && reason.error.isGeneral)
