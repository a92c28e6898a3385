import { shortened } from "../../domain/text/shortened.ts"

/** A piece of HTML that is safe to put into a page. Only {@link html} and {@link trusted} make one. */
export class Html {
  readonly text: string
  constructor(text: string) {
    this.text = text
  }
}

export type HtmlValue = string | number | Html | ReadonlyArray<Html> | null

/** A piece of HTML from a template. Every text in it is escaped; null is nothing. */
export const html = (strings: TemplateStringsArray, ...values: ReadonlyArray<HtmlValue>): Html =>
  new Html(strings.map((part, index) => part + textOf(values[index] ?? null)).join(""))

/** Marks text that this program wrote as HTML. Text from the database or a user must never get here. */
export const trusted = (text: string): Html => new Html(text)

const textOf = (value: HtmlValue): string => {
  if (value === null) return ""
  if (value instanceof Html) return value.text
  return typeof value === "object" ? value.map(({ text }) => text).join("") : escaped(String(value))
}

const entities: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "'": "&#39;"
}

/** The most characters of one text: an instrument or a reason may have a million. */
const maxText = 10_000

/** Drops invisible characters as well: some reverse the direction of the text that follows. */
const escaped = (text: string): string =>
  shortened(text, maxText)
    .replaceAll(/[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu, " ")
    .replaceAll(/[&<>"']/g, (character) => entities[character] ?? "")
