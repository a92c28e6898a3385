/**
 * The text as one line that is safe to show: each control and format character, such as a bidi mark, and each other
 * invisible character becomes `?`, so that an id with one is not taken for another id. So does what follows the
 * eighth combining mark of a character: hundreds of them cover the lines above and below.
 */
export const safe = (text: string): string =>
  text
    .replaceAll(/[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}[\p{Default_Ignorable_Code_Point}--[\ufe00-\ufe0f]]]/gv, "?")
    .replaceAll(/(\p{M}{8})\p{M}+/gu, "$1?")

/** The same JSON with escapes for characters that JSON allows and a terminal may obey: DEL, C1 controls, format characters. */
export const safeJson = (json: string): string =>
  json.replaceAll(/[\u007f-\u009f\p{Cf}\p{Zl}\p{Zp}]/gu, (character) =>
    Array.from(
      { length: character.length },
      (_, unit) => `\\u${character.charCodeAt(unit).toString(16).padStart(4, "0")}`
    ).join("")
  )

/**
 * A whole output with nothing in it that a terminal obeys, other than line breaks and the codes of colours. Text of
 * rows comes here masked by {@link safe}, which masks their colours too; this is for what was not.
 */
export const safeOutput = (output: string): string =>
  // oxlint-disable-next-line no-control-regex -- an escape is what it looks for
  output.replaceAll(/\u001b\[[\d;]{0,16}m|[^\P{Cc}\n]|[\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu, (found) =>
    found.endsWith("m") ? found : "?"
  )
