import { Context, DateTime, Effect, Layer, Option, Redacted, Result, Schedule } from "effect"
import { Configuration } from "../../config/Configuration.ts"
import { Wakeups } from "../../db/Wakeups.ts"
import { nextIndianHour } from "../../domain/market/indianTime.ts"
import { BrokerCredentialsInvalid } from "../../domain/model/BrokerError.ts"
import { BrokerInUseStore } from "../../stores/account/BrokerInUseStore.ts"
import { CredentialStore, type StoredToken } from "../../stores/account/CredentialStore.ts"
import { PlacementGate } from "../PlacementGate.ts"
import { KiteClient } from "./KiteClient.ts"
import { profile } from "./login.ts"

/** The broker's name in the database. */
export const zerodha = "zerodha"

/** Every access token ends at this hour in India, the day after it was made. */
const lastHour = 6

export const tokenEnd = (madeAt: DateTime.Utc): DateTime.Utc => nextIndianHour(madeAt, lastHour)

/**
 * The access token, of the one account that this database's slices are in. A stored one (`zerodha login`, `zerodha token set`) goes before ZERODHA_ACCESS_TOKEN, as long as it is
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
    BrokerInUseStore | Configuration | CredentialStore | PlacementGate | KiteClient | Wakeups
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
  /** In whose book this database's slices are; null while that is not known. */
  readonly account: string | null
  /** Whose tokens are whose, as far as Zerodha was asked. */
  readonly users: ReadonlyMap<string, string>
}

interface Candidate {
  readonly accessToken: Redacted.Redacted
  readonly user: string | null
  readonly problem: string | null
}

const advice = "Renew it: run the command `zerodha login`, or `zerodha token set`"

/** A token of another account would find none of our orders, and the slices would be placed once more. */
const accountProblem = (user: string | null, account: string | null): string | null => {
  if (account === null || user === account) return null
  return user === null
    ? `nobody knows yet whether the Zerodha access token is that of ${account}: Zerodha was asked and did not say. It is asked again`
    : `the Zerodha access token is that of ${user}, and this database's orders are in the account of ${account}. ` +
        `Use a token of ${account}. To change the account: run \`halt\`, and \`zerodha login\` when no slice is unfinished`
}

/** The tokens there are, in the order in which they are preferred, each with what is wrong with it. */
const candidatesOf = (tokens: Tokens, now: DateTime.Utc): ReadonlyArray<Candidate> => {
  const candidate = (
    accessToken: Redacted.Redacted,
    madeAt: DateTime.Utc,
    refused: string | null,
    user: string | null
  ): Candidate => ({
    accessToken,
    user,
    problem:
      refused !== null
        ? `Zerodha does not accept the access token (${refused}). ${advice}`
        : DateTime.isGreaterThanOrEqualTo(now, tokenEnd(madeAt))
          ? `the Zerodha access token ended at ${DateTime.formatIso(tokenEnd(madeAt))}. ${advice}`
          : accountProblem(user, tokens.account)
  })
  const userOf = (token: Redacted.Redacted) => tokens.users.get(Redacted.value(token)) ?? null
  return [
    ...Option.toArray(tokens.stored).map(({ accessToken, setAt, refusedReason, userId }) =>
      candidate(accessToken, setAt, refusedReason, userOf(accessToken) ?? userId)
    ),
    ...Option.toArray(tokens.given).map((accessToken) =>
      candidate(accessToken, tokens.givenAt, tokens.givenRefused, userOf(accessToken))
    )
  ]
}

/** The token to use now, or what is wrong with those there are. */
const choose = (tokens: Tokens, now: DateTime.Utc): Result.Result<Redacted.Redacted, string> => {
  const candidates = candidatesOf(tokens, now)
  const good = candidates.find(({ problem }) => problem === null)
  return good === undefined
    ? Result.fail(candidates[0]?.problem ?? "there is no Zerodha access token. Run the command `zerodha login`")
    : Result.succeed(good.accessToken)
}

/** The token that a command uses now, or what is wrong with those there are. */
export const tokenOfCommand = (
  stored: Tokens["stored"],
  given: Tokens["given"],
  now: DateTime.Utc
): Result.Result<Redacted.Redacted, string> =>
  choose({ stored, given, givenAt: now, givenRefused: null, account: null, users: new Map() }, now)

const pollIntervalMillis = 10_000

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

  /** The token to use now; the hold says whether there is one. */
  const current = Effect.gen(function* () {
    const chosen = choose(tokens, yield* DateTime.now)
    yield* Result.isSuccess(chosen) ? gate.open("credentials") : gate.close("credentials", chosen.failure)
    return chosen
  })

  const refused = Effect.fnUntraced(function* (token: Redacted.Redacted, message: string) {
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

  /** Those that may be good, and of which Zerodha has not said yet whose they are. */
  const toVerify = Effect.map(DateTime.now, (now) =>
    candidatesOf({ ...tokens, account: null }, now).filter(
      ({ accessToken, problem }) => problem === null && !tokens.users.has(Redacted.value(accessToken))
    )
  )

  const refresh = Effect.gen(function* () {
    const stored = yield* store.token(zerodha)
    const account = yield* inUse.account
    tokens = { ...tokens, stored, account }
    for (const { accessToken } of yield* toVerify) yield* verify(accessToken)
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

const isSame = (a: Redacted.Redacted, b: Redacted.Redacted): boolean => Redacted.value(a) === Redacted.value(b)
