import { Context, Effect } from "effect"
import type { SqlError } from "effect/sql/SqlError"
import type { Statement } from "effect/sql/Statement"
import { Db } from "../../src/db/Db.ts"
import { DbError } from "../../src/db/DbError.ts"
import type { Row } from "../../src/db/decodeRows.ts"

/** Whether the statements of this fiber are part of a transaction. */
const isInTransaction = Context.Reference<boolean>("interleavings/isInTransaction", { defaultValue: () => false })

/** Whether the commits of this fiber fail. */
const losesCommits = Context.Reference<boolean>("interleavings/losesCommits", { defaultValue: () => false })

/** An actor whose connection is lost before its commits: what it wrote is rolled back, and it learns of the failure. */
export const losingCommits = <A, E, R>(actor: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Effect.provideService(actor, losesCommits, true)

export const connectionLost = "the connection was lost before the commit"

/** A statement that takes locks or writes. A wrong yes costs a boundary without meaning, and nothing else. */
const locksOrWrites = (statement: Statement<Row>): boolean =>
  /\b(?:INSERT|UPDATE|DELETE|LOCK|SHARE)\b/.test(statement.compile()[0])

/**
 * The database with a boundary before each statement and before each commit, at which `reach` waits. A statement alone that
 * locks or writes becomes a transaction of its own, which is what PostgreSQL makes of it, so that others can act between its
 * end and its commit.
 */
export const withBoundaries = (db: Db["Service"], reach: (label: string) => Effect.Effect<void>): Db["Service"] => {
  const committing = Effect.fnUntraced(function* (operation: string) {
    yield* reach(`commit of ${operation}`)
    if (yield* losesCommits) {
      return yield* new DbError({ operation, message: connectionLost, isTransient: true, sqlState: null })
    }
  })

  const inTransaction = <A, E, R>(operation: string, work: Effect.Effect<A, E, R>) =>
    Effect.andThen(Effect.provideService(work, isInTransaction, true), (result) =>
      Effect.as(committing(operation), result)
    )

  const bounded = <A>(operation: string, statement: Statement<Row>, run: Effect.Effect<A, DbError>) =>
    Effect.gen(function* () {
      yield* reach(operation)
      return yield* !(yield* isInTransaction) && locksOrWrites(statement)
        ? db.transaction(operation, inTransaction(operation, run))
        : run
    })

  return Db.of({
    ...db,
    query: (operation, row, statement) => bounded(operation, statement, db.query(operation, row, statement)),
    queryOne: (operation, row, statement) => bounded(operation, statement, db.queryOne(operation, row, statement)),
    queryOption: (operation, row, statement) =>
      bounded(operation, statement, db.queryOption(operation, row, statement)),
    queryReadable: (operation, row, statement) =>
      bounded(operation, statement, db.queryReadable(operation, row, statement)),
    queryValues: (operation, columns, decode, statement) =>
      bounded(operation, statement, db.queryValues(operation, columns, decode, statement)),
    execute: (operation, statement) => bounded(operation, statement, db.execute(operation, statement)),
    transaction: (operation, statements) => db.transaction(operation, inTransaction(operation, statements)),
    unlimited: <A, E, R>(operation: string, work: Effect.Effect<A, E | SqlError, R>) =>
      db.unlimited<A, E | DbError, R>(operation, inTransaction(operation, work))
  })
}
