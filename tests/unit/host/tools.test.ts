import assert from "node:assert/strict";
import { chmodSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { hasSubordinateIds } from "../../../src/host/namespaces.ts";
import { findTool, missingTools, requireTools } from "../../../src/host/tools.ts";
import { temporaryFolder } from "../../support/temporary.ts";

test("a program is found on an absolute PATH entry, when it can be executed", async (t) => {
  const [plain, good] = ["plain", "good"].map((name) => join(temporaryFolder(t), name));
  for (const folder of [plain, good] as string[]) {
    mkdirSync(folder);
    writeFileSync(join(folder, "no-such-tool-elsewhere"), "#!/bin/sh\n");
  }
  chmodSync(join(good as string, "no-such-tool-elsewhere"), 0o755);
  assert.equal(
    await findTool("no-such-tool-elsewhere", `relative:${plain}:${good}`),
    join(good as string, "no-such-tool-elsewhere"),
  );
  assert.equal(await findTool("no-such-tool-elsewhere", plain), null);
});

test("root needs no newuidmap; optional tools are missed only when asked for", async (t) => {
  const path = process.env.PATH;
  process.env.PATH = temporaryFolder(t);
  t.after(() => {
    process.env.PATH = path;
  });
  const names = async (uid: number, optional: boolean) =>
    (await missingTools(["image", "boot"], { uid, optional })).map(({ name }) => name);
  assert.ok((await names(1000, false)).includes("newuidmap"));
  assert.ok(!(await names(0, true)).includes("newuidmap"));
  assert.ok((await names(0, true)).includes("bwrap"));
  assert.ok(!(await names(0, false)).includes("bwrap"));
  await assert.rejects(requireTools("image"), {
    code: "host_packages_missing",
    message: /mmdebstrap/,
  });
  // Optional for the host, but not for whoever asks for a network.
  assert.ok(!(await names(0, false)).includes("passt"));
  await assert.rejects(requireTools("nat"), { code: "host_packages_missing", message: /passt/ });
});

test("subordinate ids count by name or number, and only 65536 in one range", () => {
  assert.equal(hasSubordinateIds("other:1:65536\nme:100000:65536\n", "me", 1000), true);
  assert.equal(hasSubordinateIds("1000:100000:65536\n", "me", 1000), true);
  assert.equal(hasSubordinateIds("me:100000:1000\nme:200000:64536\n", "me", 1000), false);
  assert.equal(hasSubordinateIds("", "me", 1000), false);
});
