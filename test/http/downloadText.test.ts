import { assert, describe, it } from "@effect/vitest"
import { Duration, Effect } from "effect"
import type { ServerResponse } from "node:http"
import { downloadText } from "../../src/http/downloadText.ts"
import { wayOutHttp } from "../../src/http/wayOut.ts"
import { configuration } from "../support/database.ts"
import { webhookServer } from "../support/webhookServer.ts"

/** What a download of at most 100 bytes gives, or why it gives nothing. */
const download = (answer: (response: ServerResponse) => void) =>
  Effect.gen(function* () {
    const { url } = yield* webhookServer(answer)
    return yield* downloadText(new URL(url), 100).pipe(Effect.catch(Effect.succeed))
  }).pipe(
    Effect.scoped,
    Effect.provide(wayOutHttp(() => ({ keepAlive: false, connectTimeout: Duration.seconds(10) }))),
    Effect.provide(configuration())
  )

describe("downloadText", () => {
  for (const [what, answer, expected] of [
    ["a text", (response: ServerResponse) => response.end("{}"), "{}"],
    [
      "a refusal",
      (response: ServerResponse) => response.writeHead(401).end("<html>"),
      "answered 401: it wants a browser or a login; save its answer as a file"
    ],
    [
      "a redirect",
      (response: ServerResponse) => response.writeHead(302, { location: "/elsewhere" }).end(),
      "answered 302: it sends on to another address, which is not followed"
    ],
    ["an empty answer", (response: ServerResponse) => response.writeHead(204).end(), "answered 204"],
    ["too much", (response: ServerResponse) => response.end("x".repeat(101)), "must have at most 100 bytes"],
    ["no text", (response: ServerResponse) => response.end(Buffer.from([0xff, 0xfe])), "must be text in UTF-8"],
    ["a broken connection", (response: ServerResponse) => response.destroy(), "could not be reached: socket hang up"]
  ] as const) {
    it.live(`of ${what}`, () => Effect.map(download(answer), (said) => assert.strictEqual(said, expected)))
  }
})
