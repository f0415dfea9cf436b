import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { BangerError } from "../../../src/core/errors.ts";
import { checkDistinct, formatMapping, parsePortMapping } from "../../../src/core/port-mapping.ts";

const parse = (text: string) => parsePortMapping(text, "--publish");
const refused = (error: unknown) => error instanceof BangerError && error.exit === 2;

describe("a port mapping", () => {
  for (const [text, address, hostPort, guestPort] of [
    ["8080:80", null, 8080, 80],
    ["80", null, 0, 80],
    [":80", null, 0, 80],
    ["0:80", null, 0, 80],
    ["127.0.0.1:8080:80", "127.0.0.1", 8080, 80],
    ["0.0.0.0::80", "0.0.0.0", 0, 80],
    ["[::1]:8080:80", "::1", 8080, 80],
    ["[::]::65535", "::", 0, 65535],
    ["[::ffff:127.0.0.1]:1:1", "::ffff:127.0.0.1", 1, 1],
  ] as const) {
    test(`${text} is read`, () => assert.deepEqual(parse(text), { address, hostPort, guestPort }));
  }

  for (const text of [
    ...[
      "",
      ":",
      "0",
      "8080:0",
      "65536:80",
      "80:65536",
      "-1:80",
      "8080:-1",
      "8080:80:",
      "1e3:80",
      "8080:80/udp",
    ],
    ...[
      "host:8080:80",
      "localhost:80:80",
      "256.0.0.1:8080:80",
      "1.2.3:8080:80",
      "::1:8080:80",
      "[::1:8080:80",
    ],
    ...[
      "[::1]:80",
      "127.0.0.1:80",
      "[]:8080:80",

      "[:::]:80:80",
      "[::1%lo]:80:80",
      " 80:80",
      "80:80\n",
    ],
  ]) {
    test(`${JSON.stringify(text)} is refused with what is accepted`, () =>
      assert.throws(
        () => parse(text),
        (error: BangerError) => refused(error) && /8080:80/.test(error.hint),
      ));
  }

  test("is written as it is read", () => {
    for (const text of ["8080:80", "127.0.0.1:8080:80", "[::1]:8080:80"])
      assert.equal(formatMapping(parse(text)), text);
  });
});

describe("a host port given twice", () => {
  for (const [one, two] of [
    ["8080:80", "8080:81"],
    ["8080:80", "127.0.0.1:8080:80"],
    ["[::1]:8080:80", "8080:80"],
    ["0.0.0.0:8080:80", "8080:80"],
    ["[::]:8080:80", "[::1]:8080:80"],
    ["0.0.0.0:8080:80", "192.0.2.1:8080:80"],
  ] as const) {
    test(`${one} ${two} is refused`, () =>
      assert.throws(() => checkDistinct([parse(one), parse(two)], "--publish"), refused));
  }

  test("is fine on other addresses, and a free one never clashes", () => {
    for (const texts of [
      ["127.0.0.1:8080:80", "[::1]:8080:80"],
      ["127.0.0.1:8080:80", "127.0.0.2:8080:80"],
      ["0.0.0.0:8080:80", "[::]:8080:80"],
      ["80", "80"],
      ["8080:80", "8081:80"],
    ])
      checkDistinct(texts.map(parse), "--publish");
  });

  test("more ports than a VM may have are refused", () =>
    assert.throws(
      () =>
        checkDistinct(
          Array.from({ length: 65 }, () => parse("80")),
          "--publish",
        ),
      refused,
    ));
});
