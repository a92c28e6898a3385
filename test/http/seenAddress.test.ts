import { assert, describe, it } from "@effect/vitest"
import { Option } from "effect"
import { seenAddress } from "../../src/http/seenAddress.ts"

describe("seenAddress", () => {
  for (const [local, says] of [
    ["203.0.113.7", /^203\.0\.113\.7, if nothing/],
    ["::ffff:203.0.113.7", /^203\.0\.113\.7, if nothing/],
    ["2001:db8::7", /^2001:db8::7, if nothing/],
    ["172.31.0.9", /is 172\.31\.0\.9, which is private/],
    ["100.64.1.1", /which is private/],
    ["fd12::1", /which is private/],
    ["127.0.0.1", /this very host/],
    ["?", /not known/]
  ] as const) {
    it(`says what a server sees of ${local}`, () => {
      assert.match(seenAddress({ local, remote: "192.0.2.1", proxy: Option.none() }), says)
    })
  }

  it("does not take this host's address for the one behind a proxy", () => {
    const seen = seenAddress({ local: "203.0.113.7", remote: "192.0.2.1", proxy: Option.some("proxy:3128") })
    assert.match(seen, /proxy:3128/)
    assert.notInclude(seen, "203.0.113.7")
  })
})
