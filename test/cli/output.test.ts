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
    const module = join(root, "cli/terminal/output.ts")
    const script = `
      const { allWritten, terminalConsole } = await import(${JSON.stringify(module)})
      const { Effect } = await import("effect")
      terminalConsole.log("\\u001b[31mred\\u001b[0m \\u001b]0;t\\u0007 \\u202e%s", "x")
      terminalConsole.error("\\u009b2J " + "y".repeat(100000))
      terminalConsole.log("z".repeat(3000000))
      await Effect.runPromise(allWritten)
      process.exit(0)`
    const child = spawn(process.execPath, ["--input-type=module", "-e", script], {
      cwd: root,
      stdio: ["ignore", "pipe", "pipe"]
    })
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
})
