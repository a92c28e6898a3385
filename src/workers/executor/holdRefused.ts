import { DateTime, Effect } from "effect"
import { maxRefusals, repeatedRefusal } from "../../domain/lifecycle/repeatedRefusal.ts"
import type { OrderId } from "../../domain/model/Ids.ts"
import { because } from "../../domain/model/reason.ts"
import { shortened } from "../../domain/text/shortened.ts"
import { annotateOrder, annotateReason } from "../../runtime/annotate.ts"
import { OrderCommands } from "../../stores/orders/OrderCommands.ts"
import { OrderStore } from "../../stores/orders/OrderStore.ts"
import { Telemetry } from "../../telemetry/Telemetry.ts"

/**
 * Puts orders on hold whose last slices the broker has all refused with the same words, or many in any words. The executor asks after refusals that
 * answered a placement, the monitor after refusals in the broker's order list. If the database fails, the next refusal asks
 * again.
 */
export const makeHoldRefused = Effect.gen(function* () {
  const orders = yield* OrderStore
  const commands = yield* OrderCommands
  const telemetry = yield* Telemetry

  const holdOne = Effect.fnUntraced(function* (id: OrderId, words: string) {
    const text = shortened(words, 500)
    const reason = because("refused_repeatedly", text)
    if (!(yield* commands.hold(id, reason, yield* DateTime.now))) return
    telemetry.orderReason(reason.code)
    yield* Effect.logError(
      `The order is on hold: ${text}. Mend the cause, then take it off hold with "order resume", or cancel it`
    ).pipe(annotateOrder({ id }), annotateReason(reason.code))
  })

  return (refused: ReadonlySet<OrderId>): Effect.Effect<void> =>
    refused.size === 0
      ? Effect.void
      : orders.lastRefusals(refused, maxRefusals).pipe(
          Effect.flatMap((found) =>
            Effect.forEach(
              found,
              ({ id, refusals }) => {
                const words = repeatedRefusal(refusals)
                return words === null ? Effect.void : holdOne(id, words)
              },
              { discard: true }
            )
          ),
          Effect.catch((error) =>
            Effect.logWarning(
              `Refused orders could not be put on hold; the next refusal tries it again: ${error.message}`
            )
          )
        )
})
