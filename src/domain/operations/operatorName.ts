import { Result } from "effect"
import { safe } from "../text/safe.ts"

const maxName = 64

/** Letters, digits and the signs of names and mail addresses, with single plain spaces between. */
const shape = /^[\p{L}\p{Nd}](?:[\p{L}\p{M}\p{Nd}._@'+-]| (?=[\p{L}\p{Nd}]))+$/u

/** Whether a name of Latin letters has a letter or a mark of another script among them, such as a Cyrillic one that looks the same. */
const isMixed = (name: string): boolean =>
  /\p{Script=Latin}/u.test(name) && /[[\p{L}\p{M}]--[\p{Script=Latin}\u0300-\u036f]]/v.test(name)

/** Accounts that many people share. */
const shared: ReadonlySet<string> = new Set(["root", "node", "nobody", "admin", "administrator", "operator", "pulse"])

/** Whether an account tells nobody who uses it, as in containers: its name is shared, or a number. */
export const isShared = (account: string): boolean => shared.has(account.toLowerCase()) || /^\d+$/.test(account)

/**
 * A person's name as it is recorded with what the person does. Fails with words that complete "NAME must be …" unless it is
 * one line that looks like what it is: without characters that are taken for others, and without the brackets and commas
 * that stand around names in the records.
 */
export const operatorName = (text: string): Result.Result<string, string> => {
  const name = text.trim()
  const isPlain =
    name.length <= maxName &&
    shape.test(name) &&
    name === name.normalize("NFKC") &&
    safe(name) === name &&
    !isMixed(name)
  return isPlain && !isShared(name)
    ? Result.succeed(name)
    : Result.fail(
        `a person's name of 2 to ${maxName} letters, digits, single spaces and . _ @ ' + -, not a shared account such as root`
      )
}

/**
 * Whether two names may be one person's, who wrote it differently: in capitals, with accents, with other signs between, or
 * with the domain of a mail address.
 */
export const mayBeSamePerson = (a: string, b: string): boolean => bare(a) === bare(b)

const bare = (name: string): string =>
  (name.split("@")[0] ?? "")
    .normalize("NFKD")
    .toLowerCase()
    .replaceAll(/[\u0300-\u036f]|[^\p{L}\p{M}\p{Nd}]/gu, "")
