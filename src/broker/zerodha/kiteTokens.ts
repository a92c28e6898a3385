import { DateTime, Option, Redacted, Result, Schema } from "effect"
import { nextIndianHour } from "../../domain/market/indianTime.ts"
import type { StoredToken } from "../../stores/account/CredentialStore.ts"

/** The broker's name in the database. */
export const zerodha = "zerodha"

/** An access token is one word of plain characters, because it is sent in a header. Kite's have 32. */
export const AccessToken = Schema.String.check(Schema.isPattern(/^[\x21-\x7e]{1,1000}$/))

/** Every access token ends at this hour in India on the day after it was made. */
const lastHour = 6

export const tokenEnd = (madeAt: DateTime.Utc): DateTime.Utc => nextIndianHour(madeAt, lastHour)

/** The known facts about the stored token and the one of ZERODHA_ACCESS_TOKEN. */
export interface Tokens {
  readonly stored: Option.Option<StoredToken>
  readonly given: Option.Option<Redacted.Redacted>
  readonly givenAt: DateTime.Utc
  readonly givenRefused: string | null
  /** The account that holds this database's orders; null while it is not known. */
  readonly account: string | null
  /** The owner of each token that Zerodha was asked about. */
  readonly users: ReadonlyMap<string, string>
}

interface Candidate {
  /** Null if it cannot be read; then there is a problem. */
  readonly accessToken: Redacted.Redacted | null
  readonly user: string | null
  readonly problem: string | null
}

const advice = "Renew it: run the command `zerodha login`, or `zerodha token set`"

/** A token of another account would find none of our orders, and their slices would be placed a second time. */
const accountProblem = (user: string | null, account: string | null): string | null => {
  if (account === null || user === account) return null
  return user === null
    ? `nobody knows yet whether the Zerodha access token is that of ${account}: Zerodha was asked and did not say. It is asked again`
    : `the Zerodha access token is that of ${user}, and this database's orders are in the account of ${account}. ` +
        `Use a token of ${account}. To change the account: run \`halt\`, and \`zerodha login\` when no slice is unfinished`
}

/** The known tokens in order of preference, each with what is wrong with it; null if nothing is. */
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
    ...Option.toArray(tokens.stored).map(({ accessToken, setAt, refusedReason, userId }): Candidate =>
      Result.match(accessToken, {
        onFailure: (problem) => ({
          accessToken: null,
          user: userId,
          problem: `${problem}. Set the key that it was stored with. ${advice}`
        }),
        onSuccess: (token) => candidate(token, setAt, refusedReason, userOf(token) ?? userId)
      })
    ),
    ...Option.toArray(tokens.given).map((accessToken) =>
      candidate(accessToken, tokens.givenAt, tokens.givenRefused, userOf(accessToken))
    )
  ]
}

/** The token to use now, or what is wrong with the preferred one. */
export const choose = (tokens: Tokens, now: DateTime.Utc): Result.Result<Redacted.Redacted, string> => {
  const candidates = candidatesOf(tokens, now)
  const [good] = candidates.flatMap(({ accessToken, problem }) => (problem === null ? (accessToken ?? []) : []))
  return good === undefined
    ? Result.fail(candidates[0]?.problem ?? "there is no Zerodha access token. Run the command `zerodha login`")
    : Result.succeed(good)
}

/** The token that a command uses now, or what is wrong with the preferred one. */
export const tokenOfCommand = (
  stored: Tokens["stored"],
  given: Tokens["given"],
  now: DateTime.Utc
): Result.Result<Redacted.Redacted, string> =>
  choose({ stored, given, givenAt: now, givenRefused: null, account: null, users: new Map() }, now)

/** The tokens that may be valid and whose owner is not known yet. */
export const unverified = (tokens: Tokens, now: DateTime.Utc): ReadonlyArray<Redacted.Redacted> =>
  candidatesOf({ ...tokens, account: null }, now).flatMap(({ accessToken, problem }) =>
    problem !== null || accessToken === null || tokens.users.has(Redacted.value(accessToken)) ? [] : accessToken
  )

export const isStored = ({ stored }: Tokens, token: Redacted.Redacted): boolean =>
  Option.exists(stored, ({ accessToken }) => Result.isSuccess(accessToken) && isSame(accessToken.success, token))

/** The tokens after the broker refused one of them, whether stored or given. */
export const withRefused = (tokens: Tokens, token: Redacted.Redacted, message: string): Tokens => ({
  ...tokens,
  stored: isStored(tokens, token)
    ? Option.map(tokens.stored, (stored) => ({ ...stored, refusedReason: message }))
    : tokens.stored,
  givenRefused: Option.exists(tokens.given, (given) => isSame(given, token)) ? message : tokens.givenRefused
})

const isSame = (a: Redacted.Redacted, b: Redacted.Redacted): boolean => Redacted.value(a) === Redacted.value(b)
