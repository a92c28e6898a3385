import { Option, Redacted, Result } from "effect"
import { createCipheriv, createDecipheriv, randomBytes } from "node:crypto"

/** What an encrypted token begins with. A plain one cannot: in the header that it is sent in, a colon ends the API key. */
const mark = "aes-256-gcm:1:"
const nonceBytes = 12
const tagBytes = 16

/** CREDENTIAL_KEY, if it is set. */
export type CredentialKey = Option.Option<Redacted.Redacted<Uint8Array>>

/** The row that a token belongs to: in another row it cannot be decrypted. */
export interface TokenRow {
  readonly broker: string
  readonly userId: string | null
}

const rowBytes = ({ broker, userId }: TokenRow): Buffer => Buffer.from(JSON.stringify([broker, userId]))

/** The token as it is stored: encrypted with AES-256-GCM, or as it is without a key. */
export const sealed = (key: CredentialKey, row: TokenRow, token: string): string => {
  if (Option.isNone(key)) return token
  const nonce = randomBytes(nonceBytes)
  const cipher = createCipheriv("aes-256-gcm", Redacted.value(key.value), nonce, { authTagLength: tagBytes })
  cipher.setAAD(rowBytes(row))
  const text = Buffer.concat([cipher.update(token, "utf8"), cipher.final()])
  return `${mark}${Buffer.concat([nonce, cipher.getAuthTag(), text]).toString("base64url")}`
}

/** The token that is stored, plain or encrypted. Fails with what is wrong. */
export const unsealed = (
  key: CredentialKey,
  row: TokenRow,
  stored: string
): Result.Result<Redacted.Redacted, string> => {
  if (!stored.startsWith(mark)) return Result.succeed(Redacted.make(stored))
  if (Option.isNone(key)) {
    return Result.fail("the stored access token is encrypted, and CREDENTIAL_KEY is not set")
  }
  const bytes = Buffer.from(stored.slice(mark.length), "base64url")
  const nonce = bytes.subarray(0, nonceBytes)
  const tag = bytes.subarray(nonceBytes, nonceBytes + tagBytes)
  return Result.try({
    try: () => {
      const decipher = createDecipheriv("aes-256-gcm", Redacted.value(key.value), nonce, { authTagLength: tagBytes })
      decipher.setAAD(rowBytes(row)).setAuthTag(tag)
      const text = decipher.update(bytes.subarray(nonceBytes + tagBytes), undefined, "utf8")
      return Redacted.make(text + decipher.final("utf8"))
    },
    catch: () => "the stored access token was encrypted with another CREDENTIAL_KEY, or was changed"
  })
}
