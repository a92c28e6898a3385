import { Schema } from "effect"

/** The database cannot be brought up to date. The message says what stands in the way, what was changed, and what to type. */
export class MigrationFailed extends Schema.TaggedError<MigrationFailed>()("MigrationFailed", {
  message: Schema.String
}) {}
