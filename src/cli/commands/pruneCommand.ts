import { DateTime, Effect, Layer } from "effect"
import { Command, Flag } from "effect/cli"
import { nothingPruned, type Pruned, RetentionStore } from "../../stores/operations/RetentionStore.ts"
import { CommandFailed, CommandLayer, json, optionalReason, print, warn } from "../shared/environment.ts"
import { wholeFlag } from "../shared/flags.ts"
import { as, askedFor } from "../shared/operator.ts"
import { timeText } from "../terminal/moments.ts"

/** The monitor checks slices that were in doubt for a day, and day limits count the day's orders. */
const minDays = 2
const maxDays = 36_500

export const pruneCommand = Command.make(
  "prune",
  {
    olderThan: wholeFlag("older-than").pipe(
      Flag.withDescription(`Of how many days ago the last change must be, ${minDays} at least`)
    ),
    dryRun: Flag.Boolean("dry-run").pipe(
      Flag.withDescription("Only say what would be removed"),
      Flag.withDefault(false)
    ),
    as,
    reason: optionalReason,
    json
  },
  Effect.fnUntraced(
    function* (given) {
      const days = given.olderThan
      if (days < minDays || days > maxDays) {
        return yield* new CommandFailed({
          message:
            `--older-than must be from ${minDays} to ${maxDays} days, not ${days}: what is newer may still be looked at by the ` +
            "service. Nothing was removed."
        })
      }
      const store = yield* RetentionStore
      const now = yield* DateTime.now
      const before = DateTime.subtract(now, { days })
      if (given.dryRun) {
        return yield* print(given.json, { before, dryRun: true, ...(yield* store.count(before)) }, (counts) =>
          prunedText("Would remove", counts, before)
        )
      }
      let pruned = nothingPruned
      const options = { before, now, asked: yield* askedFor(given) }
      for (const pruneSome of [store.pruneOrders(options), store.pruneOthers(options)]) {
        yield* pruneSome.pipe(
          Effect.tap((some) => Effect.sync(() => (pruned = sumOf(pruned, some)))),
          Effect.repeat({ while: isSomething }),
          // Batches that were committed before a failure or an interrupt are reported.
          Effect.onError(() => warn(`Ended before its time. ${prunedText("Removed", pruned, before)}`))
        )
      }
      yield* print(given.json, { before, dryRun: false, ...pruned }, () => prunedText("Removed", pruned, before))
    },
    Effect.provide(RetentionStore.layer.pipe(Layer.provideMerge(CommandLayer)))
  )
).pipe(
  Command.withDescription(
    "Remove finished orders whose last change is old, with their slices, plans and audited broker calls"
  )
)

const isSomething = (pruned: Pruned): boolean => Object.values(pruned).some((count) => count > 0)

const sumOf = (a: Pruned, b: Pruned): Pruned => ({
  orders: a.orders + b.orders,
  slices: a.slices + b.slices,
  plans: a.plans + b.plans,
  brokerEvents: a.brokerEvents + b.brokerEvents,
  mockOrders: a.mockOrders + b.mockOrders,
  notifications: a.notifications + b.notifications
})

const prunedText = (what: string, pruned: Pruned, before: DateTime.Utc): string =>
  `${what} what has not changed since ${timeText(before)} (UTC): ${pruned.orders} orders with ${pruned.slices} slices and ` +
  `${pruned.plans} plans, ${pruned.brokerEvents} audited broker calls, ${pruned.mockOrders} orders of the mock broker's order list, ` +
  `${pruned.notifications} notifications`
