import { safeJson } from "./safe.ts"

const maxLength = 200

/**
 * The beginning of a received text, quoted on one line, with escapes for control and format characters; `empty` stands for a
 * text without content.
 */
export const excerpt = (text: string, empty: string): string =>
  text === "" ? empty : safeJson(JSON.stringify(text.slice(0, maxLength)))
