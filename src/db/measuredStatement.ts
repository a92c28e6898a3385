import { Cause, Effect, Exit } from "effect"
import { nowMillis } from "../runtime/nowMillis.ts"
import type { Telemetry } from "../telemetry/Telemetry.ts"
import type { DbError } from "./DbError.ts"

/** Measures statements, including their wait for a connection. Without a telemetry receiver it returns them unchanged. */
export const measuredStatement =
  (telemetry: Telemetry) =>
  <A, E extends DbError, R>(operation: string, statement: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
    telemetry.isOn
      ? Effect.flatMap(nowMillis, (beganMillis) => {
          telemetry.statementBegan()
          return Effect.onExit(statement, (exit) =>
            Effect.map(nowMillis, (endedMillis) =>
              telemetry.statementEnded(operation, errorTypeOf(exit), { beganMillis, endedMillis })
            )
          )
        })
      : statement

const errorTypeOf = (exit: Exit.Exit<unknown, DbError>): string | null => {
  if (Exit.isSuccess(exit)) return null
  if (Cause.hasInterruptsOnly(exit.cause)) return "interrupted"
  const failure = exit.cause.reasons.find(Cause.isFailReason)
  return failure === undefined ? "defect" : (failure.error.sqlState ?? "no_answer")
}
