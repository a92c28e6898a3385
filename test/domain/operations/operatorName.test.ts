import { assert, describe, it } from "@effect/vitest"
import { DateTime, Result } from "effect"
import { problemWithApproval } from "../../../src/domain/operations/approval.ts"
import { isShared, mayBeSamePerson, operatorName } from "../../../src/domain/operations/operatorName.ts"

describe("an operator's name", () => {
  it("has letters of any script, digits, single spaces and the signs of names and mail addresses", () => {
    for (const name of [
      "asha",
      "Asha Rao",
      "a.rao+night@desk-1.example",
      "O'Neil",
      "आशा राव",
      "José",
      "Αθηνά",
      "Иван",
      "Ad\u1eb9\u0301",
      "R2"
    ]) {
      assert.deepStrictEqual(operatorName(`  ${name}\n`), Result.succeed(name))
    }
  })

  it("is nothing that is taken for another name, for several, or for nobody", () => {
    for (const name of [
      ["", "x", "x".repeat(65), "-asha", "asha  rao", "asha\u00a0rao", "asha\u2009rao", "asha\u3000rao"],
      ["as\u200bha", "asha\u202eoar", "as\u00adha", "ash\u0061\u0301", "ａｓｈａ", "asha\nravi", "asha\u001b[2J"],
      ["asha (node@pulse-0)", "ravi, approved by asha", "asha;ravi", "<asha>", `ashab${"\u0323\u0307".repeat(5)}`],
      ["root", "Node", "1000"],
      // Cyrillic letters and Greek ones among Latin letters, an invisible variation of one, and a mark of none of them.
      ["\u0410sha", "r\u043eot", "Ravi \u039f", "asha\ufe0f", "a\u20ddsha", "asha\u0e31"]
    ].flat()) {
      assert.isTrue(Result.isFailure(operatorName(name)), JSON.stringify(name))
    }
  })

  it("is known of an account, unless many share it", () => {
    assert.isTrue(["root", "node", "1000", "Administrator"].every(isShared))
    assert.isFalse(["asha", "r2d2", "nodens"].some(isShared))
  })

  it("is compared as a person would read it", () => {
    for (const other of ["ASHA RAO", "asha.rao", "asha-rao@desk.example", "Ásha Rao", "asharao"]) {
      assert.isTrue(mayBeSamePerson("Asha Rao", other), other)
    }
    assert.isFalse(mayBeSamePerson("राम", "रमा"))
    for (const other of ["ravi", "Asha", "Asha Rao 2"]) assert.isFalse(mayBeSamePerson("Asha Rao", other), other)
  })
})

describe("problemWithApproval", () => {
  const now = DateTime.makeUnsafe("2026-11-30T03:00:00Z")
  const approval = { command: "resume", person: "Ravi", now }
  const request = {
    person: "Asha",
    command: "resume",
    until: DateTime.add(now, { minutes: 15 }),
    isSame: true,
    isApproved: false
  }

  it("lets another person approve the same in time, and says what is wrong otherwise", () => {
    assert.isNull(problemWithApproval(request, approval))
    for (const [wrong, words] of [
      [null, "no such request"],
      [{ ...request, command: "order resume" }, 'asks for "order resume"'],
      [{ ...request, isApproved: true }, "approved already"],
      [{ ...request, person: "RAVI" }, "RAVI has asked for it, and may be Ravi"],
      [{ ...request, until: now }, "it ended at 2026-11-30T03:00:00.000Z"],
      [{ ...request, isSame: false }, "has changed since"]
    ] as const) {
      assert.include(problemWithApproval(wrong, approval), words)
    }
  })
})
