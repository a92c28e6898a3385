import { type ChildProcess, fork } from "node:child_process"
import { once } from "node:events"
import { fileURLToPath } from "node:url"
import type { Call } from "../contenders/Contender.ts"
import type { ContenderName } from "../contenders/contenders.ts"

const script = fileURLToPath(new URL("./worker.ts", import.meta.url))

export interface Usage {
  /** User and system time since the process began to work. */
  readonly cpuMicros: number
  readonly rssBytes: number
}

export interface Report extends Usage {
  readonly calls: ReadonlyArray<Call>
}

/** A worker process (worker.ts) of a contender, seen from the bench. */
export interface RunningWorker {
  /** Resolves when the process has made the expected number of calls. */
  readonly reached: Promise<unknown>
  readonly report: () => Promise<Report>
  readonly usage: () => Promise<Usage>
  readonly stop: () => Promise<void>
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

export const startWorker = async (
  name: ContenderName,
  url: string,
  isTuned: boolean,
  expected: number
): Promise<RunningWorker> => {
  const child = fork(script, [name, url, isTuned ? "tuned" : "default", String(expected)], {
    stdio: ["ignore", "ignore", "inherit", "ipc"],
    serialization: "advanced"
  })
  const reached = nextMessage(child, "Reached")
  // Some scenarios do not wait for it, and an unhandled rejection must not end the bench.
  reached.catch(() => undefined)
  await nextMessage(child, "Started")
  return {
    reached,
    report: () => ask(child, "report", "Report", isReport),
    usage: () => ask(child, "usage", "Usage", isUsage),
    stop: async () => {
      if (child.exitCode !== null || child.signalCode !== null) return
      const ended = once(child, "exit")
      child.send("stop")
      await ended
    }
  }
}
