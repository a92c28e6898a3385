/** A piece of HTML that is safe to put into a page. Only {@link html} and {@link trusted} make one. */
export class Html {
  readonly text: string
  constructor(text: string) {
    this.text = text
  }
}

export type HtmlValue = string | number | Html | ReadonlyArray<Html> | null

/** A piece of HTML out of a template, with every text in it escaped; null is nothing. */
export const html = (strings: TemplateStringsArray, ...values: ReadonlyArray<HtmlValue>): Html =>
  new Html(strings.map((part, index) => part + textOf(values[index] ?? null)).join(""))

/** Marks text of our own making, never of the database's or a user's, as HTML. */
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

/** Without invisible characters, either: some turn the direction of what follows. */
const escaped = (text: string): string =>
  text.replaceAll(/[\p{Cc}\p{Cf}]/gu, " ").replaceAll(/[&<>"']/g, (character) => entities[character] ?? "")
