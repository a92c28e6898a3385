import { DateTime, Effect, Option, type Redacted, Result } from "effect"
import { DatabaseClock } from "../../clock/DatabaseClock.ts"
import { type BrokerError, BrokerNotSent } from "../../domain/model/BrokerError.ts"
import { checkDeadline } from "../deadline.ts"
import { lookupAnswer, lookupFailed, orderAnswer, orderUnanswered } from "./kiteAnswers.ts"
import { type KiteAnswer, KiteClient, type KiteRequest } from "./KiteClient.ts"
import { KiteSession } from "./KiteSession.ts"

/** Calls of Kite with the session's token: `order` requests, successful `lookUp`s, and `read` for their bodies. */
export const makeKiteCalls = Effect.gen(function* () {
  const client = yield* KiteClient
  const session = yield* KiteSession
  const clock = yield* DatabaseClock

  /** Tells the session if the answer is that its token is not accepted. */
  const watched =
    (token: Redacted.Redacted) =>
    <A, E extends BrokerError>(call: Effect.Effect<A, E>) =>
      Effect.tapError(call, (error: BrokerError) =>
        error._tag === "BrokerCredentialsInvalid" && error.kind === "token"
          ? session.refused(token, error.message)
          : Effect.void
      )

  /**
   * Checks the deadline, after comparing the clock with the database: the host may have been suspended while it waited for its
   * turn.
   */
  const mayStillLeave = Effect.fnUntraced(function* (deadline: DateTime.Utc) {
    yield* clock.waitForOffset.pipe(
      Effect.catch((error) =>
        Effect.flatMap(DateTime.now, (retryAt) => {
          const message = `Not sent, because the time is in doubt: ${error.message}`
          return Effect.fail(new BrokerNotSent({ code: "deadline", message, retryAt }))
        })
      )
    )
    yield* checkDeadline(deadline)
  })

  const order = Effect.fnUntraced(function* (request: Omit<KiteRequest, "accessToken">, deadline: DateTime.Utc | null) {
    const token = yield* session.accessToken
    if (deadline !== null) yield* mayStillLeave(deadline)
    const answer = yield* Effect.result(client.send({ ...request, accessToken: Option.some(token) }))
    const now = yield* DateTime.now
    return yield* Effect.fromResult(
      Result.isSuccess(answer) ? orderAnswer(answer.success, now) : Result.fail(orderUnanswered(answer.failure, now))
    ).pipe(watched(token))
  })

  const lookUp = Effect.fnUntraced(function* (path: string, options: Pick<KiteRequest, "maxMebibytes"> = {}) {
    const token = yield* session.accessToken
    const answer = yield* Effect.result(
      client.send({ ...options, method: "GET", path, accessToken: Option.some(token) })
    )
    const now = yield* DateTime.now
    if (Result.isFailure(answer)) return yield* lookupFailed("no_answer", answer.failure.message, now)
    yield* Effect.fromResult(lookupAnswer(answer.success, now)).pipe(watched(token))
    return answer.success
  })

  const read = <A>({ body, masked }: KiteAnswer, reader: (body: string) => Effect.Effect<A, string>) =>
    Effect.flatMap(DateTime.now, (now) =>
      Effect.mapError(reader(body), (problem) => lookupFailed("unreadable", masked(problem), now))
    )

  return { order, lookUp, read }
})

export type KiteCalls = Effect.Success<typeof makeKiteCalls>
