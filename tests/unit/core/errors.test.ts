import assert from "node:assert/strict";
import { test } from "node:test";
import { asBangerError, BangerError, CATALOGUE, clean, type ErrorCode } from "../../../src/core/errors.ts";
import { EXIT } from "../../../src/core/exit-codes.ts";

const entries = Object.entries(CATALOGUE) as [ErrorCode, (typeof CATALOGUE)[ErrorCode]][];
const exits = new Set<number>(Object.values(EXIT).filter((code) => code !== EXIT.ok));

for (const [code, entry] of entries) {
  test(`${code} has a message, a hint, a status and an exit code`, () => {
    assert.match(code, /^[a-z]+(_[a-z]+)*$/);
    assert.ok(entry.message.length > 5);
    assert.ok(entry.hint.length > 3);
    assert.ok(entry.status >= 400 && entry.status < 600);
    assert.ok(exits.has(entry.exit));
  });
}

test("parameters are filled in, in message and hint, as often as they occur", () => {
  const error = BangerError.of("vm_name_taken", { name: "otter" });
  assert.equal(error.message, "a VM named 'otter' exists already");
  assert.equal(error.hint, "choose another --name, or banger vm delete otter");
  assert.equal(error.status, 409);
  assert.equal(error.exit, EXIT.failure);
});

test("a parameter's value is never a template itself", () => {
  const error = BangerError.of("guest_refused", { problem: "{hint} $& $1", hint: "h" });
  assert.equal(error.message, "the guest refused: {hint} $& $1");
});

test("control characters of a guest do not reach a terminal; newline, tab and other languages do", () => {
  const error = BangerError.of("guest_refused", {
    problem: "\x1b]0;owned\x07\r\x9b2J\tone\ntwo ☃ ü",
    hint: "",
  });
  assert.equal(error.message, "the guest refused: \\x1b]0;owned\\x07\\x0d\\x9b2J\tone\ntwo ☃ ü");
});

test("long values are cut", () => {
  assert.equal(clean("x".repeat(5000), 100).length, 101);
  assert.ok(BangerError.of("internal", { problem: "x".repeat(1e6) }).message.length < 5000);
});

test("an error survives the wire", () => {
  const error = BangerError.of(
    "host_packages_missing",
    { tools: "qemu", packages: "a, b" },
    {
      details: { packages: ["a", "b"] },
    },
  );
  error.operation = "op-123456";
  const back = BangerError.fromBody(JSON.parse(JSON.stringify(error.toBody())), error.status);
  assert.deepEqual(back.toBody(), error.toBody());
  assert.equal(back.status, error.status);
});

test("an error of a newer daemon keeps its code and exit, but not its control characters", () => {
  const back = BangerError.fromBody({ code: "from_the_future", message: "a\x1bb", hint: "c\x07", exit: 42 });
  assert.deepEqual(back.toBody(), { code: "from_the_future", message: "a\\x1bb", hint: "c\\x07", exit: 42 });
});

test("whatever is thrown becomes an error with its cause; ours stay as they are", () => {
  const ours = BangerError.of("vm_not_found", { ref: "x" });
  assert.equal(asBangerError(ours), ours);
  const foreign = new TypeError("x is undefined");
  assert.equal(asBangerError(foreign).cause, foreign);
  for (const thrown of [foreign, "text", null, undefined, 7, Symbol("s")])
    assert.equal(asBangerError(thrown).code, "internal");
});
