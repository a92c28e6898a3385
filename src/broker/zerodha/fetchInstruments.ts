import { DateTime, Effect, Result, Schema } from "effect"
import { Configuration } from "../../config/Configuration.ts"
import { CredentialStore } from "../../stores/account/CredentialStore.ts"
import { downloadInstruments } from "./instrumentDump.ts"
import { tokenOfCommand, zerodha } from "./kiteTokens.ts"

/** The broker's list of instruments could not be had. The message says why, and what a person can do. */
export class InstrumentsUnavailable extends Schema.TaggedError<InstrumentsUnavailable>()("InstrumentsUnavailable", {
  message: Schema.String
}) {}

/** Downloads Zerodha's list with the access token that a command would use. Costs no request of the orders' budget. */
export const fetchInstruments = Effect.gen(function* () {
  const config = yield* Configuration
  const stored = yield* (yield* CredentialStore).token(zerodha)
  const token = tokenOfCommand(stored, config.zerodhaAccessToken, yield* DateTime.now)
  if (Result.isFailure(token)) return yield* new InstrumentsUnavailable({ message: token.failure })
  return yield* downloadInstruments(token.success).pipe(
    Effect.catchTag("BrokerCredentialsInvalid", ({ message }) =>
      unavailable(`Zerodha does not accept the access token (${message}). Renew it: "zerodha login"`)
    ),
    Effect.catchTag(["BrokerTryLater", "KiteUnanswered"], ({ message }) =>
      unavailable(`Zerodha's list could not be got: ${message}. Try again later`)
    ),
    Effect.catchTag("InstrumentDumpInvalid", ({ message }) => unavailable(`${message}. Try again later`))
  )
})

const unavailable = (message: string) => Effect.fail(new InstrumentsUnavailable({ message }))
