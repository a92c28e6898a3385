import { Effect } from "effect"
import { type ChildProcess, execFile, spawn } from "node:child_process"
import { readFile, stat } from "node:fs/promises"
import { basename } from "node:path"
import { codeOf } from "./Failure.ts"

/** The account to run PostgreSQL as when it cannot be that of this process. */
export interface Account {
  readonly name: string
  readonly uid: number
  readonly gid: number
}

/**
 * Options to spawn PostgreSQL's programs: as the account, outside the terminal's process group (Ctrl-C must not reach the
 * server), and without this process's environment, which holds credentials.
 */
export const spawnOptions = (account: Account | undefined) => ({
  cwd: process.platform === "win32" ? process.cwd() : "/",
  detached: true,
  windowsHide: true,
  env: {
    LC_ALL: "C",
    TZ: "UTC",
    PATH: process.env["PATH"] ?? "",
    ...(process.platform === "win32" ? { SystemRoot: process.env["SystemRoot"], TEMP: process.env["TEMP"] } : {})
  },
  ...(account === undefined ? {} : { uid: account.uid, gid: account.gid })
})

export interface Finished {
  /** Null when the program could not be run, or was killed. */
  readonly exitCode: number | null
  /** Its stdout and stderr, or why it could not be run. */
  readonly output: string
}

/** Runs a program to its end. An interruption kills it and its descendants. */
export const run = (
  program: string,
  args: ReadonlyArray<string>,
  options: { readonly account?: Account | undefined; readonly input?: string } = {}
): Effect.Effect<Finished> =>
  Effect.callback<Finished>((resume) => {
    const child = tryToSpawn(program, args, options.account)
    if (child instanceof Error) {
      resume(Effect.succeed({ exitCode: null, output: child.message }))
      return
    }
    let output = ""
    const collect = (chunk: Buffer) => {
      output += chunk.toString("utf8")
    }
    child.stdout?.on("data", collect)
    child.stderr?.on("data", collect)
    child.once("error", (error) => resume(Effect.succeed({ exitCode: null, output: error.message })))
    child.once("close", (exitCode) => resume(Effect.succeed({ exitCode, output: output.trim() })))
    // A program may end without reading its input.
    child.stdin?.on("error", () => {})
    child.stdin?.end(options.input ?? "")
    return Effect.sync(() => killWithDescendants(child))
  })

const tryToSpawn = (program: string, args: ReadonlyArray<string>, account: Account | undefined) => {
  try {
    return spawn(program, [...args], { ...spawnOptions(account), stdio: "pipe" })
  } catch (error) {
    return error instanceof Error ? error : new Error(String(error))
  }
}

const killWithDescendants = (child: ChildProcess): void => {
  if (child.pid === undefined) return
  signal(process.platform === "win32" ? child.pid : -child.pid, "SIGKILL")
}

/** Sends a signal; 0 only checks. False when there is no such process. One of another account counts as existing. */
export const signal = (pid: number, name: NodeJS.Signals | 0): boolean => {
  try {
    return process.kill(pid, name)
  } catch (error) {
    return codeOf(error) === "EPERM"
  }
}

/** A file of /proc; empty when the process is gone. Other failures throw, because a live process must not look dead. */
const readProc = (pid: number, name: string): Promise<string> =>
  readFile(`/proc/${pid}/${name}`, "utf8").catch((error: unknown) => {
    if (["ENOENT", "ESRCH"].includes(codeOf(error) ?? "")) return ""
    throw error
  })

/** The output of `ps` for a process, where there is no /proc; empty when the process is gone. */
const ps = (pid: number, columns: string): Promise<string> =>
  new Promise((resolve, reject) => {
    execFile("ps", ["-ww", "-o", columns, "-p", `${pid}`], { env: spawnOptions(undefined).env }, (error, stdout) => {
      if (error === null || typeof error.code === "number") resolve(stdout.trim())
      else reject(error)
    })
  })

/**
 * Distinguishes a process from earlier and later ones with the same id: when it started, and on Linux in which boot.
 * Undefined when no such process runs.
 */
export const startOf = async (pid: number): Promise<string | undefined> => {
  if (process.platform === "win32") return signal(pid, 0) ? "running" : undefined
  if (process.platform !== "linux") {
    const [state = "", ...started] = (await ps(pid, "stat=,lstart=")).split(/\s+/)
    return state === "" || state.startsWith("Z") ? undefined : started.join("").replaceAll(/[^A-Za-z0-9]/g, "")
  }
  const status = await readProc(pid, "stat")
  // The second field, the program's name, may contain spaces and parentheses, so fields are counted from its end.
  const fields = status.slice(status.lastIndexOf(")") + 2).split(" ")
  const [state, startedTicks] = [fields[0], fields[19]]
  if (startedTicks === undefined || state === "Z" || state === "X") return undefined
  const boot = await readFile("/proc/sys/kernel/random/boot_id", "utf8").catch(() => "")
  return `${boot.replaceAll(/[^a-z0-9]/g, "")}${startedTicks}`
}

/** Whether a process is the PostgreSQL server of a data folder. "unsure": a PostgreSQL server of an unknown data folder. */
export const isServerOf = async (pid: number, dataFolder: string): Promise<"yes" | "no" | "unsure"> => {
  if (process.platform === "win32") return signal(pid, 0) ? "yes" : "no"
  if (process.platform !== "linux") {
    const output = await ps(pid, "command=")
    if (output.includes(`-D ${dataFolder}`)) return "yes"
    return /(^|\/)postgres(\s|$)/.test(output) ? "unsure" : "no"
  }
  const [program = "", ...args] = (await readProc(pid, "cmdline")).split("\0")
  if (!/^postgres(:|$)/.test(basename(program))) return "no"
  if (args.includes(dataFolder)) return "yes"
  // The folder may have been renamed since the server started; the server's working directory still is that folder.
  const [itsFolder, ourFolder] = await Promise.all([
    stat(`/proc/${pid}/cwd`).catch(() => undefined),
    stat(dataFolder).catch(() => undefined)
  ])
  if (itsFolder === undefined || ourFolder === undefined) return signal(pid, 0) ? "unsure" : "no"
  return itsFolder.dev === ourFolder.dev && itsFolder.ino === ourFolder.ino ? "yes" : "no"
}
