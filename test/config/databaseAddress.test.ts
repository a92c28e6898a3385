import { assert, describe, it } from "@effect/vitest"
import { Duration, Redacted, Result } from "effect"
import {
  type AddressDefaults,
  addressText,
  type DatabaseAddress,
  noDefaults,
  readDatabaseAddress
} from "../../src/config/databaseAddress.ts"

const defaultsWith = (variables: Readonly<Record<string, string>>, more: Partial<AddressDefaults> = {}) => ({
  ...noDefaults,
  account: "ann",
  ...more,
  variables: new Map(Object.entries(variables))
})

const addressOf = (url: string, defaults: AddressDefaults = defaultsWith({})): DatabaseAddress =>
  Result.getOrThrowWith(readDatabaseAddress(url, defaults), (problems) => new Error(problems.join("\n")))

const problemsOf = (url: string, defaults: AddressDefaults = defaultsWith({})): ReadonlyArray<string> => {
  const result = readDatabaseAddress(url, defaults)
  return Result.isFailure(result) ? result.failure : assert.fail(`accepted: ${url}`)
}

describe("readDatabaseAddress: servers and users", () => {
  const servers: ReadonlyArray<readonly [url: string, text: string]> = [
    ["postgres://", "localhost:5432/ann"],
    ["postgresql://h", "h:5432/ann"],
    ["postgres://bob@h/db", "h:5432/db"],
    ["POSTGRES://h/db", "h:5432/db"],
    ["postgres://a:5432,b:5433/x", "a:5432,b:5433/x"],
    ["postgres://a,b:5433/x", "a:5432,b:5433/x"],
    ["postgres:///x?host=a,b&port=6432", "a:6432,b:6432/x"],
    ["postgres:///x?host=a,b&port=1,2", "a:1,b:2/x"],
    ["postgres://[::1]:1,[fe80::2]/x", "[::1]:1,[fe80::2]:5432/x"],
    ["postgres://%2Fvar%2Frun%2Fpostgresql/x", "/var/run/postgresql:5432/x"],
    ["postgres:///x?host=/tmp&port=1", "/tmp:1/x"],
    ["postgres:///?dbname=a%20b", "localhost:5432/a b"],
    ["postgres:///x?host=::1", "[::1]:5432/x"],
    ["postgres://u:p@/x?host=/cloudsql/project:region:name", "/cloudsql/project:region:name:5432/x"],
    ["postgres://h/x?&", "h:5432/x"]
  ]
  for (const [url, text] of servers) {
    it(`reads ${url} as ${text}`, () => {
      assert.strictEqual(addressText(addressOf(url)), text)
    })
  }

  it("reads every character of a password, and shows none", () => {
    const password = "a:b@c/d?e#f%g&h=i ü,[]\"'\\$"
    const url = `postgres://bob:${encodeURIComponent(password)}@h/db`
    const address = addressOf(url)
    assert.strictEqual(address.password === null ? null : Redacted.value(address.password), password)
    assert.strictEqual(address.user, "bob")
    assert.notInclude(JSON.stringify(address), "a:b")
    const parameter = addressOf(`postgres://h/db?user=bob&password=${encodeURIComponent(password)}`)
    assert.strictEqual(parameter.password === null ? null : Redacted.value(parameter.password), password)
    assert.strictEqual(addressOf("postgres://u:a:b+c@h").password?.toString(), "<redacted>")
  })

  for (const raw of [
    "s3cr3t@x",
    "s3cr3t/x",
    "s3cr3t?x",
    "s3cr3t#x",
    "s3cr3t%x",
    "s3cr3t%zz",
    "s3cr3t@x/y",
    "%ffs3cr3t"
  ]) {
    it(`asks for escapes instead of a password ${raw}, without showing it`, () => {
      const problems = problemsOf(`postgres://u:${raw}@h/db`).join("\n")
      assert.match(problems, /^DATABASE_URL must .*%/)
      assert.notInclude(problems, "s3cr3t")
    })
  }

  it("takes every character of a password as it is, or asks for its escape", () => {
    for (let code = 0x20; code < 0x180; code++) {
      const password = `s3cr3t${String.fromCharCode(code)}t4il`
      for (const text of [encodeURIComponent(password), password]) {
        const result = readDatabaseAddress(`postgres://u:${text}@h:1/db`, noDefaults)
        if (Result.isSuccess(result)) {
          assert.strictEqual(addressText(result.success), "h:1/db")
          assert.strictEqual(Redacted.value(result.success.password ?? Redacted.make("")), password)
        } else {
          assert.include("#%/?@", String.fromCharCode(code))
          assert.notInclude(result.failure.join(), "s3cr3t")
          assert.notInclude(result.failure.join(), "t4il")
        }
      }
    }
  })

  it("takes the variables of libpq where the URL says nothing", () => {
    const variables = {
      PGHOST: "a,b",
      PGPORT: "1",
      PGUSER: "u",
      PGPASSWORD: "p",
      PGDATABASE: "d",
      PGSSLMODE: "require",
      PGAPPNAME: "app",
      PGCONNECT_TIMEOUT: "7",
      PGOPTIONS: "-c search_path=s",
      PGTARGETSESSIONATTRS: "primary",
      PGPASSFILE: "/f"
    }
    const all = addressOf("postgres://", defaultsWith(variables))
    assert.strictEqual(addressText(all), "a:1,b:1/d")
    assert.deepStrictEqual(
      [all.user, all.tls.mode, all.applicationName, all.target, all.passwordFile, all.sessionSettings],
      ["u", "require", "app", "primary", { path: "/f", isNamed: true }, { search_path: "s" }]
    )
    assert.deepStrictEqual(all.connectTimeout, Duration.seconds(7))
    const some = addressOf("postgres://v@h:2/e?sslmode=disable&target_session_attrs=any", defaultsWith(variables))
    assert.deepStrictEqual([addressText(some), some.user, some.tls.mode, some.target], ["h:2/e", "v", "disable", "any"])
    assert.deepStrictEqual(problemsOf("postgres://h", defaultsWith({ PGSSLMODE: "on" })), [
      "PGSSLMODE must be one of disable, allow, prefer, require, verify-ca, verify-full"
    ])
  })

  it("looks for the password in the home of the account, and needs a user", () => {
    const home = defaultsWith({}, { home: "/home/ann" })
    assert.deepStrictEqual(addressOf("postgres://h", home).passwordFile, { path: "/home/ann/.pgpass", isNamed: false })
    assert.include(problemsOf("postgres://h/d", noDefaults)[0] ?? "", "must have a user")
  })
})

