import { Context, Effect } from "effect"
import { readFile } from "node:fs/promises"

/**
 * The number that Linux draws at each boot; null elsewhere. The containers of a host share it, as they share its wall clock, so
 * a server that reads the same number reads the same clock.
 */
export const HostBootId: Context.Reference<Effect.Effect<string | null>> = Context.Reference(
  "pulse-background/HostBootId",
  {
    defaultValue: () =>
      Effect.promise(() =>
        readFile("/proc/sys/kernel/random/boot_id", "utf8").then(
          (id) => id.trim(),
          () => null
        )
      )
  }
)
