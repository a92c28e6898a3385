import { assert, describe, it } from "@effect/vitest"
import { Effect, Result } from "effect"
import { allProcessed, insertOrders, quickToReconcile, withDatabase } from "../support/daemon.ts"
import { decodeLogLine } from "../support/logLine.ts"
import { eventually, runMain, startMain } from "../support/processes.ts"
import { webhookServer } from "../support/webhookServer.ts"

const linesOf = (output: string) => output.split("\n").filter((line) => line !== "")

describe("a daemon with a webhook", () => {
  it.live("places in time while the webhook never answers, and sends each notification once later on", () =>
    withDatabase((url) =>
      Effect.gen(function* () {
        let isSlow = true
        const { url: webhook, received } = yield* webhookServer((response) => {
          if (!isSlow) response.writeHead(200).end("ok")
        })
        const environment = {
          ...quickToReconcile,
          DATABASE_URL: url,
          NOTIFY_WEBHOOK_URL: webhook,
          LOG_LEVEL: "debug",
          MOCK_BROKER_FAULT_RATE: "0.2"
        }
        yield* runMain(["halt", "--reason", "night"], environment)
        yield* runMain(["resume"], environment)
        const first = yield* startMain([], environment)
        yield* eventually(
          "the webhook is asked",
          Effect.sync(() => received.length),
          (count) => count > 0
        )
        yield* insertOrders(1, { duration_minutes: 0, total_quantity: 40, num_splits: 40 }, 0)
        yield* allProcessed(40)
        first.child.kill("SIGTERM")
        assert.strictEqual(yield* first.exit, 0, first.output())

        isSlow = false
        const before = received.length
        const second = yield* startMain([], environment)
        yield* eventually(
          "both are delivered",
          Effect.sync(() => received.length),
          (count) => count >= before + 2
        )
        second.child.kill("SIGTERM")
        assert.strictEqual(yield* second.exit, 0, second.output())
        assert.deepStrictEqual(
          received
            .slice(before)
            .map(({ body }) => JSON.parse(body).key)
            .toSorted(),
          ["halt:1", "halt:2"]
        )

        const lines = linesOf(first.output() + second.output())
        assert.isAbove(lines.length, 50)
        for (const line of lines) {
          const decoded = decodeLogLine(line)
          assert.isTrue(
            Result.isSuccess(decoded),
            `${line}\n${Result.isFailure(decoded) ? String(decoded.failure) : ""}`
          )
          for (const secret of [new URL(url).password, "very-secret", "also-secret"]) assert.notInclude(line, secret)
        }
      }).pipe(Effect.scoped)
    )
  )

  it.live("notify test shows the webhook's answer", () =>
    Effect.gen(function* () {
      const { url, received } = yield* webhookServer((response) =>
        response.writeHead(received.length === 1 ? 200 : 410).end("gone away")
      )
      const good = yield* runMain(["notify", "test"], { NOTIFY_WEBHOOK_URL: url, NOTIFY_WEBHOOK_FORMAT: "slack" })
      assert.strictEqual(good.code, 0, good.output)
      assert.match(good.output, /^Sent as slack; the webhook answered 200 within \d+ ms\n$/)
      assert.match(
        received[0]?.body ?? "",
        /^\{"text":":information_source: `A test of pulse-background's notifications/
      )
      const bad = yield* runMain(["notify", "test"], { NOTIFY_WEBHOOK_URL: url })
      assert.strictEqual(bad.code, 1)
      assert.match(bad.output, /^Nothing was told by .*: it answered 410: gone away\n$/)
      const none = yield* runMain(["notify", "test"], {})
      assert.deepStrictEqual([none.code, none.output.includes("NOTIFY_WEBHOOK_URL is not set")], [1, true])
      const wrong = yield* runMain(["notify", "test"], { NOTIFY_WEBHOOK_URL: "hooks.example.com/very-secret" })
      assert.strictEqual(wrong.code, 1)
      assert.include(wrong.output, "NOTIFY_WEBHOOK_URL must be a URL such as https://hooks.example.com/")
      assert.notInclude(wrong.output, "very-secret")
    }).pipe(Effect.scoped)
  )
})
