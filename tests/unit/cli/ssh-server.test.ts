/** Whether a guest has an ssh server: what the client asks, and in which order. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { test } from "node:test";
import { vmOfHost } from "../../../src/cli/ssh/host-name.ts";
import { hasListener, hasSshServer } from "../../../src/cli/ssh/server.ts";
import { BangerError, type Sandbox } from "../../../src/sdk/index.ts";

const HEAD = "  sl  local_address rem_address   st tx_queue rx_queue\n";
const LISTENS = `${HEAD}   0: 00000000:0016 00000000:0000 0A 00000000:00000000\n`;

/** How a server that is awaited comes up: it writes its process id down, or was there before that was watched, or the system is ready. */
type Coming = "pid file" | "missed" | "system";

/** A guest whose tables say `tables[0]` first and the next ones after what is awaited has come about. */
function guest(
  tables: string[],
  programs: string[],
  coming: Coming = "system",
): { vm: Sandbox; asked: string[] } {
  const asked: string[] = [];
  const missing = () => BangerError.of("guest_not_found", { problem: "no such file" });
  const vm = {
    files: {
      readText: async (path: string) => {
        if (path.endsWith("6")) throw missing(); // a kernel without IPv6
        asked.push("table");
        return tables[0] ?? "";
      },
      stat: async (path: string) => {
        if (!programs.includes(path)) throw missing();
        return {};
      },
      async *watch(folder: string, { signal, onOpen }: { signal: AbortSignal; onOpen: () => void }) {
        asked.push(`watch ${folder}`);
        if (coming === "missed") tables.shift();
        onOpen();
        yield { path: "other" };
        if (coming === "pid file") {
          tables.shift();
          yield { path: "sshd.pid" };
        }
        await once(signal, "abort");
        asked.push("over");
      },
    },
    waitSystem: async ({ signal }: { signal: AbortSignal }) => {
      if (coming !== "system") return once(signal, "abort");
      asked.push("wait");
      tables.shift();
      return "running";
    },
  } as unknown as Sandbox;
  return { vm, asked };
}

test("a server that listens is used at once", async () => {
  const { vm, asked } = guest([LISTENS], []);
  assert.equal(await hasSshServer(vm), true);
  assert.deepEqual(asked, ["table"]);
});

test("a server that is there but not up is waited for; one that never comes up is none", async () => {
  for (const coming of ["pid file", "missed", "system"] as const) {
    const late = guest([HEAD, LISTENS], ["/usr/sbin/sshd"], coming);
    assert.equal(await hasSshServer(late.vm), true);
    assert.equal(late.asked.filter((one) => one === "watch /run").length, 1);
    if (coming !== "system") assert.ok(!late.asked.includes("wait"), "not for the whole system");
  }
  assert.equal(await hasSshServer(guest([HEAD, HEAD], ["/usr/sbin/sshd"]).vm), false);
});

test("an image without one is not waited for", async () => {
  const { vm, asked } = guest([HEAD], []);
  assert.equal(await hasSshServer(vm), false);
  assert.deepEqual(asked, ["table"]);
});

test("only a socket that listens on the very port counts", () => {
  assert.ok(hasListener(LISTENS, 22));
  assert.ok(!hasListener(LISTENS, 2));
  assert.ok(!hasListener(LISTENS.replace("0A", "01"), 22));
  assert.ok(!hasListener("", 22));
  assert.ok(hasListener("0: 00000000000000000000000000000000:1F90 0:0 0A x", 8080));
});

test("a host's name is the VM's name and its suffix", () => {
  assert.equal(vmOfHost("box.vm"), "box");
  assert.equal(vmOfHost("Box.VM"), "box");
  assert.equal(vmOfHost("vm-0123456789"), "vm-0123456789");
});
