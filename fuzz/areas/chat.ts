import { DateTime } from "effect"
import type { SeededChoices } from "../../simulation/SeededChoices.ts"
import { bodyOf, type Notification, type NotificationFormat } from "../../src/domain/operations/notification.ts"
import { pureArea } from "../harness/pureArea.ts"
import { hostileText, rawCharacterIn } from "../harness/texts.ts"

/** What a notification is made of. */
export interface ChatInput {
  readonly format: NotificationFormat
  readonly message: string
  readonly id: string
}

const messageOf = (choices: SeededChoices, id: string): string =>
  choices.hits(0.5)
    ? `Order ${id} (BUY 10 ${hostileText(choices)}) is FAILED: ${hostileText(choices)}`
    : hostileText(choices)

const foundAt = DateTime.makeUnsafe("2026-11-24T04:00:00Z")

const notificationOf = ({ message, id }: ChatInput): Notification => ({
  key: `shortfall:${id}`,
  kind: "shortfall",
  severity: "warning",
  message,
  orderId: id,
  sliceId: null,
  reasonCode: null,
  foundAt
})

/** What Slack and Mattermost act on, wherever it stands: mentions, links, markup, marks that look like the service's own. */
const acts: ReadonlyArray<readonly [string, RegExp]> = [
  ["a mention or a link", /[<>]/],
  ["a mention", /@[a-z]/i],
  ["a link", /https?:\/\//i],
  ["a link", /\]\(/],
  ["an emoji", /:[a-z_]+:/]
]

/** Notifications: words of rows and brokers reach a chat without any effect. */
export const chat = pureArea({
  name: "chat",
  generate: (choices): ChatInput => {
    const id = hostileText(choices, { max: 64 })
    return { format: choices.hits(0.5) ? "slack" : "json", message: messageOf(choices, id), id }
  },
  read: (input) => bodyOf(input.format, notificationOf(input)),
  verdict: ({ format }, body) => {
    const texts = Object.values(body).filter((value) => typeof value === "string")
    for (const text of texts) {
      const odd = rawCharacterIn(text)
      if (odd !== null) return `a text has a raw ${odd}`
      if (text.length > 5000) return `a text has ${text.length} characters`
    }
    if (format === "json") return null
    const said = String(body["text"]).replace(/^:[a-z_]+: /, "")
    return acts.find(([, pattern]) => pattern.test(said))?.[0] ?? null
  }
})
