import { BigDecimal, Cause, Context, DateTime, Effect, Exit, Layer, Redacted, Result, type Scope } from "effect"
import { createServer, type ServerResponse } from "node:http"
import { gzipSync } from "node:zlib"
import type { SeededChoices } from "../../simulation/SeededChoices.ts"
import { Broker, type Placement } from "../../src/broker/Broker.ts"
import { KiteClient } from "../../src/broker/zerodha/KiteClient.ts"
import { KiteSession } from "../../src/broker/zerodha/KiteSession.ts"
import { OrderFeed } from "../../src/broker/zerodha/OrderFeed.ts"
import { ZerodhaBroker } from "../../src/broker/zerodha/ZerodhaBroker.ts"
import { DatabaseClock } from "../../src/clock/DatabaseClock.ts"
import type { BrokerError } from "../../src/domain/model/BrokerError.ts"
import { BrokerOrderId, OrderId, SliceId, Tag } from "../../src/domain/model/Ids.ts"
import { Instrument } from "../../src/domain/model/Order.ts"
import type { Area, Finding, Sample } from "../harness/Area.ts"
import { configurationOf } from "../harness/configurationOf.ts"
import { millisSince } from "../harness/Effort.ts"
import { FuzzRun } from "../harness/FuzzRun.ts"
import { inReport } from "../harness/texts.ts"
import { anyAnswer, wrongMeaning, wrongWords } from "./answers.ts"

/** An answer as it comes over a connection. */
export interface HttpAnswer {
  readonly call: "place" | "cancel"
  readonly status: number
  readonly body: string
  /** How the answer is sent. What is cut or lies about itself can mean nothing but unknown. */
  readonly manner: (typeof manners)[number] | typeof rareManner
}

const manners = [
  "plain",
  "gzip",
  "gzip without its end",
  "bytes that are no UTF-8",
  "too long for its length",
  "too short for its length",
  "chunks without an end",
  "closed before an answer",
  "no HTTP",
  "a redirect",
  "endless headers"
] as const
/** Costly to send, and therefore rare. */
const rareManner = "a bomb"

/** The statuses that a server can send as the end of a request. */
const sendable = [
  200, 200, 200, 400, 400, 403, 401, 428, 429, 500, 502, 503, 504, 201, 204, 206, 301, 304, 404, 599
] as const

const bomb = gzipSync(Buffer.alloc(80 * 1024 * 1024))

const generate = (choices: SeededChoices): HttpAnswer => ({
  call: choices.hits(0.8) ? "place" : "cancel",
  ...anyAnswer(choices, sendable),
  manner: choices.hits(0.6) ? "plain" : choices.hits(0.002) ? rareManner : choices.oneOf(manners)
})

const secret = "S3CR3T-token"

/** Sends what a manner of sending makes of an answer, and closes the connection where it leaves it unusable. */
const send = (response: ServerResponse, { status, body, manner }: HttpAnswer): void => {
  const bytes = Buffer.from(body)
  const raw = (head: string, content: Buffer) => {
    response.socket?.write(Buffer.concat([Buffer.from(`${head}\r\nConnection: close\r\n\r\n`), content]))
    response.socket?.end()
  }
  const line = `HTTP/1.1 ${status} Said`
  switch (manner) {
    case "plain":
      response.writeHead(status, { "content-type": "application/json" }).end(bytes)
      return
    case "gzip":
      response.writeHead(status, { "content-encoding": "gzip" }).end(gzipSync(bytes))
      return
    case "gzip without its end":
      response.writeHead(status, { "content-encoding": "gzip" }).end(gzipSync(bytes).subarray(0, -9))
      return
    case "bytes that are no UTF-8":
      response.writeHead(status).end(Buffer.concat([Buffer.from([0xc3, 0x28]), bytes]))
      return
    case "too long for its length":
      return raw(`${line}\r\nContent-Length: ${Math.floor(bytes.length / 2)}`, bytes)
    case "too short for its length":
      return raw(`${line}\r\nContent-Length: ${bytes.length + 10}`, bytes)
    case "chunks without an end":
      return raw(
        `${line}\r\nTransfer-Encoding: chunked`,
        Buffer.concat([Buffer.from(`${(bytes.length + 10).toString(16)}\r\n`), bytes])
      )
    case "closed before an answer":
      response.socket?.destroy()
      return
    case "no HTTP":
      return raw("SSH-2.0-OpenSSH_9.6", bytes)
    case "a redirect":
      response.writeHead(307, { location: "/elsewhere" }).end(bytes)
      return
    case "a bomb":
      response.writeHead(status, { "content-encoding": "gzip" }).end(bomb)
      return
    case "endless headers":
      return raw(`${line}\r\n${"X-More: x\r\n".repeat(20_000)}Content-Length: ${bytes.length}`, bytes)
  }
}

