import { DateTime, Effect, Layer, Option, Redacted, Result, Schema } from "effect"
import { Argument, Command, Flag, Prompt } from "effect/cli"
import { lookupAnswer } from "../../broker/zerodha/kiteAnswers.ts"
import { KiteClient } from "../../broker/zerodha/KiteClient.ts"
import { AccessToken, tokenEnd, tokenOfCommand, zerodha } from "../../broker/zerodha/kiteTokens.ts"
import { exchange, type KiteUser, loginPage, profile, requestTokenIn } from "../../broker/zerodha/login.ts"
import { Configuration } from "../../config/Configuration.ts"
import { fileVariable } from "../../config/secretFile.ts"
import { seenAddress } from "../../http/seenAddress.ts"
import { BrokerInUseStore } from "../../stores/account/BrokerInUseStore.ts"
import { CredentialStore } from "../../stores/account/CredentialStore.ts"
import type { Asked } from "../../stores/sql/insertActions.ts"
import { CommandFailed, CommandLayer, json, optionalReason, print, say } from "../shared/environment.ts"
import { textArgument, textFlag } from "../shared/flags.ts"
import { as, askedFor } from "../shared/operator.ts"

const ZerodhaLayer = Layer.mergeAll(KiteClient.layer, CredentialStore.layer, BrokerInUseStore.layer).pipe(
  Layer.provideMerge(CommandLayer)
)

/** The most characters of a token, and of the address that a login ends on. */
const maxTokenLength = 4096

const login = Command.make(
  "login",
  {
    requestToken: textFlag("request-token", maxTokenLength).pipe(
      Flag.withDescription("The request token, or the whole address that the browser was sent to after the login"),
      Flag.optional
    ),
    as,
    reason: optionalReason
  },
  Effect.fnUntraced(function* (given) {
    const config = yield* Configuration
    const asked = yield* askedFor(given)
    const apiKey = Redacted.value(yield* needed(config.zerodhaApiKey, "ZERODHA_API_KEY"))
    const apiSecret = yield* needed(config.zerodhaApiSecret, "ZERODHA_API_SECRET", ", and only this command needs it")
    const page = loginPage(config.zerodhaLoginUrl, apiKey)
    if (Option.isNone(given.requestToken)) yield* say(["Log in on this page:", "", `  ${page}`, ""])
    const pasted = yield* Option.match(given.requestToken, {
      onSome: Effect.succeed,
      onNone: () => ask("Then paste the address that the browser was sent to:", "--request-token")
    })
    const session = yield* exchange(apiKey, apiSecret, requestTokenIn(pasted)).pipe(
      Effect.mapError(
        ({ message }) =>
          new CommandFailed({
            message: `There is no new access token: ${message} A request token is good once and for minutes; log in anew`
          })
      )
    )
    yield* store(session.accessToken, session, { ...asked, with: "zerodha login" })
  }, Effect.provide(ZerodhaLayer))
).pipe(Command.withDescription("Get a new access token: log in, and exchange the request token"))

const setToken = Command.make(
  "set",
  {
    token: textArgument("TOKEN", maxTokenLength).pipe(
      Argument.withDescription("The access token; better left out and typed when asked, so that no history keeps it"),
      Argument.optional
    ),
    as,
    reason: optionalReason
  },
  Effect.fnUntraced(function* (given) {
    yield* needed((yield* Configuration).zerodhaApiKey, "ZERODHA_API_KEY")
    const asked = yield* askedFor(given)
    const token = yield* Option.match(given.token, {
      onSome: Effect.succeed,
      onNone: () => ask("The access token:", "the argument TOKEN", true)
    })
    if (!isAccessToken(token)) {
      return yield* new CommandFailed({
        message: "An access token is one word of plain characters; nothing was changed"
      })
    }
    const accessToken = Redacted.make(token)
    const user = yield* Effect.result(profile(accessToken))
    if (Result.isFailure(user) && user.failure._tag === "BrokerCredentialsInvalid" && user.failure.kind === "token") {
      return yield* new CommandFailed({
        message: `Zerodha does not accept this token (${user.failure.message}); nothing was changed`
      })
    }
    const whose = Result.isSuccess(user) ? user.success : { unknownFor: user.failure.message }
    yield* store(accessToken, whose, { ...asked, with: "zerodha token set" })
  }, Effect.provide(ZerodhaLayer))
).pipe(Command.withDescription("Store an access token that was got elsewhere"))

const showToken = Command.make(
  "show",
  { json },
  Effect.fnUntraced(function* (given) {
    const stored = yield* (yield* CredentialStore).token(zerodha)
    if (Option.isNone(stored)) {
      return yield* new CommandFailed({ message: 'No access token is stored. "zerodha login" gets one' })
    }
    const { accessToken, setAt, setBy, refusedReason } = stored.value
    const unreadable = Option.getOrNull(Result.getFailure(accessToken))
    const state = { setAt, setBy, endsAt: tokenEnd(setAt), refusedReason, unreadable, now: yield* DateTime.now }
    yield* print(given.json, state, (state) =>
      [
        `Set ${DateTime.formatIso(setAt)} by ${setBy}`,
        DateTime.isLessThan(state.now, state.endsAt)
          ? `good until ${DateTime.formatIso(state.endsAt)}`
          : `ended at ${DateTime.formatIso(state.endsAt)}`,
        ...(unreadable === null ? [] : [`of no use here: ${unreadable}`]),
        ...(refusedReason === null ? [] : [`refused by Zerodha: ${refusedReason}`])
      ].join(", ")
    )
  }, Effect.provide(ZerodhaLayer))
).pipe(Command.withDescription("Say when the stored access token was set and until when it is good; never shows it"))

