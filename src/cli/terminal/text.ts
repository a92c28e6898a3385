import stringWidth from "string-width"

/**
 * What every command does to a text before a terminal sees it. Instruments, reasons, ids and names come from other
 * programs: none of them may move the cursor, change colours, turn the direction of what follows or begin a line of its
 * own. So each line goes through {@link safe} on its way out, in `print` and `say` for commands, in `span` for screens and
 * tables. Widths are those of a terminal's cells, not of JavaScript's code units.
 */

/** A text as one line that is safe to show: format characters (bidi marks) are left out, controls become `?`. */
export const safe = (text: string): string =>
  text.replaceAll(/\p{Cf}/gu, "").replaceAll(/[\p{Cc}\p{Cs}\p{Zl}\p{Zp}]/gu, "?")

/** What a command prints: one line, or several. A line break within a line is a control character like others. */
export type Lines = string | ReadonlyArray<string>

/** Lines as they are printed, each of them safe. */
export const shown = (lines: Lines): string => (typeof lines === "string" ? [lines] : lines).map(safe).join("\n")

/** JSON with escapes for what JSON allows as it is, and a terminal may obey: DEL, the C1 controls, bidi marks and others. */
export const safeJson = (json: string): string =>
  json.replaceAll(/[\u007f-\u009f\p{Cf}\p{Zl}\p{Zp}]/gu, (character) =>
    Array.from(
      { length: character.length },
      (_, unit) => `\\u${character.charCodeAt(unit).toString(16).padStart(4, "0")}`
    ).join("")
  )

/** How many cells of a terminal a text takes. */
export const widthOf = (text: string): number => stringWidth(text, { countAnsiEscapeCodes: true })

const graphemes = new Intl.Segmenter()

/** As much of a text's beginning as fits into so many cells; never part of a character. */
const beginningOf = (text: string, cells: number): string => {
  let [length, width] = [0, 0]
  for (const { segment } of graphemes.segment(text)) {
    width += widthOf(segment)
    if (width > cells) break
    length += segment.length
  }
  return text.slice(0, length)
}

/** The text, cut to at most so many cells; `end` stands where something was cut off. */
export const cut = (text: string, cells: number, end: "…" | "" = "…"): string => {
  if (widthOf(text) <= cells) return text
  return cells <= 0 ? "" : beginningOf(text, cells - end.length) + end
}

export type Align = "left" | "right"

/** The text with spaces for at least so many cells. */
export const pad = (text: string, cells: number, align: Align = "left"): string => {
  const padding = " ".repeat(Math.max(0, cells - widthOf(text)))
  return align === "left" ? text + padding : padding + text
}

/** The text in exactly so many cells. */
export const fit = (text: string, cells: number, align: Align = "left"): string => pad(cut(text, cells), cells, align)

/** The words of a text in lines of at most so many cells; a longer word is broken. */
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
    // A wide character in a column of one cell has no room, and is a piece all the same.
    const piece = beginningOf(rest, cells) || beginningOf(rest, 2) || rest
    pieces.push(piece)
    rest = rest.slice(piece.length)
  }
  return pieces
}