/** The status and the body that a client may rely on; null if nothing of the answer can be. */
const reliable = ({ status, body, manner }: HttpAnswer): { readonly status: number; readonly body: string } | null => {
  const isWithout = status === 204 || status === 304
  switch (manner) {
    case "plain":
    case "gzip":
      return { status, body: isWithout ? "" : new TextDecoder().decode(Buffer.from(body)) }
    case "bytes that are no UTF-8":
      return { status, body: "\ufffd(" }
    case "too long for its length": {
      const bytes = Buffer.from(body)
      return {
        status,
        body: new TextDecoder().decode(isWithout ? Buffer.alloc(0) : bytes.subarray(0, Math.floor(bytes.length / 2)))
      }
    }
    default:
      return null
  }
}

const wrongOutcome = (input: HttpAnswer, outcome: Result.Result<unknown, BrokerError>): string | null => {
  if (Result.isFailure(outcome) && outcome.failure.message.includes(secret)) return "the message has the token in it"
  const heard = reliable(input)
  if (heard === null) {
    return Result.isFailure(outcome) && outcome.failure._tag === "BrokerOutcomeUnknown"
      ? null
      : `it counts as ${Result.isSuccess(outcome) ? "taken" : outcome.failure._tag}, and nothing of it can be relied on`
  }
  return wrongMeaning(heard, input.call === "place" ? outcome : Result.map(outcome, () => null))
}

const placementOf = (key: string): Placement => ({
  orderId: OrderId.make("order"),
  sliceId: SliceId.make(key),
  tag: Tag.make(key),
  quantity: 10,
  instrument: Instrument.make("NSE:INFY"),
  side: "BUY",
  orderType: "LIMIT",
  limitPrice: BigDecimal.make(1500n, 0),
  productType: "CNC",
  validity: "DAY",
  deadline: DateTime.makeUnsafe("9999-01-01T00:00:00Z")
})

/** Kite's answers by the tag or the order id that each request names, on a free port, until the scope closes. */
const server = (answers: ReadonlyMap<string, HttpAnswer>): Effect.Effect<string, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.callback<{ readonly url: string; readonly close: () => void }>((resume) => {
      const http = createServer((request, response) => {
        let form = ""
        request.setEncoding("utf8")
        request.on("data", (chunk: string) => (form += chunk))
        request.on("end", () => {
          const key = new URLSearchParams(form).get("tag") ?? request.url?.split("/").at(-1) ?? ""
          const answer = answers.get(key)
          if (answer === undefined) response.writeHead(404).end("not asked for")
          else send(response, answer)
        })
      })
      http.on("connection", (socket) => socket.on("error", () => undefined))
      http.listen(0, "127.0.0.1", () => {
        const address = http.address()
        const close = () => {
          http.close()
          http.closeAllConnections()
        }
        resume(Effect.succeed({ url: `http://127.0.0.1:${typeof address === "object" ? address?.port : 0}`, close }))
      })
    }),
    ({ close }) => Effect.sync(close)
  ).pipe(Effect.map(({ url }) => url))

const brokerAt = (url: string) =>
  Layer.fresh(ZerodhaBroker).pipe(
    Layer.provide([
      Layer.succeed(
        KiteSession,
        KiteSession.of({ accessToken: Effect.succeed(Redacted.make(secret)), refused: () => Effect.void })
      ),
      Layer.succeed(OrderFeed, OrderFeed.of({ changed: Effect.never })),
      Layer.mock(DatabaseClock)({ waitForOffset: Effect.void }),
      Layer.fresh(KiteClient.layer)
    ]),
    Layer.provide(configurationOf({ BROKER_TYPE: "zerodha", ZERODHA_API_KEY: "key", ZERODHA_URL: url }))
  )

/** Broker answers over real connections, through the real client: cut, compressed, mislabelled or no HTTP at all. */
export const http: Area<HttpAnswer> = {
  name: "http",
  batchSize: 50,
  inFlight: 1,
  weight: 1,
  generate,
  shown: (input) => inReport(JSON.stringify(input), 1000),
  open: Effect.gen(function* () {
    const answers = new Map<string, HttpAnswer>()
    const url = yield* server(answers)
    const broker = Context.get(yield* Layer.build(brokerAt(url)), Broker)
    let calls = 0

    const judgeOne = Effect.fnUntraced(function* ({ index, input }: Sample<HttpAnswer>) {
      const { effort } = yield* FuzzRun
      const key = `${calls++}`
      answers.set(key, input)
      const before = process.threadCpuUsage()
      const call: Effect.Effect<unknown, BrokerError> =
        input.call === "place" ? broker.place(placementOf(key)) : broker.cancel(BrokerOrderId.make(key))
      const exit = yield* Effect.exit(Effect.result(call))
      const costly = effort.note(index, millisSince(before))
      answers.delete(key)
      if (Exit.isFailure(exit)) return [{ index, what: `a defect: ${Cause.pretty(exit.cause).slice(0, 500)}` }]
      const what = wrongWords(exit.value) ?? wrongOutcome(input, exit.value) ?? costly
      return what === null ? [] : [{ index, what }]
    })

    return (samples) => Effect.map(Effect.forEach(samples, judgeOne), (found): ReadonlyArray<Finding> => found.flat())
  })
}
