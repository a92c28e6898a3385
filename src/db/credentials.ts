import { Effect, Redacted, Result } from "effect"
import { createPrivateKey, X509Certificate } from "node:crypto"
import { stat } from "node:fs/promises"
import { createSecureContext, getCACertificates, type ConnectionOptions } from "node:tls"
import { type DatabaseAddress, type DatabaseHost, isVerified, type TlsRules } from "../config/databaseAddress.ts"
import { findPassword } from "../config/passwordFile.ts"
import { readTextFile } from "../config/readTextFile.ts"
import { DbError } from "./DbError.ts"
import { saslPrepared } from "./saslPrepared.ts"

/*
 * What an address needs from files: the authorities and the client's certificate for TLS, and passwords. They are read once, when
 * the process connects for the first time.
 */

const maxBytes = 4_000_000

const unusable = (message: string) =>
  new DbError({
    operation: "connect",
    message: `Cannot connect to the database: ${message}`,
    isTransient: false,
    sqlState: null
  })

const saidOf = (error: unknown): string => (error instanceof Error ? error.message : String(error))

const read = (what: string, path: string) =>
  Effect.mapError(readTextFile(path, maxBytes), (problem) => unusable(`the ${what} ${path} ${problem}`))

/** Whether others than the owner, or than root's group, may read a file; false where there are no such permissions. */
const isOpenToOthers = (path: string) =>
  Effect.match(
    Effect.tryPromise(() => stat(path)),
    {
      onFailure: () => false,
      onSuccess: ({ mode, uid }) =>
        process.platform !== "win32" && (mode & (uid === 0 && process.getuid?.() !== 0 ? 0o027 : 0o077)) !== 0
    }
  )

/** The options of a TLS connection to a host by the rules, which verify what the mode asks for. */
export const tlsOptions = Effect.fnUntraced(function* (rules: TlsRules) {
  const { clientCertificate, keyPassword, maxVersion, minVersion, mode, rootCertificate } = rules
  const verified = isVerified(rules)
  const own = clientCertificate === null ? {} : yield* readOwn(clientCertificate, keyPassword)
  const options: ConnectionOptions = {
    ...own,
    ...(verified && rootCertificate !== null ? { ca: yield* readAuthorities(rootCertificate) } : {}),
    ...(minVersion === null ? {} : { minVersion }),
    ...(maxVersion === null ? {} : { maxVersion }),
    rejectUnauthorized: verified,
    // The name in the certificate counts with verify-full only.
    ...(verified && mode !== "verify-full" ? { checkServerIdentity: () => undefined } : {})
  }
  const { minVersion: _min, maxVersion: _max, ...material } = options
  yield* Effect.try({
    try: () => createSecureContext(material),
    catch: (error) => unusable(`the TLS files cannot be used: ${saidOf(error)}`)
  })
  return options
})

const readAuthorities = Effect.fnUntraced(function* (rootCertificate: string) {
  if (rootCertificate === "system") return [...getCACertificates("system"), ...getCACertificates("default")]
  const text = yield* read("file of authorities", rootCertificate)
  const found = text.match(/-----BEGIN CERTIFICATE-----[\s\S]+?-----END CERTIFICATE-----/g)
  return found === null
    ? yield* unusable(`the file of authorities ${rootCertificate} must have certificates in PEM`)
    : [...found]
})

const readOwn = Effect.fnUntraced(function* (
  { certificate, key }: NonNullable<TlsRules["clientCertificate"]>,
  keyPassword: Redacted.Redacted | null
) {
  if (yield* isOpenToOthers(key)) return yield* unusable(`others may read the key ${key}: chmod 600 it`)
  const own = {
    cert: yield* read("certificate", certificate),
    key: yield* read("key", key),
    ...(keyPassword === null ? {} : { passphrase: Redacted.value(keyPassword) })
  }
  const isPair = yield* Effect.try({
    try: () => new X509Certificate(own.cert).checkPrivateKey(createPrivateKey({ format: "pem", ...own })),
    catch: (error) => unusable(keyProblem(saidOf(error), certificate, key))
  })
  return isPair ? own : yield* unusable(`the key ${key} is not that of the certificate ${certificate}`)
})

/** What OpenSSL's words about a certificate and its key mean. It cancels when it is not given the password of a key. */
const keyProblem = (said: string, certificate: string, key: string): string => {
  if (said.includes("interrupted or cancelled")) {
    return `the key ${key} is encrypted: give its password as sslpassword, with %25 for % and so on`
  }
  return said.includes("bad decrypt")
    ? `sslpassword does not open the key ${key}`
    : `the certificate ${certificate} and its key ${key} must be in PEM (${said})`
}

/** The password for each host: that of the address, or of the password file. Null: there is none, and none may be needed. */
export const passwordsOf = (address: DatabaseAddress) =>
  Effect.map(findPasswords(address), (passwordFor) => (host: DatabaseHost): Redacted.Redacted | null => {
    const password = passwordFor(host)
    return password === null ? null : Redacted.make(saslPrepared(Redacted.value(password)))
  })

const findPasswords = Effect.fnUntraced(function* (address: DatabaseAddress) {
  const { database, password, passwordFile, user } = address
  if (password !== null || passwordFile === null) return () => password
  const { isNamed, path } = passwordFile
  const text = yield* Effect.result(read("password file", path))
  if (Result.isFailure(text)) return isNamed ? yield* text.failure : () => null
  if (yield* isOpenToOthers(path)) {
    const message = `others may read the password file ${path}: chmod 600 it`
    if (isNamed) return yield* unusable(message)
    yield* Effect.logWarning(`${message}. It is not used.`)
    return () => null
  }
  return ({ host, port }: DatabaseHost): Redacted.Redacted | null => {
    const found = findPassword(text.success, { host, port, database, user })
    return found === null ? null : Redacted.make(found)
  }
})
