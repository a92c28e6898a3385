import { Context } from "effect"

/**
 * Whether the database is known to run on this host and to stay there, as the embedded server does, which is reached through a
 * socket in a folder of this host. It then reads the same wall clock as this process.
 */
export const IsDatabaseOnThisHost: Context.Reference<boolean> = Context.Reference(
  "pulse-background/IsDatabaseOnThisHost",
  { defaultValue: () => false }
)
