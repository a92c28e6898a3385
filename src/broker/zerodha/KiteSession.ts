import { Context, DateTime, Effect, Layer, Option, Redacted, Result, Schedule } from "effect"
import { Configuration } from "../../config/Configuration.ts"
import { Wakeups } from "../../db/Wakeups.ts"
import { BrokerCredentialsInvalid } from "../../domain/model/BrokerError.ts"
import { BrokerInUseStore } from "../../stores/account/BrokerInUseStore.ts"
import { CredentialStore } from "../../stores/account/CredentialStore.ts"
import { PlacementGate } from "../PlacementGate.ts"
import { KiteClient } from "./KiteClient.ts"
import { choose, isStored, type Tokens, unverified, withRefused, zerodha } from "./kiteTokens.ts"
import { profile } from "./login.ts"

/**
 * The access token of the one account that holds this database's orders. A valid stored token (`zerodha login`, `zerodha token
 * set`) takes precedence over ZERODHA_ACCESS_TOKEN. Without a valid token the placement gate is closed; a new one is used as
 * soon as it is stored.
 */
export class KiteSession extends Context.Service<
  KiteSession,
  {
    readonly accessToken: Effect.Effect<Redacted.Redacted, BrokerCredentialsInvalid>
    /** Reports that the broker does not accept this token. */
    readonly refused: (token: Redacted.Redacted, message: string) => Effect.Effect<void>
  }
>()("pulse-background/KiteSession") {
  static readonly layer: Layer.Layer<
    KiteSession,
    never,
    BrokerInUseStore | Configuration | CredentialStore | PlacementGate | KiteClient | Wakeups
  > = Layer.effect(
    KiteSession,
    Effect.suspend(() => Effect.andThen(tellOfPlainText, make))
  )
}

const pollIntervalMillis = 10_000

/** Tells the other daemons that a stored token is refused. */
const noteRefused = (store: CredentialStore["Service"], token: Redacted.Redacted, message: string) =>
  Effect.flatMap(DateTime.now, (now) => store.refuse(zerodha, Redacted.value(token), message, now)).pipe(
    Effect.catch((error) => Effect.logWarning(`Could not note that the access token is refused: ${error.message}`))
  )

const tellOfPlainText = Effect.flatMap(Configuration, ({ credentialKey }) =>
  Option.isSome(credentialKey)
    ? Effect.void
    : Effect.logWarning(
        "Access tokens are stored in the database in plain text, because CREDENTIAL_KEY is not set: whoever reads the " +
          "database or a backup of the day can trade with them"
      )
)

const make = Effect.gen(function* () {
  const config = yield* Configuration
  const store = yield* CredentialStore
  const inUse = yield* BrokerInUseStore
  const gate = yield* PlacementGate
  const client = yield* KiteClient
  const wakeups = yield* Wakeups
  let tokens: Tokens = {
    stored: Option.none(),
    given: config.zerodhaAccessToken,
    givenAt: yield* DateTime.now,
    givenRefused: null,
    account: null,
    users: new Map()
  }

  /** The token to use now, or what is wrong. Closes or opens the placement gate accordingly. */
  const current = Effect.gen(function* () {
    const chosen = choose(tokens, yield* DateTime.now)
    yield* Result.isSuccess(chosen) ? gate.open("credentials") : gate.close("credentials", chosen.failure)
    return chosen
  })

  const refused = Effect.fnUntraced(function* (token: Redacted.Redacted, message: string) {
    const wasStored = isStored(tokens, token)
    tokens = withRefused(tokens, token, message)
    yield* current
    if (wasStored) yield* noteRefused(store, token, message)
  })

  /** Asks Zerodha for the owner of a new token, so that a token of another account is known before a slice is due. */
  const verify = Effect.fnUntraced(function* (token: Redacted.Redacted) {
    const user = yield* Effect.result(Effect.provideService(profile(token), KiteClient, client))
    if (Result.isSuccess(user)) {
      const { userId } = user.success
      const account = yield* inUse.claimAccount(userId)
      tokens = { ...tokens, account, users: new Map([...tokens.users, [Redacted.value(token), userId]]) }
      return yield* Effect.logInfo(`The Zerodha access token is good; the account is ${userId}`)
    }
    const error = user.failure
    if (error._tag === "BrokerCredentialsInvalid" && error.kind === "token") return yield* refused(token, error.message)
    yield* Effect.logWarning(`Zerodha could not be asked whose the access token is: ${error.message}`)
  })

  const refresh = Effect.gen(function* () {
    const stored = yield* store.token(zerodha)
    const account = yield* inUse.account
    tokens = { ...tokens, stored, account }
    for (const token of unverified(tokens, yield* DateTime.now)) yield* verify(token)
  }).pipe(
    Effect.catch((error) => Effect.logWarning(`Could not look for a new access token: ${error.message}`)),
    Effect.andThen(current)
  )

  yield* refresh
  yield* Effect.raceFirst(wakeups.next("credentials"), Effect.sleep(pollIntervalMillis)).pipe(
    Effect.andThen(refresh),
    Effect.repeat(Schedule.forever),
    Effect.forkScoped
  )

  return KiteSession.of({
    accessToken: Effect.flatMap(current, (chosen) =>
      Result.isSuccess(chosen)
        ? Effect.succeed(chosen.success)
        : Effect.fail(new BrokerCredentialsInvalid({ kind: "token", message: chosen.failure }))
    ),
    refused
  })
})