const check = Command.make(
  "check",
  {},
  Effect.fnUntraced(function* () {
    const config = yield* Configuration
    yield* needed(config.zerodhaApiKey, "ZERODHA_API_KEY")
    yield* say(`ok  settings: ${config.zerodhaUrl}, ${config.dryRun ? "dry run: nothing is sent" : "orders are sent"}`)
    const stored = yield* (yield* CredentialStore).token(zerodha)
    const chosen = tokenOfCommand(stored, config.zerodhaAccessToken, yield* DateTime.now)
    if (Result.isFailure(chosen)) return yield* new CommandFailed({ message: `no  access token: ${chosen.failure}` })
    const token = chosen.success
    const user = yield* Effect.mapError(profile(token), (error) =>
      error._tag === "BrokerCredentialsInvalid" && error.kind === "token"
        ? new CommandFailed({ message: `no  access token: ${error.message} Run "zerodha login"` })
        : new CommandFailed({ message: `no  access token: Zerodha could not be asked: ${error.message}` })
    )
    yield* say(`ok  access token: of ${user.userId} ${user.userName}`.trimEnd())
    const account = yield* (yield* BrokerInUseStore).account
    if (account !== null && account !== user.userId) {
      return yield* new CommandFailed({
        message: `no  account: this database's orders are in that of ${account}; to change it: "halt", and "zerodha login"`
      })
    }
    const client = yield* KiteClient
    const answer = yield* client.send({ method: "GET", path: "/orders", accessToken: Option.some(token) })
    yield* Effect.mapError(
      Effect.fromResult(lookupAnswer(answer, yield* DateTime.now)),
      ({ message }) => new CommandFailed({ message: `no  order list: ${message}` })
    )
    yield* say("ok  order list: can be read")
    const seen = Option.match(yield* client.wayOut, { onNone: () => "not known", onSome: seenAddress })
    yield* say(`??  network address: ${seen}. Only a placement tells whether Zerodha takes orders from it`)
  }, Effect.provide(ZerodhaLayer))
).pipe(Command.withDescription("Check settings, access token and order list, without placing anything"))

export const zerodhaCommand = Command.make("zerodha").pipe(
  Command.withDescription("Log in to Zerodha, and look after its access token"),
  Command.withSubcommands([
    login,
    Command.make("token").pipe(
      Command.withDescription("The stored access token"),
      Command.withSubcommands([setToken, showToken])
    ),
    check
  ])
)

const isAccessToken = Schema.is(AccessToken)

const needed = (value: Option.Option<Redacted.Redacted>, name: string, why = "") =>
  Effect.mapError(
    Effect.fromOption(value),
    () =>
      new CommandFailed({
        message: `${name} must be set, or ${fileVariable(name)}: it is shown on developers.kite.trade${why}`
      })
  )

/** Prompts on a terminal, else reads stdin. */
const ask = (message: string, instead: string, isSecret = false) =>
  process.stdin.isTTY
    ? isSecret
      ? Effect.map(Prompt.run(Prompt.Hidden({ message })), Redacted.value)
      : Prompt.run(Prompt.String({ message }))
    : Effect.filterOrFail(
        Effect.map(readStdin, (text) => text.trim()),
        (text) => text !== "" && text.length <= maxTokenLength,
        (text) =>
          new CommandFailed({
            message:
              text === ""
                ? `Give it as ${instead}, or run this in a terminal`
                : `It must have at most ${maxTokenLength} characters; nothing was changed`
          })
      )

/** What is piped in, up to a length at which it is no token and no address. */
const readStdin = Effect.promise(async () => {
  let text = ""
  for await (const chunk of process.stdin) {
    text += String(chunk)
    if (text.length > maxTokenLength) break
  }
  return text
})

/**
 * Stores a token and its account. Refused while slices of another account would be looked up in the wrong order list.
 */
const store = Effect.fnUntraced(function* (
  accessToken: Redacted.Redacted,
  user: KiteUser | { unknownFor: string },
  asked: Asked & { readonly with: "zerodha login" | "zerodha token set" }
) {
  const setAt = yield* DateTime.now
  const userId = "userId" in user ? user.userId : null
  if (userId !== null) {
    const account = yield* (yield* BrokerInUseStore).changeAccount(userId)
    if (account !== userId) {
      return yield* new CommandFailed({
        message:
          `This is the access token of ${userId}, but this database's orders are in the account of ${account}; nothing was ` +
          `changed. To change the account, run "halt", let every slice come to its end or give it up, and do this again`
      })
    }
  }
  yield* (yield* CredentialStore).set(zerodha, { accessToken: Redacted.value(accessToken), setAt, userId }, asked)
  const whose =
    "userId" in user
      ? `${user.userId} ${user.userName}`.trim()
      : `an unknown user, for Zerodha could not be asked (${user.unknownFor})`
  yield* say(
    `Stored the access token of ${whose}, good until ${DateTime.formatIso(tokenEnd(setAt))}. ` +
      "Running daemons take it up within seconds"
  )
})
