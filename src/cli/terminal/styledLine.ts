import { cut, shownCell, widthOf } from "./text.ts"

export type Style = "bold" | "dim" | "red" | "yellow" | "green" | "reverse"

/** A piece of a line in one style. Its text is safe: spans are made by {@link span}. */
export interface Span {
  readonly text: string
  readonly style: Style | null
}

/** One line of a screen or a table. */
export type Line = ReadonlyArray<Span>

/** A span of any text, made safe. */
export const span = (text: string, style: Style | null = null): Span => ({ text: shownCell(text), style })

/** The line, cut to at most so many cells. */
export const cutLine = (line: Line, cells: number): Line => {
  const kept: Array<Span> = []
  let left = cells
  for (const { text, style } of line) {
    if (left <= 0) break
    const short = cut(text, left)
    kept.push({ text: short, style })
    left -= widthOf(short)
    if (short !== text) break
  }
  return kept
}

/** The line without colours and without trailing spaces. */
export const plain = (line: Line): string =>
  line
    .map(({ text }) => text)
    .join("")
    .trimEnd()

const codes: Readonly<Record<Style, number>> = { bold: 1, dim: 2, reverse: 7, red: 31, green: 32, yellow: 33 }

/** The line with the terminal's codes for its colours. */
export const paint = (line: Line): string =>
  line.map(({ text, style }) => (style === null ? text : `\u001b[${codes[style]}m${text}\u001b[0m`)).join("")
