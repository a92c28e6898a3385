import stringWidth from "string-width"
import { safe } from "../../domain/text/safe.ts"
import { shortened } from "../../domain/text/shortened.ts"

// Everything that a command shows passes through this file. Instruments, reasons, ids and names come from other
// programs, and must not move the cursor, change colours, reverse the direction of text or begin a line of their own, and
// they may be of any length. Each line therefore goes through `safe`: in `print`, `say`, `warn` and `CommandFailed` for
// commands, in `span` for tables and for `top`. Widths are cells of a terminal, not code units.

/** One line or several. A line break within one of them is masked like any other control character. */
export type Lines = string | ReadonlyArray<string>

/** The most characters of a line, and of a cell of a table. Longer texts are whole in JSON only. */
export const maxLine = 10_000
const maxCell = 2000

/** The lines as one text to print, each of them safe. */
export const shown = (lines: Lines): string =>
  (typeof lines === "string" ? [lines] : lines).map((line) => safe(shortened(line, maxLine))).join("\n")

/** A text of a row as it is shown in a cell or a line of a screen: safe, and cut where it is very long. */
export const shownCell = (text: string): string => safe(shortened(text, maxCell))

/** The width of a text in cells. */
export const widthOf = (text: string): number => stringWidth(text, { countAnsiEscapeCodes: true })

const graphemes = new Intl.Segmenter()

/** The longest beginning of a text that fits into so many cells. Graphemes are kept whole. */
const beginningOf = (text: string, cells: number): string => {
  let [length, width] = [0, 0]
  for (const { segment } of graphemes.segment(text)) {
    width += widthOf(segment)
    if (width > cells) break
    length += segment.length
  }
  return text.slice(0, length)
}

/** The code units of a cell: a text with more is cut before it is measured, because measuring takes long. */
const maxUnits = 32

/** The text, cut to at most so many cells. `end` replaces what was cut off. */
export const cut = (text: string, cells: number, end: "…" | "" = "…"): string => {
  const isShort = text.length <= cells * maxUnits
  if (isShort && widthOf(text) <= cells) return text
  return cells <= 0 ? "" : beginningOf(isShort ? text : text.slice(0, cells * maxUnits), cells - end.length) + end
}

export type Align = "left" | "right"

/** The text, padded with spaces to at least so many cells. */
export const pad = (text: string, cells: number, align: Align = "left"): string => {
  const padding = " ".repeat(Math.max(0, cells - widthOf(text)))
  return align === "left" ? text + padding : padding + text
}

/** The text, cut or padded to exactly so many cells. */
export const fit = (text: string, cells: number, align: Align = "left"): string => pad(cut(text, cells), cells, align)

/** The text in lines of at most so many cells, broken between words. A longer word is broken too. */
export const wrap = (text: string, cells: number): ReadonlyArray<string> => {
  const lines: Array<string> = []
  for (const piece of text.split(" ").flatMap((word) => piecesOf(word, Math.max(1, cells)))) {
    const last = lines.at(-1)
    if (last !== undefined && widthOf(last) + 1 + widthOf(piece) <= cells) lines[lines.length - 1] = `${last} ${piece}`
    else lines.push(piece)
  }
  return lines
}

/** A word in pieces of at most so many cells. A character that is wider is a piece of its own. */
export const piecesOf = (word: string, cells: number): ReadonlyArray<string> => {
  if (word.length <= cells && widthOf(word) <= cells) return word === "" ? [] : [word]
  const pieces: Array<string> = []
  let [start, length, width] = [0, 0, 0]
  for (const { segment } of graphemes.segment(word)) {
    const more = widthOf(segment)
    if (length > 0 && width + more > cells) {
      pieces.push(word.slice(start, start + length))
      ;[start, length, width] = [start + length, 0, 0]
    }
    length += segment.length
    width += more
  }
  pieces.push(word.slice(start))
  return pieces
}
