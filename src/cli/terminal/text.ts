import stringWidth from "string-width"
import { safe } from "../../domain/text/safe.ts"

// Everything that a command shows passes through this file. Instruments, reasons, ids and names come from other
// programs, and must not move the cursor, change colours, reverse the direction of text or begin a line of their own. Each
// line therefore goes through `safe`: in `print`, `say`, `warn` and `CommandFailed` for commands, in `span` for tables and
// for `top`. Widths are cells of a terminal, not code units.

/** One line or several. A line break within one of them is masked like any other control character. */
export type Lines = string | ReadonlyArray<string>

/** The lines as one text to print, each of them safe. */
export const shown = (lines: Lines): string => (typeof lines === "string" ? [lines] : lines).map(safe).join("\n")

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

/** The text, cut to at most so many cells. `end` replaces what was cut off. */
export const cut = (text: string, cells: number, end: "…" | "" = "…"): string => {
  if (widthOf(text) <= cells) return text
  return cells <= 0 ? "" : beginningOf(text, cells - end.length) + end
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

const piecesOf = (word: string, cells: number): ReadonlyArray<string> => {
  const pieces: Array<string> = []
  for (let rest = word; rest !== "";) {
    // A wide character that does not fit into one cell is a piece of its own, so that the loop ends.
    const piece = beginningOf(rest, cells) || beginningOf(rest, 2) || rest
    pieces.push(piece)
    rest = rest.slice(piece.length)
  }
  return pieces
}
