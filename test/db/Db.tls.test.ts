import { assert, describe, layer } from "@effect/vitest"
import { Context, Effect, Layer, Schema } from "effect"
import { createPrivateKey, generateKeyPairSync } from "node:crypto"
import { readFileSync } from "node:fs"
import { chmod, copyFile, mkdtemp, rm, writeFile } from "node:fs/promises"
import { createServer, type Server } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { Configuration } from "../../src/config/Configuration.ts"
import { Db } from "../../src/db/Db.ts"
import { DbError } from "../../src/db/DbError.ts"
import { configuration } from "../support/database.ts"
import { type TcpPostgres, tcpPostgres, tlsFile } from "../support/tcpPostgres.ts"

class Servers extends Context.Service<Servers, { readonly secure: TcpPostgres; readonly plain: TcpPostgres }>()(
  "test/Servers"
) {}

/** The role of the client's certificate; a role that must use TLS, and one that must not; everybody else with a password. */
const hba = `
hostssl all certified all cert
hostssl all encrypted all trust
hostnossl all unencrypted all trust
host all pulse_background,typist all scram-sha-256
`

const servers = Layer.effect(
  Servers,
  Effect.gen(function* () {
    const secure = yield* tcpPostgres({ tls: true, hba: hba })
    const plain = yield* tcpPostgres({ tls: false, hba: hba })
    yield* asked(secure.url("localhost"), {}, (sql) =>
      Effect.forEach(["certified", "encrypted", "unencrypted"], (role) => sql.unsafe(`CREATE ROLE ${role} LOGIN`))
    )
    return Servers.of({ secure, plain })
  })
).pipe(Layer.orDie)

/** Runs work on a database as the service would with these variables. */
const asked = <A, E>(
  url: string,
  environment: Readonly<Record<string, string>>,
  work: (sql: Db["Service"]["sql"], db: Db["Service"]) => Effect.Effect<A, E>
) =>
  Effect.gen(function* () {
    const { database } = yield* Configuration
    if (database === null) return assert.fail("no DATABASE_URL")
    return yield* Effect.flatMap(Db, (db) => work(db.sql, db)).pipe(
      Effect.provide(Layer.fresh(Db.layer({ address: database })))
    )
  }).pipe(Effect.provide(configuration({ DATABASE_URL: url, ...environment }), { local: true }))

const Encryption = Schema.Struct({ ssl: Schema.Boolean })

const isEncrypted = (url: string, environment: Readonly<Record<string, string>> = {}) =>
  asked(url, environment, (sql, db) =>
    Effect.gen(function* () {
      const { ssl } = yield* db.queryOne(
        "test.ssl",
        Encryption,
        sql`SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()`
      )
      assert.strictEqual(yield* db.isEncrypted, ssl)
      return ssl
    })
  )

/** The words of a failed connection. */
const refusal = (url: string, environment: Readonly<Record<string, string>> = {}) =>
  Effect.map(Effect.flip(isEncrypted(url, environment)), (error) => {
    assert.instanceOf(error, DbError)
    return error.message
  })

const folder = Effect.acquireRelease(
  Effect.promise(() => mkdtemp(join(tmpdir(), "pulse-tls-"))),
  (path) => Effect.promise(() => rm(path, { recursive: true }))
)

/** A server that closes each connection after the first bytes, which are noted in hexadecimal. */
const serverThatHangsUp = (tried: Array<string>) =>
  Effect.map(
    Effect.acquireRelease(
      Effect.callback<Server>((resume) => {
        const server = createServer((socket) => {
          socket.on("error", () => undefined)
          socket.once("data", (bytes) => {
            tried.push(bytes.toString("hex"))
            socket.end()
          })
        })
        server.listen(0, "127.0.0.1", () => resume(Effect.succeed(server)))
      }),
      (server) => Effect.sync(() => server.close())
    ),
    (server) => {
      const address = server.address()
      return typeof address === "object" && address !== null ? address.port : assert.fail("no port")
    }
  )

const authority = encodeURIComponent(tlsFile("authority.crt"))
const other = encodeURIComponent(tlsFile("other.crt"))

