/**
 * A password in the form in which PostgreSQL keeps it for SCRAM (SASLprep, RFC 4013), as libpq sends it; the driver would send
 * it as it is. As there, a password with characters that the rules forbid stays as it is, and so does one with characters
 * beyond the first 65,536, most of which are newer than the rules.
 */
export const saslPrepared = (password: string): string => {
  const prepared = password.replaceAll(otherSpaces, " ").replaceAll(invisible, "").normalize("NFKC")
  return prepared === "" || forbidden.test(prepared) ? password : prepared
}

const otherSpaces = /[\u00A0\u1680\u2000-\u200B\u202F\u205F\u3000]/g
const invisible = /\u00AD|\u034F|\u1806|[\u180B-\u180D]|\u200C|\u200D|\u2060|[\uFE00-\uFE0F]|\uFEFF/g
const forbidden =
  /\p{Cc}|\p{Co}|\p{Cs}|\p{Cn}|[\u200E\u200F\u2028-\u202E\u206A-\u206F\uFFF9-\uFFFD]|[\u{10000}-\u{10FFFF}]/u
