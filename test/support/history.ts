import { Effect, Schema } from "effect"
import { Db } from "../../src/db/Db.ts"

/** What the row says that a server which was promised to write another timeline has as the settled one. */
const another = "0000000A"

const run = (statement: string) =>
  Effect.flatMap(Db, ({ sql, execute }) => execute("test.history", sql.unsafe(statement)))

/** The row records another timeline than the server's, as after a fail-over. */
export const failOver = run(`UPDATE server_history SET timeline = '${another}'`)

/** The mark is as old as it can be, so that every claim of the lost history is over. */
export const waitForAll = run(
  `UPDATE server_history SET unsettled_since = '1960-01-01Z' WHERE unsettled_since IS NOT NULL`
)

/** What the server writes now. */
export const position = Effect.flatMap(Db, ({ sql, queryOne }) =>
  queryOne(
    "test.position",
    Schema.Struct({
      timeline: Schema.String,
      systemIdentifier: Schema.NullOr(Schema.String),
      logPosition: Schema.Number
    }),
    sql`SELECT * FROM server_history_now()`
  )
)
