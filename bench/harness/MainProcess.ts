import { spawn } from "node:child_process"
import { once } from "node:events"
import { createInterface } from "node:readline"
import { fileURLToPath } from "node:url"
import type { BenchDatabase } from "./Bench.ts"

const main = fileURLToPath(new URL("../../dist/main.js", import.meta.url))

export interface MainProcess {
  readonly pid: number
  /** From the start of the process until it logged that it is ready. */
  readonly readyMillis: number
  /** The line that says so. */
  readonly readyLine: string
}

/** Runs a command of dist/main.js during `use`, from the moment it logs a line that contains `ready`. */
export const withMain = async <A>(
  args: ReadonlyArray<string>,
  environment: Readonly<Record<string, string>>,
  ready: string,
  use: (process: MainProcess) => Promise<A>
): Promise<A> => {
  const began = performance.now()
  const child = spawn(process.execPath, [main, ...args], {
    env: { PATH: process.env["PATH"], ...environment },
    stdio: ["ignore", "pipe", "inherit"]
  })
  const ended = once(child, "exit")
  try {
    const readyLine = await new Promise<string>((resolve, reject) => {
      const lines = createInterface({ input: child.stdout })
      lines.on("line", (line) => line.includes(ready) && resolve(line))
      lines.on("close", () => reject(new Error(`dist/main.js ${args.join(" ")} did not start`)))
    })
    return await use({ pid: child.pid ?? Number.NaN, readyMillis: performance.now() - began, readyLine })
  } finally {
    child.kill("SIGTERM")
    await ended
  }
}

/** Runs the daemon during `use`, with its default settings and the mock broker unless `environment` says otherwise. */
export const withDaemon = <A>(
  { url }: BenchDatabase,
  use: (daemon: MainProcess) => Promise<A>,
  environment: Readonly<Record<string, string>> = {}
): Promise<A> => withMain([], { DATABASE_URL: url, ...environment }, " is running as ", use)
