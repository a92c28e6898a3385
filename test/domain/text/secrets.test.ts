import { assert, describe, it } from "@effect/vitest"
import { maskOf } from "../../../src/domain/text/secrets.ts"

const token = "aB3/+x=9 é{w}Zq"
const unicode = (text: string) =>
  Array.from(text, (_, at) => `\\u${text.charCodeAt(at).toString(16).padStart(4, "0")}`).join("")
const percent = (text: string) =>
  [...Buffer.from(text)].map((byte) => `%${byte.toString(16).padStart(2, "0")}`).join("")

describe("maskOf", () => {
  const mask = maskOf([token, "other-secret"])

  for (const [how, written] of Object.entries({
    "as it is": token,
    "in capitals": token.toUpperCase(),
    "URL-encoded": encodeURIComponent(token),
    "URL-encoded, character by character": percent(token),
    "URL-encoded twice": encodeURIComponent(encodeURIComponent(token)),
    "in JSON": JSON.stringify({ token }).slice(10, -2),
    "in JSON with \\/": token.replace("/", "\\/"),
    "in JSON, code by code": unicode(token),
    "in a mixture": `${percent("aB3")}\\u002f+${encodeURIComponent("x=9 é")}{w}Zq`,
    "without its end": token.slice(0, 13)
  })) {
    it(`masks a secret that is written ${how}`, () => {
      assert.strictEqual(mask(`before ${written}, after`), "before <redacted>, after")
    })
  }

  it("masks a secret within a text in base64, wherever it stands there", () => {
    for (const before of ["", "k", "ke", "key"]) {
      for (const encoding of ["base64", "base64url"] as const) {
        const shown = mask(Buffer.from(`${before}${token} and more`).toString(encoding))
        assert.include(shown, "<redacted>")
        const decoded = Buffer.from(shown.replace("<redacted>", ""), "base64").toString("latin1")
        for (let at = 0; at + 4 <= token.length; at += 1) assert.notInclude(decoded, token.slice(at, at + 4))
      }
    }
  })

  it("masks a secret that is given URL-encoded where it is shown decoded", () => {
    assert.strictEqual(maskOf(["/hooks/a%2Fb%20c"])("POST /hooks/a/b c"), "POST <redacted>")
  })

  it("leaves other texts, and secrets that are too short to be told from them", () => {
    assert.strictEqual(mask("Insufficient funds, aB3 and other"), "Insufficient funds, aB3 and other")
    assert.strictEqual(maskOf(["s", ""])("Insufficient funds"), "Insufficient funds")
    assert.strictEqual(maskOf([])("anything"), "anything")
  })

  it("takes time in proportion to the text", () => {
    const started = performance.now()
    for (const part of ["%25", "\\", "aB3/+x=", "%61"]) mask(part.repeat(300_000))
    assert.isBelow(performance.now() - started, 2000)
  })
})
