/** Removes secrets from a text that is logged, stored or sent. */
export type Mask = (text: string) => string

/** A shorter secret occurs in any text, which could not be read any more without it. */
const minLength = 4
/** So many characters of a secret are masked even where a text was cut before its end. */
const minPrefix = 12

/**
 * Replaces each secret by `<redacted>`, however it is written: as it is, URL-encoded once or several times, with the escapes
 * of JSON, in any mixture of these, or within a text in base64; in any case, and also its beginning alone, for a text may
 * have been cut. Time grows with the length of the text.
 */
export const maskOf = (secrets: ReadonlyArray<string>): Mask => {
  const forms = [...new Set(secrets.map(decoded))]
    .flatMap((secret) => (secret.length < minLength ? [] : [writtenAnyhow(secret), ...base64Forms(secret)]))
    // Of two secrets that begin alike the longer one is looked for first.
    .toSorted((a, b) => b.length - a.length)
  if (forms.length === 0) return (text) => text
  const pattern = new RegExp(forms.join("|"), "gi")
  return (text) => text.replaceAll(pattern, "<redacted>")
}

/** A secret of an address may be URL-encoded, and shown without that. */
const decoded = (secret: string): string => {
  try {
    return decodeURIComponent(secret)
  } catch {
    return secret
  }
}

const writtenAnyhow = (secret: string): string => inOrder([...secret].map(anyForm))

/** The first characters, and as many of the others as follow. */
const inOrder = (characters: ReadonlyArray<string>): string =>
  characters.map((form, index) => (index < minPrefix ? form : `${form}?`)).join("")

/** One character: itself, perhaps behind a backslash, its bytes behind `%` or `%25`, or its code behind `\u`. */
const anyForm = (character: string): string => {
  const bytes = [...new TextEncoder().encode(character)].map((byte) => `%(?:25){0,3}${hex(byte, 2)}`).join("")
  const units = Array.from({ length: character.length }, (_, at) => `\\\\{1,4}u${hex(character.charCodeAt(at), 4)}`)
  return `(?:\\\\{0,4}${literal(character)}|${bytes}|${units.join("")})`
}

const hex = (code: number, digits: number): string => code.toString(16).padStart(digits, "0")

const literal = (character: string): string => character.replace(/[\\^$.*+?()[\]{}|/-]/, "\\$&")

/** What a text in base64 has of the secret, by its place modulo three: without the characters that depend on its neighbours. */
const base64Forms = (secret: string): ReadonlyArray<string> =>
  [0, 1, 2].flatMap((offset) => {
    const bytes = Buffer.from(`${"\0".repeat(offset)}${secret}`)
    const core = bytes.toString("base64url").slice(Math.ceil((offset * 8) / 6), Math.floor((bytes.length * 8) / 6))
    if (core.length < minPrefix) return []
    return inOrder([...core].map((character) => ({ "-": "[+-]", _: "[/_]" })[character] ?? character))
  })
