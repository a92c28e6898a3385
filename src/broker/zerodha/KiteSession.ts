import { Context, DateTime, Effect, Layer, Option, Redacted, Result, Schedule } from "effect"
import { Configuration } from "../../Configuration.ts"
import { Wakeups } from "../../db/Wakeups.ts"
import { nextIndianHour } from "../../domain/indianTime.ts"
import { CredentialStore, type StoredToken } from "../../stores/CredentialStore.ts"
import { BrokerCredentialsInvalid } from "../Broker.ts"
import { Holds } from "../Holds.ts"
import { KiteClient } from "./KiteClient.ts"
import { profile } from "./login.ts"

/** The broker's name in the database. */
export const zerodha = "zerodha"

/** Every access token ends at this hour in India, the day after it was made. */
const lastHour = 6

export const tokenEnd = (madeAt: DateTime.Utc): DateTime.Utc => nextIndianHour(madeAt, lastHour)

/**
 * The access token. A stored one (`zerodha login`, `zerodha token set`) goes before ZERODHA_ACCESS_TOKEN, as long as it is
 * good. Without a good one placements are on hold; a new one is taken up when it is stored.
 */
export class KiteSession extends Context.Service<
  KiteSession,
  {
    readonly accessToken: Effect.Effect<Redacted.Redacted, BrokerCredentialsInvalid>
    /** The broker said that it does not accept this token. */
    readonly refused: (token: Redacted.Redacted, message: string) => Effect.Effect<void>
  }
>()("pulse-background/KiteSession") {
  static readonly layer: Layer.Layer<
    KiteSession,
    never,
    Configuration | CredentialStore | Holds | KiteClient | Wakeups
  > = Layer.effect(
    KiteSession,
    Effect.suspend(() => make)
  )
}

/** What is known of the two places a token can come from. */
interface Tokens {
  readonly stored: Option.Option<StoredToken>
  readonly given: Option.Option<Redacted.Redacted>
  readonly givenAt: DateTime.Utc
  readonly givenRefused: string | null
}

const advice = "Renew it: run the command `zerodha login`, or `zerodha token set`"

/** The token to use now, or what is wrong with those there are. */
export const choose = (tokens: Tokens, now: DateTime.Utc): Result.Result<Redacted.Redacted, string> => {
  const candidates = [
    ...Option.toArray(tokens.stored).map((token) => ({ ...token, madeAt: token.setAt, refused: token.refusedReason })),
    ...Option.toArray(tokens.given).map((accessToken) => ({
      accessToken,
      madeAt: tokens.givenAt,
      refused: tokens.givenRefused
    }))
  ]
  const good = candidates.find(({ madeAt, refused }) => refused === null && DateTime.isLessThan(now, tokenEnd(madeAt)))
  if (good !== undefined) return Result.succeed(good.accessToken)
  const [first] = candidates
  if (first === undefined) return Result.fail("there is no Zerodha access token. Run the command `zerodha login`")
  return Result.fail(
    first.refused === null
      ? `the Zerodha access token ended at ${DateTime.formatIso(tokenEnd(first.madeAt))}. ${advice}`
      : `Zerodha does not accept the access token (${first.refused}). ${advice}`
  )
}

const pollIntervalMillis = 10_000

const make = Effect.gen(function* () {
  const config = yield* Configuration
  const store = yield* CredentialStore
  const holds = yield* Holds
  const client = yield* KiteClient
  const wakeups = yield* Wakeups
  let tokens: Tokens = {
    stored: Option.none(),
    given: config.zerodhaAccessToken,
    givenAt: yield* DateTime.now,
    givenRefused: null
  }
  let verified: string | null = null

  /** The token to use now; the hold says whether there is one. */
  const current = Effect.gen(function* () {
    const chosen = choose(tokens, yield* DateTime.now)
    yield* Result.isSuccess(chosen) ? holds.clear("credentials") : holds.set("credentials", chosen.failure)
    return chosen
  })

  const refused = Effect.fn("KiteSession.refused")(function* (token: Redacted.Redacted, message: string) {
    const isStored = Option.exists(tokens.stored, ({ accessToken }) => isSame(accessToken, token))
    if (isStored) {
      tokens = { ...tokens, stored: Option.map(tokens.stored, (stored) => ({ ...stored, refusedReason: message })) }
    }
    if (Option.exists(tokens.given, (given) => isSame(given, token))) tokens = { ...tokens, givenRefused: message }
    yield* current
    if (!isStored) return
    yield* Effect.flatMap(DateTime.now, (now) => store.refuse(zerodha, Redacted.value(token), message, now)).pipe(
      Effect.catch((error) => Effect.logWarning(`Could not note that the access token is refused: ${error.message}`))
    )
  })

  /** Asks once for each new token whose it is, so that a wrong one is known before the first slice is due. */
  const verify = Effect.fn("KiteSession.verify")(function* (token: Redacted.Redacted) {
    if (verified === Redacted.value(token)) return
    const user = yield* Effect.result(Effect.provideService(profile(token), KiteClient, client))
    if (Result.isSuccess(user)) {
      verified = Redacted.value(token)
      yield* Effect.logInfo(`The Zerodha access token is good; the account is ${user.success.userId}`)
    } else if (user.failure._tag === "BrokerCredentialsInvalid") {
      yield* refused(token, user.failure.message)
    }
  })

  const refresh = Effect.gen(function* () {
    tokens = { ...tokens, stored: yield* store.token(zerodha) }
    const chosen = yield* current
    if (Result.isSuccess(chosen)) yield* verify(chosen.success)
  }).pipe(Effect.catch((error) => Effect.logWarning(`Could not look for a new access token: ${error.message}`)))

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

const isSame = (a: Redacted.Redacted, b: Redacted.Redacted): boolean => Redacted.value(a) === Redacted.value(b)
