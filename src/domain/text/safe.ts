/**
 * The text as one line that is safe to show: each control and format character, such as a bidi mark, becomes `?`, so that
 * an id with one is not taken for another id.
 */
export const safe = (text: string): string => text.replaceAll(/[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu, "?")

/**
 * The same JSON with escapes for characters that JSON allows and a terminal may obey: DEL, C1 controls, format
 * characters.
 */
export const safeJson = (json: string): string =>
  json.replaceAll(/[\u007f-\u009f\p{Cf}\p{Zl}\p{Zp}]/gu, (character) =>
    Array.from(
      { length: character.length },
      (_, unit) => `\\u${character.charCodeAt(unit).toString(16).padStart(4, "0")}`
    ).join("")
  )
