/** How an operation is shown, and when colours are. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { ProgressView } from "../../../src/cli/terminal/progress.ts";
import { makeStyle, wantsColour } from "../../../src/cli/terminal/view.ts";

function view(isTTY: boolean, columns = 80) {
  let [printed, now] = ["", 0];
  const output = { isTTY, columns, write: (text: string) => (printed += text) };
  const progress = new ProgressView(output, makeStyle(false), () => now);
  return {
    progress,
    pass: (ms: number) => {
      now += ms;
    },
    printed: () => printed,
  };
}
const stage = (name: string, detail: string | null = null) => ({ type: "stage", name, detail }) as const;

describe("progress", () => {
  test("without a terminal is one line per stage that is over, with its time and without control characters", () => {
    const { progress, pass, printed } = view(false);
    progress.show(stage("creating", "8G disk"));
    progress.show({ type: "progress", progress: { done: 1, total: 2, unit: "items" } });
    pass(50);
    progress.show(stage("booting"));
    progress.show({ type: "notice", text: "slow" });
    pass(2300);
    progress.finish(true);
    assert.match(printed(), /^ {2}creating: 8G disk {2,}50ms\nnote: slow\n {2}booting {2,}2\.3s\n$/);
  });

  test("does not show a stage as done when the work failed in it", () => {
    const { progress, printed } = view(false);
    progress.show(stage("creating"));
    progress.show(stage("booting"));
    progress.finish();
    assert.doesNotMatch(printed(), /booting/);
  });

  test("on a terminal never writes a line that would wrap, and leaves none that is unfinished", () => {
    const { progress, printed } = view(true, 40);
    progress.show(stage("downloading", "x".repeat(200)));
    progress.finish();
    const [drawn = "", ...rest] = printed().split("\r\x1b[K").filter(Boolean);
    assert.equal(drawn.length, 39);
    assert.deepEqual(rest, []);
    assert.ok(printed().endsWith("\r\x1b[K"));
  });
});

test("colours are for terminals only, never under NO_COLOR or on a dumb one", () => {
  assert.equal(wantsColour({ isTTY: true }, {}), true);
  assert.equal(wantsColour({ isTTY: true }, { NO_COLOR: "" }), true);
  assert.equal(wantsColour({ isTTY: true }, { NO_COLOR: "0" }), false);
  assert.equal(wantsColour({ isTTY: true }, { TERM: "dumb" }), false);
  assert.equal(wantsColour({}, {}), false);
});
