import { assert, describe, it } from "@effect/vitest"
import { DateTime } from "effect"
import { bodyOf, type Delivery } from "../../../src/domain/operations/notification.ts"

const delivery = (changed: Partial<Delivery>): Delivery => ({
  key: "shortfall:o1",
  kind: "shortfall",
  severity: "warning",
  message: "a message",
  orderId: "o1",
  sliceId: null,
  reasonCode: null,
  foundAt: DateTime.makeUnsafe(0),
  ...changed
})

/** The text of a chat message without the mark before it. */
const chatText = (message: string): string => {
  const { text } = bodyOf("slack", delivery({ message }))
  const [, shown = assert.fail(`not one code span after the mark: ${text}`)] =
    /^:warning: `([^`]*)`$/u.exec(String(text)) ?? []
  return shown
}

describe("a chat message", () => {
  for (const [what, message, shown] of [
    ["mentions of Slack", "<!channel> <!here|x> <@U123> <#C1>", "＜!channel＞ ＜!here｜x＞ ＜＠U123＞ ＜#C1＞"],
    ["mentions of Mattermost", "@all @here @channel @ops", "＠all ＠here ＠channel ＠ops"],
    ["entities", "&lt;!channel&gt; &#64;here", "＆lt;!channel＆gt; ＆#64;here"],
    ["links", "[x](http://evil) <http://evil|x> https://evil", "［x］(http：//evil) ＜http：//evil｜x＞ https：//evil"],
    ["bold, strikethrough and code", "*a* **b** ~c~ `d` ```e```", "＊a＊ ＊＊b＊＊ ～c～ ｀d｀ ｀｀｀e｀｀｀"],
    ["marks", ":rotating_light: x:+1:y :a:b:", "：rotating_light: x：+1:y ：a：b:"],
    ["pictographs", "🚨 ⚠️ done", "? ? done"],
    ["line breaks and escapes", "a\r\nb\u2028c\u001b]0;x\u0007\u009b2Jd\u0000", "a??b?c?］0;x??2Jd?"],
    ["bidi marks and half characters", "a\u202eb\u2066c\u200bd\ud83de\udc00", "a?b?c?d?e?"]
  ] as const) {
    it(`shows ${what} as they are written, without effect`, () => {
      assert.strictEqual(chatText(message), shown)
    })
  }

  it("keeps the ids, times and commands of the service", () => {
    const message =
      'Order my_order-1.2 (BUY 100 NSE:M_M) since 00:00:15 (UTC): see "order show my_order-1.2" and the broker\'s own pages'
    assert.strictEqual(chatText(message), message)
  })

  it("alone has the mark of its severity, before the text", () => {
    const forged = "fine\n:rotating_light: PLACEMENTS GO ON"
    assert.strictEqual(
      bodyOf("slack", delivery({ severity: "info", message: forged }))["text"],
      ":information_source: `fine?：rotating_light: PLACEMENTS GO ON`"
    )
  })

  it("turns off what Slack adds to a text", () => {
    assert.deepInclude(bodyOf("slack", delivery({})), {
      parse: "none",
      link_names: false,
      unfurl_links: false,
      unfurl_media: false
    })
  })
})

describe("the body of a notification", () => {
  const hostile = "a\u202eb\n\u001b[31m\u0000\ud83dc"

  it("has no control or format character of a row, in either format", () => {
    const odd = delivery({ key: hostile, message: hostile, orderId: hostile, sliceId: hostile, reasonCode: hostile })
    for (const format of ["json", "slack"] as const) {
      const values = Object.values(bodyOf(format, odd)).map(String)
      assert.notMatch(values.join(""), /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/u)
    }
    assert.deepInclude(bodyOf("json", odd), { message: "a?b??[31m??c", order_id: "a?b??[31m??c" })
  })

  it("keeps different keys different", () => {
    const [one, other] = ["o\u202e", "o\u202d"].map((key) => bodyOf("json", delivery({ key }))["key"])
    assert.deepStrictEqual([one, other], ["o%202e", "o%202d"])
  })

  it("is short, and made at once, however long its texts are", () => {
    for (const part of ["x", "<@", ":a", "🚨", "\u202e"]) {
      const long = part.repeat(1_000_000)
      const odd = delivery({ message: long, orderId: long, sliceId: long, reasonCode: long })
      for (const format of ["json", "slack"] as const) {
        assert.isBelow(JSON.stringify(bodyOf(format, odd)).length, 5_000)
      }
    }
  })

  it("says how many notifications a summary stands for, and nothing of it otherwise", () => {
    assert.deepInclude(bodyOf("json", delivery({ count: 4000, orderId: null })), { count: 4000, order_id: null })
    assert.notProperty(bodyOf("json", delivery({})), "count")
  })
})
