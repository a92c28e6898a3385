import { Array as Arrays, DateTime, Duration, Effect } from "effect"
import { type BrokerLookupError, BrokerTryLater } from "../../domain/model/BrokerError.ts"
import type { Instrument } from "../../domain/model/Order.ts"
import type { KiteCalls } from "./kiteCalls.ts"
import { maxInstruments, quotePath, readQuotes } from "./kiteQuotes.ts"

/** Reads the quotes of any number of instruments, {@link maxInstruments} per request and one request a second. */
export const askForQuotes = ({ lookUp, read }: KiteCalls) => {
  const quotesOf = (instruments: ReadonlyArray<Instrument>) =>
    lookUp(quotePath(instruments), quotesLimit).pipe(
      Effect.flatMap((answer) => read(answer, (body) => Effect.fromResult(readQuotes(body, instruments)))),
      Effect.catch((error: BrokerLookupError) => Effect.flatMap(DateTime.now, (now) => notPaidFor(error, now)))
    )

  return Effect.fnUntraced(function* (instruments: ReadonlySet<Instrument>) {
    const [first, ...more] = Arrays.chunksOf([...instruments], maxInstruments)
    if (first === undefined) return []
    const quotes = [yield* quotesOf(first)]
    for (const chunk of more) quotes.push(yield* Effect.delay(quotesOf(chunk), quotePause))
    return quotes.flat()
  })
}

/** The quotes of {@link maxInstruments} have about 0.7 mebibytes. */
const quotesLimit = { maxMebibytes: 2 }

const quotePause = Duration.seconds(1)
/** How long to wait after a refused permission: the app may be upgraded meanwhile. */
const permissionPause = Duration.hours(1)

/** Rewords Kite's refusal of quotes to a free app so that it says what would help. */
const notPaidFor = (error: BrokerLookupError, now: DateTime.Utc): Effect.Effect<never, BrokerLookupError> =>
  Effect.fail(
    error._tag === "BrokerTryLater" && error.code === "PermissionException"
      ? new BrokerTryLater({
          code: error.code,
          message: `Zerodha gives quotes to paid apps only (${error.message})`,
          retryAt: DateTime.addDuration(now, permissionPause)
        })
      : error
  )
