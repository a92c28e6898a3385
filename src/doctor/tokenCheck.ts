import { DateTime, Duration } from "effect"
import { lasting, millisBetween } from "../domain/text/durations.ts"
import { type Check, ok, problem, pulse, warning } from "./Check.ts"

/** The access token of a broker that needs one. */
export interface TokenFacts {
  readonly stored: {
    readonly setAt: DateTime.Utc
    readonly setBy: string
    readonly user: string | null
    readonly endsAt: DateTime.Utc
    readonly refusedReason: string | null
    /** Why it cannot be decrypted; null if it can, or need not be. */
    readonly unreadable: string | null
  } | null
  /** Whether ZERODHA_ACCESS_TOKEN is set. */
  readonly isGiven: boolean
  /** The account that has this database's orders. */
  readonly account: string | null
}

const soon = Duration.minutes(30)

/** The stored token as far as it can be judged without asking the broker. A token in the environment is not judged. */
export const tokenCheck = ({ stored, isGiven, account }: TokenFacts, now: DateTime.Utc): Check => {
  const name = "access token"
  const todo = pulse("zerodha login")
  const given = "ZERODHA_ACCESS_TOKEN is set; only Zerodha can tell whether it is good"
  if (stored === null) {
    return isGiven
      ? warning(name, given, pulse("zerodha check"))
      : problem(name, "there is none: nothing can be placed", todo)
  }
  const set = `set ${DateTime.formatIso(stored.setAt)} by ${stored.setBy}${stored.user === null ? "" : ` for ${stored.user}`}`
  const wrong =
    stored.unreadable !== null
      ? stored.unreadable
      : stored.refusedReason !== null
        ? `refused by Zerodha: ${stored.refusedReason}`
        : DateTime.isGreaterThanOrEqualTo(now, stored.endsAt)
          ? `ended at ${DateTime.formatIso(stored.endsAt)} (6:00 in India)`
          : account !== null && stored.user !== null && stored.user !== account
            ? `of ${stored.user}, but this database's orders are in the account of ${account}`
            : null
  if (wrong !== null) {
    return isGiven
      ? warning(name, `the stored one is ${wrong}; ${given}`, pulse("zerodha check"))
      : problem(name, `${wrong}; ${set}`, todo)
  }
  const left = millisBetween(now, stored.endsAt)
  return left < Duration.toMillis(soon)
    ? warning(name, `ends in ${lasting(now, stored.endsAt)}; ${set}`, todo)
    : ok(
        name,
        `${set}, good until ${DateTime.formatIso(stored.endsAt)} unless it was ended; Zerodha was not asked, "zerodha check" does`
      )
}
