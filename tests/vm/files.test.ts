/** Files of a real guest, through the daemon's API. */
import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { Readable } from "node:stream";
import { before, describe, test } from "node:test";
import type { Sandbox } from "../../src/sdk/index.ts";
import { makeHome } from "../support/home.ts";

describe("files in a VM", async () => {
  const home = await makeHome();
  let vm: Sandbox;
  before(async () => {
    vm = (await (await home.connect()).create({ name: "files" })).keep();
  });

  test("are written, described and read back byte for byte", async () => {
    const content = randomBytes(3_000_001);
    await vm.files.write("/root/deep/er/blob", content, { parents: true, mode: "640" });
    const entry = await vm.files.stat("/root/deep/er/blob");
    assert.deepEqual([entry.type, entry.size, entry.mode], ["file", content.length, 0o640]);
    assert.ok((await vm.files.read("/root/deep/er/blob")).equals(content));
    const { text } = await vm.exec(["sha256sum", "/root/deep/er/blob"]);
    assert.equal(text.split(" ")[0], createHash("sha256").update(content).digest("hex"));
  });

  test("are replaced in one step: a reader sees the old or the new, and a failed write leaves the old", async () => {
    await vm.files.write("/root/atomic", "old");
    await assert.rejects(
      vm.files.write(
        "/root/atomic",
        Readable.from(
          (async function* () {
            yield Buffer.from("half");
            throw new Error("the source broke");
          })(),
        ),
      ),
    );
    assert.equal(await vm.files.readText("/root/atomic"), "old");
    const { text } = await vm.exec(["sh", "-c", "ls -A /root | grep -c atomic"]);
    assert.equal(text.trim(), "1");
  });

  test("are listed, moved and removed", async () => {
    await vm.files.mkdir("/root/many/inner", { parents: true });
    for (const name of ["a", "b c", "ü\n"]) await vm.files.write(`/root/many/${name}`, name);
    const names = (await vm.files.list("/root/many")).map((entry) => entry.name).sort();
    assert.deepEqual(names, ["a", "b c", "inner", "ü\n"]);
    await vm.files.move("/root/many/a", "/root/many/inner/z");
    assert.equal(await vm.files.readText("/root/many/inner/z"), "a");
    await assert.rejects(vm.files.remove("/root/many"), /empty|directory/i);
    await vm.files.remove("/root/many", { recursive: true });
    await assert.rejects(vm.files.stat("/root/many"), { code: "guest_not_found" });
  });

  test("move in and out as tar with modes and links kept", async () => {
    await vm.exec([
      "sh",
      "-c",
      "mkdir -p /srv/t/d && cd /srv/t && echo x >d/f && chmod 751 d/f && ln -s d/f link",
    ]);
    const archive = await vm.files.downloadTar("/srv/t");
    await vm.files.mkdir("/srv/u");
    await vm.files.uploadTar("/srv/u", archive);
    const { text } = await vm.exec([
      "sh",
      "-c",
      "cd /srv/u && stat -c '%a' d/f && readlink link && cat link",
    ]);
    assert.equal(text, "751\nd/f\nx\n");
  });

  test("are watched", async () => {
    await vm.files.mkdir("/root/watched");
    const stop = new AbortController();
    const events: string[] = [];
    const changes = vm.files.watch("/root/watched", { signal: stop.signal })[Symbol.asyncIterator]();
    const first = changes.next();
    // The watch begins with the request; what happens once it answers is seen. Touch until it is.
    await vm.exec(["sh", "-c", "for i in 1 2 3 4 5 6 7 8 9 10; do touch /root/watched/f$i; sleep 0.1; done"]);
    const event = await first;
    assert.ok(!event.done);
    events.push(event.value.path);
    stop.abort();
    assert.match(events[0] ?? "", /f\d+$/);
  });

  test("with impossible paths are refused with the guest's reason", async () => {
    await assert.rejects(vm.files.read("/root/no/such"), { code: "guest_not_found" });
    await assert.rejects(vm.files.read("no/absolute/path"), { code: "guest_not_found" });
    await assert.rejects(vm.files.write("/proc/version", "x"));
  });
});
