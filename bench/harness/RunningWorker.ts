import { type ChildProcess, fork } from "node:child_process"
import { once } from "node:events"
import { fileURLToPath } from "node:url"
import type { Call } from "../contenders/Contender.ts"
import type { Entry } from "../contenders/labels.ts"

const script = fileURLToPath(new URL("./worker.ts", import.meta.url))

export interface Usage {
  /** User and system time since the process began to work. */
  readonly cpuMicros: number
  readonly rssBytes: number
}

export interface Report extends Usage {
  readonly calls: ReadonlyArray<Call>
}

/** A call, told when it was made; `key` and `tag` as in WorkOptions. */
export interface WatchedCall {
  readonly key: number | string
  readonly tag?: string
  readonly atMillis: number
}

/** What outlives a worker process that is killed: its calls, and the broker's order list that they make. */
export interface Watch {
  readonly onCall: (call: WatchedCall) => void
  readonly placedOf: (tags: ReadonlyArray<string>) => ReadonlyArray<string>
}

/** A worker process (worker.ts) of a contender, seen from the bench. */
export interface RunningWorker {
  /** Resolves when the process has made the expected number of calls. */
  readonly reached: Promise<unknown>
  readonly report: () => Promise<Report>
  readonly usage: () => Promise<Usage>
  /** Lets the broker show its orders as filled. */
  readonly fill: () => void
  readonly stop: () => Promise<void>
  readonly kill: () => Promise<void>
}

const nextMessage = (child: ChildProcess, tag: string): Promise<unknown> =>
  new Promise((resolve, reject) => {
    const onMessage = (message: unknown) => {
      if (typeof message !== "object" || message === null || !("_tag" in message) || message._tag !== tag) return
      child.off("message", onMessage)
      resolve(message)
    }
    child.on("message", onMessage)
    child.once("exit", (code) => reject(new Error(`A worker process ended with exit code ${code}`)))
  })

const isUsage = (message: unknown): message is Usage =>
  typeof message === "object" && message !== null && "cpuMicros" in message && "rssBytes" in message

const isReport = (message: unknown): message is Report =>
  isUsage(message) && "calls" in message && Array.isArray(message.calls)

const isWatchedCall = (message: unknown): message is WatchedCall =>
  typeof message === "object" && message !== null && "key" in message && "atMillis" in message

const isQuestion = (message: unknown): message is { readonly id: number; readonly tags: ReadonlyArray<string> } =>
  typeof message === "object" && message !== null && "tags" in message && Array.isArray(message.tags)

const ask = async <A>(
  child: ChildProcess,
  question: string,
  tag: string,
  isAnswer: (message: unknown) => message is A
): Promise<A> => {
  const answer = nextMessage(child, tag)
  child.send(question)
  const message = await answer
  if (!isAnswer(message)) throw new Error(`A worker process gave no ${question}`)
  return message
}

export interface WorkerOptions {
  readonly url: string
  /** How many calls it will make. */
  readonly expected: number
  readonly watch?: Watch | undefined
}

export const startWorker = async (
  { contender, isTuned }: Entry,
  { url, expected, watch }: WorkerOptions
): Promise<RunningWorker> => {
  const args = [
    contender,
    url,
    isTuned ? "tuned" : "default",
    String(expected),
    watch === undefined ? "alone" : "watched"
  ]
  const child = fork(script, args, { stdio: ["ignore", "ignore", "inherit", "ipc"], serialization: "advanced" })
  if (watch !== undefined) {
    child.on("message", (message) => {
      if (isWatchedCall(message)) watch.onCall(message)
      if (isQuestion(message) && child.connected) child.send({ id: message.id, placed: watch.placedOf(message.tags) })
    })
  }
  const reached = nextMessage(child, "Reached")
  // Some scenarios do not wait for it, and an unhandled rejection must not end the bench.
  reached.catch(() => undefined)
  await nextMessage(child, "Started")
  const hasEnded = () => child.exitCode !== null || child.signalCode !== null
  return {
    reached,
    report: () => ask(child, "report", "Report", isReport),
    usage: () => ask(child, "usage", "Usage", isUsage),
    fill: () => void child.send("fill"),
    stop: async () => {
      if (hasEnded()) return
      const ended = once(child, "exit")
      child.send("stop")
      await ended
    },
    kill: async () => {
      if (hasEnded()) return
      const ended = once(child, "exit")
      child.kill("SIGKILL")
      await ended
    }
  }
}
