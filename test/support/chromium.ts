import { Effect, Schema } from "effect"
import { type ChildProcess, spawn } from "node:child_process"
import { existsSync } from "node:fs"
import { mkdtemp, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { delimiter, join } from "node:path"

/** The path of Chromium on this machine; undefined when there is none. */
export const chromiumPath: string | undefined = ["chromium", "chromium-browser", "google-chrome"]
  .flatMap((name) => (process.env["PATH"] ?? "").split(delimiter).map((folder) => join(folder, name)))
  .find((path) => existsSync(path))

const Message = Schema.Struct({
  id: Schema.optionalKey(Schema.Int),
  method: Schema.optionalKey(Schema.String),
  params: Schema.optionalKey(Schema.Unknown),
  result: Schema.optionalKey(Schema.Unknown),
  error: Schema.optionalKey(Schema.Unknown)
})
const decodeMessage = Schema.decodeUnknownSync(Schema.fromJsonString(Message))
type Message = typeof Message.Type
const decodeValue = Schema.decodeUnknownSync(Schema.Struct({ result: Schema.Struct({ value: Schema.Unknown }) }))

/** A tab, controlled by the DevTools protocol. */
export interface Tab {
  readonly send: (method: string, params?: object) => Promise<unknown>
  /** Opens a page, and waits until it is loaded. */
  readonly open: (url: string) => Promise<void>
  /** The value of an expression in the page. */
  readonly evaluate: (expression: string) => Promise<unknown>
  /** The parameters of all events with this name so far. */
  readonly events: (method: string) => ReadonlyArray<unknown>
}

const addressOf = (child: ChildProcess) =>
  new Promise<string>((resolve, reject) => {
    let said = ""
    child.stderr?.on("data", (chunk: Buffer) => {
      said += chunk.toString()
      const [, address] = /DevTools listening on (ws:\S+)/.exec(said) ?? []
      if (address !== undefined) resolve(address)
    })
    child.on("exit", () => reject(new Error(`Chromium ended: ${said}`)))
  })

const connect = async (address: string): Promise<WebSocket> => {
  const socket = new WebSocket(address)
  await new Promise((resolve, reject) => {
    socket.addEventListener("open", resolve, { once: true })
    socket.addEventListener("error", () => reject(new Error(`cannot speak to ${address}`)), { once: true })
  })
  return socket
}

const makeTab = async (socket: WebSocket): Promise<Tab> => {
  const pending = new Map<number, (message: Message) => void>()
  const seen: Array<Message> = []
  let count = 0
  let loaded: () => void = () => undefined
  socket.addEventListener("message", ({ data }) => {
    const message = decodeMessage(data)
    if (message.id !== undefined) return pending.get(message.id)?.(message)
    seen.push(message)
    if (message.method === "Page.loadEventFired") loaded()
  })
  const sendTo = async (sessionId: string | undefined, method: string, params: object) => {
    count += 1
    const id = count
    const answer = new Promise<Message>((resolve) => pending.set(id, resolve))
    socket.send(JSON.stringify({ id, method, params, sessionId }))
    const { result, error } = await answer
    if (error !== undefined) throw new Error(`${method}: ${JSON.stringify(error)}`)
    return result
  }
  const { targetId } = Schema.decodeUnknownSync(Schema.Struct({ targetId: Schema.String }))(
    await sendTo(undefined, "Target.createTarget", { url: "about:blank" })
  )
  const { sessionId } = Schema.decodeUnknownSync(Schema.Struct({ sessionId: Schema.String }))(
    await sendTo(undefined, "Target.attachToTarget", { targetId, flatten: true })
  )
  const send = (method: string, params: object = {}) => sendTo(sessionId, method, params)
  await Promise.all(["Page", "Network", "Log", "Runtime"].map((domain) => send(`${domain}.enable`)))
  return {
    send,
    open: async (url) => {
      const isLoaded = new Promise<void>((resolve) => (loaded = resolve))
      await send("Page.navigate", { url })
      await isLoaded
    },
    evaluate: async (expression) =>
      decodeValue(await send("Runtime.evaluate", { expression, returnByValue: true })).result.value,
    events: (method) => seen.filter((message) => message.method === method).map(({ params }) => params)
  }
}

/** A headless Chromium with one tab, which ends when the scope closes. */
export const aTab = (path: string) =>
  Effect.gen(function* () {
    const folder = yield* Effect.acquireRelease(
      Effect.promise(() => mkdtemp(join(tmpdir(), "pulse-chromium-"))),
      (path) => Effect.promise(() => rm(path, { recursive: true, force: true, maxRetries: 5 }))
    )
    const child = yield* Effect.acquireRelease(
      Effect.sync(() =>
        spawn(
          path,
          ["--headless", "--no-sandbox", "--disable-gpu", "--remote-debugging-port=0", `--user-data-dir=${folder}`],
          { stdio: ["ignore", "ignore", "pipe"] }
        )
      ),
      (child) =>
        Effect.promise(
          () =>
            new Promise((resolve) => {
              if (child.exitCode !== null || child.signalCode !== null) return resolve(undefined)
              child.on("exit", resolve)
              child.kill()
            })
        )
    )
    const socket = yield* Effect.acquireRelease(
      Effect.promise(async () => connect(await addressOf(child))),
      (socket) => Effect.sync(() => socket.close())
    )
    return yield* Effect.promise(() => makeTab(socket))
  })
