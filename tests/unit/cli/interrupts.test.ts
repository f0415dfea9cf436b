/** Signals while something is to be cleaned up. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Interrupts } from "../../../src/cli/interrupts.ts";
import { signalSelf } from "../../support/place.ts";

test("the newest handler gets the signal, with how many came to it; then the one before again", async () => {
  const interrupts = new Interrupts(() => assert.fail("somebody handles it"));
  const seen: string[] = [];
  await interrupts.during(
    (signal, count) => seen.push(`outer ${signal} ${count}`),
    async () => {
      signalSelf("SIGINT");
      await interrupts.during(
        (signal, count) => seen.push(`inner ${signal} ${count}`),
        async () => {
          signalSelf("SIGTERM");
          signalSelf("SIGINT");
        },
      );
      signalSelf("SIGHUP");
    },
  );
  assert.deepEqual(seen, ["outer SIGINT 1", "inner SIGTERM 1", "inner SIGINT 2", "outer SIGHUP 2"]);
});

test("afterwards signals end the process as ever, also when the work failed", async () => {
  const interrupts = new Interrupts();
  const before = process.listenerCount("SIGINT");
  const work = interrupts.during(
    () => {},
    async () => {
      assert.equal(process.listenerCount("SIGINT"), before + 1);
      throw new Error("failed");
    },
  );
  await assert.rejects(work, /failed/);
  assert.equal(process.listenerCount("SIGINT"), before);
});

test("ends the process with the signal's code", () => {
  const codes: number[] = [];
  const interrupts = new Interrupts((code) => codes.push(code));
  interrupts.exit("SIGTERM");
  assert.deepEqual(codes, [143]);
});
