import { assert, describe, it } from "@effect/vitest"
import { spawn } from "node:child_process"
import { once } from "node:events"
import { readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"

const root = new URL("../../src/", import.meta.url).pathname

/** The modules that write to a terminal themselves. */
const writers = [
  // Everything passes through it.
  "cli/terminal/output.ts",
  // It enters and leaves the alternate screen; lines are made by output.ts.
  "cli/top/screen.ts",
  // It runs before anything else is loaded.
  "checkNode.ts"
]

/** A process that runs a script with the module of the output. */
const run = (script: string) =>
  spawn(
    process.execPath,
    [
      "--input-type=module",
      "-e",
      `const { terminalConsole, untilWritten } = await import(${JSON.stringify(join(root, "cli/terminal/output.ts"))})
      const { Effect, Fiber } = await import("effect")
      ${script}`
    ],
    { cwd: root, stdio: ["ignore", "pipe", "pipe"] }
  )

describe("the output", () => {
  it("passes through one module", () => {
    const found = readdirSync(root, { recursive: true, encoding: "utf8" }).filter(
      (file) =>
        file.endsWith(".ts") &&
        /process\.(?:stdout|stderr)\.write|(?<![\w.])console\.\w+\(|\.\.\.console\b/.test(
          readFileSync(join(root, file), "utf8")
        )
    )
    assert.sameMembers(found, writers)
  })

  it("masks whatever the program prints, and is complete when its reader is slow", async () => {
    const child = run(`
      terminalConsole.log("\\u001b[31mred\\u001b[0m \\u001b]0;t\\u0007 \\u202e%s", "x")
      terminalConsole.error("\\u009b2J " + "y".repeat(100000))
      terminalConsole.log("z".repeat(3000000))
      await Effect.runPromise(untilWritten(Effect.void))
      process.exit(0)`)
    const read = async (stream: NodeJS.ReadableStream) => {
      const chunks: Array<Buffer> = []
      for await (const chunk of stream) chunks.push(Buffer.from(chunk))
      return Buffer.concat(chunks).toString()
    }
    // Nobody reads before the pipes are full.
    await once(child.stderr, "readable")
    const [stdout, stderr] = await Promise.all([read(child.stdout), read(child.stderr)])
    assert.strictEqual(stdout, `\u001b[31mred\u001b[0m ?]0;t? ?x\n${"z".repeat(3_000_000)}\n`)
    assert.match(stderr, /^\?2J y{9996}… \(100004 characters\)\n$/)
  })

  it("does not keep a process that is told to stop, when nobody reads", async () => {
    const child = run(`
      terminalConsole.log("z".repeat(3000000))
      const fiber = Effect.runFork(untilWritten(Effect.never))
      await Effect.runPromise(Fiber.interrupt(fiber))
      process.exit(7)`)
    const [code] = await once(child, "exit")
    assert.strictEqual(code, 7)
  })
})
