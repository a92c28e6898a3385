import { Context, DateTime, Effect, Layer } from "effect"
import { PlacementGate } from "../../broker/PlacementGate.ts"
import type { DbError } from "../../db/DbError.ts"
import { type ServerPosition, whyBehind } from "../../domain/operations/serverHistory.ts"
import { HistoryStore } from "../../stores/operations/HistoryStore.ts"
import type { Sighting } from "../../stores/operations/LookoutStore.ts"

/**
 * What this daemon has seen of the database server's history, which a database that forgets cannot take back. Claims name it, and are
 * refused by a server that does not have it any more. The lookout tells of each look; while the history is not settled, the
 * placement gate is closed, and `settleHistory` of some daemon's monitor works on it.
 */
export interface ServerHistory {
  /** The last look; null before the first one. */
  readonly seen: () => ServerPosition | null
  readonly isSettled: () => boolean
  /** Takes note of a look. A server that lacks something, or whose history is another one, is marked for all daemons. */
  readonly follow: (now: ServerPosition & Pick<Sighting, "isHistorySettled">) => Effect.Effect<void, DbError>
}

/** Without {@link ServerHistoryLayer} only the database itself is asked. */
export const ServerHistory: Context.Reference<ServerHistory> = Context.Reference<ServerHistory>(
  "pulse-background/ServerHistory",
  { defaultValue: () => ({ seen: () => null, isSettled: () => true, follow: () => Effect.void }) }
)

export const ServerHistoryLayer: Layer.Layer<never, never, HistoryStore | PlacementGate> = Layer.effect(
  ServerHistory,
  Effect.gen(function* () {
    const store = yield* HistoryStore
    const gate = yield* PlacementGate
    let seen: ServerPosition | null = null
    let isSettled = true

    return {
      seen: () => seen,
      isSettled: () => isSettled,
      follow: Effect.fnUntraced(function* (now) {
        const behind = whyBehind(seen, now)
        if (now.isHistorySettled && behind === null) {
          seen = now
          isSettled = true
          return yield* gate.open("history")
        }
        isSettled = false
        const reason = behind === null ? `it is on timeline ${now.timeline}, which is not settled` : behind
        yield* gate.close("history", forgets)
        yield* store.mark(reason, behind !== null, yield* DateTime.now)
        // Not before it is marked: a look that fails here must find the same again.
        seen = now
      })
    }
  })
)

const forgets =
  "the database may have forgotten what it had committed (a fail-over, a restored backup); what the broker has is being looked up"