describe("readDatabaseAddress: parameters", () => {
  it("has libpq's defaults, and a writer among several hosts", () => {
    const one = addressOf("postgres://h/d")
    assert.deepStrictEqual([one.tls.mode, one.target, one.applicationName], ["prefer", "any", "pulse-background"])
    assert.strictEqual(addressOf("postgres://a,b/d").target, "read-write")
    assert.strictEqual(addressOf("postgres://a,b/d?target_session_attrs=any").target, "any")
  })

  it("verifies the server once an authority is named", () => {
    for (const [url, more] of [
      ["postgres://h/d?sslrootcert=/ca.crt", {}],
      ["postgres://h/d", { authorityFile: "/ca.crt" }]
    ] as const) {
      const { mode, rootCertificate } = addressOf(url, defaultsWith({}, more)).tls
      assert.deepStrictEqual([mode, rootCertificate], ["verify-full", "/ca.crt"])
    }
    assert.strictEqual(addressOf("postgres://h?sslrootcert=system").tls.mode, "verify-full")
    assert.strictEqual(addressOf("postgres://h?sslmode=verify-ca&sslrootcert=/ca").tls.mode, "verify-ca")
    const url = "postgres://h/d?sslmode=require"
    assert.strictEqual(addressOf(url, defaultsWith({ PGSSLROOTCERT: "/ca" })).tls.rootCertificate, "/ca")
  })

  it("reads keep-alives, options and the client's certificate", () => {
    assert.isNull(addressOf("postgres://h?keepalives=0").keepAlive)
    assert.deepStrictEqual(addressOf("postgres://h?keepalives_idle=30").keepAlive, Duration.seconds(30))
    assert.deepStrictEqual(
      addressOf("postgres://h?options=-c%20search_path%3D%22a%5C%20b%22,c%20--work-mem=8MB%20-cgeqo=off")
        .sessionSettings,
      { search_path: '"a b",c', work_mem: "8MB", geqo: "off" }
    )
    const { clientCertificate } = addressOf("postgres://h?sslcert=/c&sslkey=/k&sslmode=require").tls
    assert.deepStrictEqual(clientCertificate, { certificate: "/c", key: "/k" })
  })

  const refused: ReadonlyArray<readonly [query: string, ...words: ReadonlyArray<string>]> = [
    ["schema=trading", "the parameter schema", "options=-csearch_path%3Dtrading"],
    ["currentSchema=trading", "the parameter currentSchema", "options=-csearch_path%3Dtrading"],
    ["search_path=trading", "options=-csearch_path%3Dtrading"],
    ["ssl-mode=verify-full", "the parameter ssl-mode: write sslmode"],
    ["sslMode=verify-full", "the parameter sslMode: write sslmode"],
    ["SSLMODE=require", "write sslmode"],
    ["ssl=true", "the parameter ssl: write sslmode=verify-full"],
    ["sslroot=/ca", "write sslrootcert=FILE"],
    ["pgbouncer=true", "the parameter pgbouncer: leave it out", "PgBouncer works in session mode"],
    ["socketTimeout=5", "DATABASE_STATEMENT_TIMEOUT_SECONDS"],
    ["connection_limit=5", "DATABASE_POOL_SIZE"],
    ["statement_timeout=5", "DATABASE_STATEMENT_TIMEOUT_SECONDS"],
    ["whatever=1", "the parameter whatever: leave it out"],
    ["sslmode=verify", "sslmode must be one of"],
    ["sslmode=require&sslmode=disable", "must not give sslmode twice"],
    ["host=b", "must not give host twice, such as before the question mark and after it"],
    ["sslmode=", "must have a value for sslmode"],
    ["sslmode", "must have a value for sslmode"],
    ["ssl", "the parameter ssl: write sslmode"],
    ["verify", "must have name=value for each parameter"],
    ["sslmode=prefer&sslrootcert=/ca", "must not be set with sslmode=prefer"],
    ["sslmode=require&sslrootcert=system", "write sslmode=verify-full"],
    ["sslcert=/c", "sslcert must be set together with sslkey"],
    ["sslkey=/k", "sslkey must be set together with sslcert"],
    ["sslpassword=x", "sslpassword must be set together with sslcert and sslkey"],
    ["ssl_min_protocol_version=TLSv1.3&ssl_max_protocol_version=TLSv1.2", "not be less than ssl_min_protocol_version"],
    ["target_session_attrs=standby", "must be one of any, read-write, primary"],
    ["target_session_attrs=prefer-standby", "must be one of any, read-write, primary"],
    ["connect_timeout=0", "from 1 to 300"],
    ["port=1,2", "must be one port"],
    ["port=x", "must be a whole number"],
    ["options=-c%20statement_timeout=5", "DATABASE_STATEMENT_TIMEOUT_SECONDS"],
    ["options=-c%20default_transaction_isolation=serializable", "READ COMMITTED"],
    ["options=-c%20transaction_timeout=5", "DATABASE_STATEMENT_TIMEOUT_SECONDS"],
    ["options=-c%20session_replication_role=replica", "triggers"],
    ["options=search_path", "-c name=value"],
    ["options=endpoint%3Dep-cool-name", "not name an endpoint"],
    ["channel_binding=require", "sslmode=verify-full"],
    ["gssencmode=require", "Kerberos"],
    ["hostaddr=1.2.3.4", "write the address as host"],
    ["load_balance_hosts=random", "in their order"],
    ["service=x", "service"],
    ["keepalives_count=3", "keepalives_idle"],
    ["user=a%00b", "%00"]
  ]
  for (const [query, ...words] of refused) {
    it(`refuses ${query} with what to write instead`, () => {
      const problems = problemsOf(`postgres://h/db?${query}`)
      assert.lengthOf(problems, 1)
      for (const word of words) assert.include(problems[0], word)
      assert.match(problems[0] ?? "", /^DATABASE_URL/)
    })
  }

  it("refuses ports among the hosts, which other clients take", () => {
    for (const hosts of ["a:5432,b:5432", "%5B::1%5D"]) {
      assert.deepStrictEqual(problemsOf(`postgres:///x?host=${hosts}`), [
        "DATABASE_URL: host must be names or addresses alone: write the ports as port=5432,5433"
      ])
    }
  })

  it("takes values of other parameters that ask for nothing else", () => {
    addressOf(
      "postgres://h?channel_binding=prefer&gssencmode=disable&sslsni=1&client_encoding=UTF8&sslnegotiation=postgres"
    )
    assert.deepStrictEqual(problemsOf("postgres://h", defaultsWith({ PGSERVICE: "x", PGREQUIRESSL: "1" })), [
      "PGREQUIRESSL must not be set: write sslmode=require",
      "PGSERVICE must not be set: write the service's host, port, dbname and user themselves"
    ])
  })

  it("refuses two authorities, and shows no value of an unknown parameter", () => {
    const [both] = problemsOf("postgres://h?sslrootcert=/a", defaultsWith({}, { authorityFile: "/b" }))
    assert.include(both, "DATABASE_CA_FILE must not be set together with sslrootcert")
    assert.notInclude(problemsOf("postgres://h?passwort=s3cr3t").join(), "s3cr3t")
    for (const rest of ["s3cr3t", "s3c=r3t", "s3c=r3t&x=s3c"]) {
      const problems = problemsOf(`postgres://h?password=ab&${rest}`).join()
      assert.include(problems, "%26 for & in a password")
      assert.notInclude(problems, "s3c")
    }
    assert.include(problemsOf("postgres://h?password=ab&schema=x").join(), "the parameter schema: write options=")
  })
})
