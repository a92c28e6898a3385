export type Style = "bold" | "dim" | "red" | "yellow" | "green" | "reverse"

export interface Span {
  readonly text: string
  readonly style: Style | null
}

/** One line of the screen, as yet without colours. */
export type Line = ReadonlyArray<Span>

/** Text that is safe to show: what others have written must not move the cursor or change the colours. */
export const span = (text: string, style: Style | null = null): Span => ({
  text: text.replaceAll(/\p{Cf}/gu, "").replaceAll(/[\p{Cc}\p{Cs}\p{Zl}\p{Zp}]/gu, "?"),
  style
})

const isWide =
  /[\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6\u{20000}-\u{3fffd}\p{Emoji_Presentation}]/u
const isCombining = /\p{M}/u

const cellsOf = (character: string): number =>
  character <= "~" ? 1 : isCombining.test(character) ? 0 : isWide.test(character) ? 2 : 1

/** How many cells of a terminal a text takes. */
export const widthOf = (text: string): number => {
  let width = 0
  for (const character of text) width += cellsOf(character)
  return width
}

/** The text, cut to at most so many cells, with an ellipsis where something was cut off. */
export const cut = (text: string, cells: number): string => {
  if (widthOf(text) <= cells) return text
  if (cells <= 0) return ""
  let kept = ""
  let width = 0
  for (const character of text) {
    width += cellsOf(character)
    if (width > cells - 1) break
    kept += character
  }
  return `${kept}…`
}

/** The text in exactly so many cells. */
export const fit = (text: string, cells: number, align: "left" | "right" = "left"): string => {
  const short = cut(text, cells)
  const padding = " ".repeat(Math.max(0, cells - widthOf(short)))
  return align === "left" ? short + padding : padding + short
}

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

/** The words of a text in lines of at most so many characters; a longer word is broken. */
export const wrap = (text: string, length: number): ReadonlyArray<string> => {
  const lines: Array<string> = []
  const pieces = text.split(" ").flatMap((word) => word.match(new RegExp(`.{1,${Math.max(1, length)}}`, "gu")) ?? [])
  for (const piece of pieces) {
    const last = lines.at(-1)
    if (last !== undefined && last.length + 1 + piece.length <= length) lines[lines.length - 1] = `${last} ${piece}`
    else lines.push(piece)
  }
  return lines
}

export const plain = (line: Line): string =>
  line
    .map(({ text }) => text)
    .join("")
    .trimEnd()

const codes: Readonly<Record<Style, number>> = { bold: 1, dim: 2, reverse: 7, red: 31, green: 32, yellow: 33 }

/** The line with its colours, as a terminal understands them. */
export const paint = (line: Line): string =>
  line.map(({ text, style }) => (style === null ? text : `\u001b[${codes[style]}m${text}\u001b[0m`)).join("")