layer(servers, { timeout: "2 minutes", excludeTestServices: true })("Db: TLS", (it) => {
  describe("sslmode", () => {
    it.effect("encrypts wherever the server can, and only there, by default", () =>
      Effect.gen(function* () {
        const { plain, secure } = yield* Servers
        assert.isTrue(yield* isEncrypted(secure.url("localhost")))
        assert.isTrue(yield* isEncrypted(secure.url("127.0.0.1", "sslmode=prefer")))
        assert.isFalse(yield* isEncrypted(plain.url("localhost")))
        assert.isFalse(yield* isEncrypted(secure.url("localhost", "sslmode=disable")))
        assert.isFalse(yield* isEncrypted(secure.url("localhost", "sslmode=allow")))
      })
    )

    it.effect("tries the other way when the server refuses the first one", () =>
      Effect.gen(function* () {
        const { secure } = yield* Servers
        const as = (role: string, mode: string) =>
          `postgres://${role}@localhost:${secure.port}/pulse_background?sslmode=${mode}`
        assert.isFalse(yield* isEncrypted(as("unencrypted", "prefer")))
        assert.isTrue(yield* isEncrypted(as("encrypted", "allow")))
        assert.include(yield* refusal(as("encrypted", "disable")), "write sslmode=require or verify-full")
        assert.include(yield* refusal(as("unencrypted", "require")), "no pg_hba.conf entry")
      })
    )

    it.effect("does not fall back to plain text when the connection breaks", () =>
      Effect.gen(function* () {
        const tried: Array<string> = []
        const port = yield* serverThatHangsUp(tried)
        const message = yield* refusal(`postgres://joe@127.0.0.1:${port}/x`)
        assert.include(message, "Connection closed unexpectedly")
        assert.isAbove(tried.length, 0)
        // An SSLRequest has eight bytes, the last four of them 80877103.
        assert.deepStrictEqual([...new Set(tried)], ["0000000804d2162f"])
      }).pipe(Effect.scoped)
    )

    it.effect("requires TLS, without a check of the certificate unless an authority is named", () =>
      Effect.gen(function* () {
        const { plain, secure } = yield* Servers
        assert.isTrue(yield* isEncrypted(secure.url("localhost", "sslmode=require")))
        assert.isTrue(yield* isEncrypted(secure.url("localhost"), { PGSSLMODE: "require" }))
        const refused = yield* refusal(plain.url("localhost", "sslmode=require"))
        assert.include(refused, "does not support TLS. Turn ssl on at the server")
        assert.include(yield* refusal(plain.url("localhost"), { PGSSLMODE: "require" }), "does not support TLS")
        const withOther = yield* refusal(secure.url("localhost", `sslmode=require&sslrootcert=${other}`))
        assert.include(withOther, "name its certificate with DATABASE_CA_FILE")
      })
    )

    it.effect("verifies the authority with verify-ca, and the name too with verify-full", () =>
      Effect.gen(function* () {
        const { secure } = yield* Servers
        for (const host of ["localhost", "127.0.0.1"]) {
          assert.isTrue(yield* isEncrypted(secure.url(host, `sslmode=verify-ca&sslrootcert=${authority}`)))
        }
        assert.isTrue(yield* isEncrypted(secure.url("localhost", `sslmode=verify-full&sslrootcert=${authority}`)))
        assert.isTrue(yield* isEncrypted(secure.url("localhost"), { DATABASE_CA_FILE: tlsFile("authority.crt") }))
        assert.isTrue(yield* isEncrypted(secure.url("localhost"), { PGSSLROOTCERT: tlsFile("authority.crt") }))
        const byAddress = yield* refusal(secure.url("127.0.0.1", `sslmode=verify-full&sslrootcert=${authority}`))
        assert.include(byAddress, "The server's certificate is for other names")
        for (const query of ["sslmode=verify-full", "sslrootcert=system", `sslmode=verify-ca&sslrootcert=${other}`]) {
          assert.include(yield* refusal(secure.url("localhost", query)), "name its certificate with DATABASE_CA_FILE")
        }
      })
    )

    it.effect("needs files that can be read", () =>
      Effect.gen(function* () {
        const { secure } = yield* Servers
        assert.match(
          yield* refusal(secure.url("localhost", "sslrootcert=/no/such")),
          /the file of authorities \/no\/such cannot be read/
        )
        const notPem = encodeURIComponent(import.meta.filename)
        assert.include(yield* refusal(secure.url("localhost", `sslrootcert=${notPem}`)), "certificates in PEM")
      })
    )

    it.effect("says when the versions of TLS have nothing in common", () =>
      Effect.gen(function* () {
        const { secure } = yield* Servers
        const set = (setting: string) =>
          asked(secure.url("localhost"), {}, (sql) =>
            Effect.andThen(sql.unsafe(`ALTER SYSTEM ${setting}`), sql.unsafe("SELECT pg_reload_conf()"))
          )
        const url = secure.url("localhost", "sslmode=require&ssl_max_protocol_version=TLSv1.2")
        yield* set("SET ssl_min_protocol_version = 'TLSv1.3'")
        const message = yield* Effect.retry(refusal(url), { times: 20 })
        yield* set("RESET ssl_min_protocol_version")
        assert.include(message, ": TLS failed with tlsv1 alert protocol version. This host and the server")
      })
    )
  })

  it.effect("shows the client's certificate, whose key nobody else may read", () =>
    Effect.gen(function* () {
      const { secure } = yield* Servers
      const path = yield* folder
      const key = join(path, "client.key")
      yield* Effect.promise(() => copyFile(tlsFile("client.key"), key))
      yield* Effect.promise(() => chmod(key, 0o644))
      const files = `sslcert=${encodeURIComponent(tlsFile("client.crt"))}&sslkey=${encodeURIComponent(key)}`
      const url = `postgres://certified@localhost:${secure.port}/pulse_background?sslmode=require&${files}`
      assert.include(yield* refusal(url), `others may read the key ${key}: chmod 600 it`)
      yield* Effect.promise(() => chmod(key, 0o600))
      assert.isTrue(yield* isEncrypted(url))
      const without = yield* refusal(
        secure.url("localhost", "sslmode=require").replace("pulse_background:", "certified:")
      )
      assert.include(without, "name it and its key with sslcert and sslkey")
    }).pipe(Effect.scoped)
  )

  it.effect("says what is wrong with a certificate and its key", () =>
    Effect.gen(function* () {
      const { secure } = yield* Servers
      const path = yield* folder
      const write = (name: string, text: string) =>
        Effect.promise(() => writeFile(join(path, name), text, { mode: 0o600 })).pipe(
          Effect.as(encodeURIComponent(join(path, name)))
        )
      const key = createPrivateKey(readFileSync(tlsFile("client.key")))
      const encrypted = yield* write(
        "encrypted.key",
        key.export({ type: "pkcs8", format: "pem", cipher: "aes-256-cbc", passphrase: "a%b" }).toString()
      )
      const another = yield* write(
        "another.key",
        generateKeyPairSync("ed25519").privateKey.export({ type: "pkcs8", format: "pem" }).toString()
      )
      const noKey = yield* write("no.key", "no key")
      const certificate = encodeURIComponent(tlsFile("client.crt"))
      const urlWith = (file: string) =>
        `postgres://certified@localhost:${secure.port}/pulse_background?sslmode=require&sslcert=${certificate}&sslkey=${file}`
      assert.include(yield* refusal(urlWith(encrypted)), "encrypted.key is encrypted: give its password as sslpassword")
      const wrong = yield* refusal(`${urlWith(encrypted)}&sslpassword=s3cr3t`)
      assert.match(wrong, /sslpassword does not open the key .*encrypted\.key$/)
      assert.isTrue(yield* isEncrypted(`${urlWith(encrypted)}&sslpassword=a%25b`))
      assert.match(yield* refusal(urlWith(another)), /another\.key is not that of the certificate .*client\.crt$/)
      assert.include(yield* refusal(urlWith(noKey)), "no.key must be in PEM")
    }).pipe(Effect.scoped)
  )

  it.effect("knows a password in each way in which it can be written", () =>
    Effect.gen(function* () {
      const { secure } = yield* Servers
      const works = (password: string) =>
        isEncrypted(secure.url("localhost").replace(/\/\/[^@]*/, `//typist:${encodeURIComponent(password)}`))
      const set = (password: string) =>
        asked(secure.url("localhost"), {}, (sql) => sql.unsafe(`ALTER ROLE typist PASSWORD '${password}'`))
      yield* asked(secure.url("localhost"), {}, (sql) => sql.unsafe("CREATE ROLE typist LOGIN"))
      // An e with its accent in one character and in two; a ligature, a space that does not break and a hidden hyphen.
      for (const [password, same] of [
        ["caf\u00E9", "cafe\u0301"],
        ["\uFB01\u00A0x\u00AD", "fi x"]
      ] as const) {
        yield* set(password)
        assert.isTrue(yield* works(password))
        assert.isTrue(yield* works(same))
      }
      for (const password of ["%/?#@:[] &=+\\", "\u{1F600}\uFB01", "\u00FCn\u00EFc\u00F6de"]) {
        yield* set(password)
        assert.isTrue(yield* works(password))
      }
    })
  )

  it.effect("takes the password from the password file, if nobody else may read it", () =>
    Effect.gen(function* () {
      const { secure } = yield* Servers
      const path = join(yield* folder, "pgpass")
      const line = `localhost:${secure.port}:pulse_background:pulse_background:${secure.password}\n`
      yield* Effect.promise(() => writeFile(path, line, { mode: 0o600 }))
      const url = `postgres://pulse_background@localhost:${secure.port}/pulse_background`
      assert.isTrue(yield* isEncrypted(url, { PGPASSFILE: path }))
      assert.isTrue(yield* isEncrypted(url, { PGPASSWORD: secure.password }))
      assert.include(yield* refusal(url.replace("localhost", "127.0.0.1"), { PGPASSFILE: path }), "has no password")
      yield* Effect.promise(() => chmod(path, 0o640))
      assert.include(
        yield* refusal(url, { PGPASSFILE: path }),
        `others may read the password file ${path}: chmod 600 it`
      )
      assert.include(yield* refusal(url, { PGPASSFILE: "/no/such" }), "the password file /no/such cannot be read")
    }).pipe(Effect.scoped)
  )
})
