/** The beginning of a text that is longer than `max` characters, with its length; any other text as it is. */
export const shortened = (text: string, max: number): string =>
  text.length <= max ? text : `${text.slice(0, endOfGraphemes(text, max))}… (${text.length} characters)`

const graphemes = new Intl.Segmenter()

/** The code units that may follow a cut within one grapheme. */
const nearby = 64

/** Where a text can be cut at `max` or before so that no character is split; `max` within a grapheme that begins it. */
const endOfGraphemes = (text: string, max: number): number =>
  graphemes.segment(text.slice(0, max + nearby)).containing(max)?.index || max
