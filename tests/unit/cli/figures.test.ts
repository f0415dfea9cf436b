/** Figures of VMs out of two samples, and how they are shown. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { figuresOf, figuresTable } from "../../../src/cli/figures.ts";
import { RedrawnBlock } from "../../../src/cli/terminal/redrawn-block.ts";
import type { VmStats } from "../../../src/sdk/index.ts";

const GIB = 1024 ** 3;
const sample = (busy: number, total: number): VmStats => ({
  uptime_ms: 61_000,
  cpu_busy_ticks: busy,
  cpu_total_ticks: total,
  load1: 0.5,
  processes: 40,
  memory_total_bytes: 2 * GIB,
  memory_available_bytes: 1.5 * GIB,
  host_rss_bytes: 0.75 * GIB,
  disk_total_bytes: 8 * GIB,
  disk_used_bytes: GIB,
  disk_read_bytes: 0,
  disk_written_bytes: 1024,
  net_rx_bytes: 0,
  net_tx_bytes: 0,
});
const vm = { name: "box", id: "vm-1" };

describe("figures", () => {
  test("are the processors' share between two samples, or since the boot when there is no earlier one of it", () => {
    assert.equal(figuresOf(vm, sample(150, 400), sample(100, 200)).cpu_percent, 25);
    assert.equal(figuresOf(vm, sample(150, 400), undefined).cpu_percent, 37.5);
    assert.equal(figuresOf(vm, sample(15, 40), sample(100, 200)).cpu_percent, 37.5, "restarted in between");
    assert.equal(figuresOf(vm, sample(100, 200), sample(100, 200)).cpu_percent, 0);
    assert.equal(figuresOf(vm, sample(900, 200), undefined).cpu_percent, 100, "a guest may say anything");
  });

  test("are told in a row", () => {
    assert.equal(
      figuresTable([figuresOf(vm, sample(150, 400), undefined)]),
      "NAME  CPU    MEM      HOST MEM  DISK   READ/WRITTEN  NET IN/OUT  PROCS  UPTIME\n" +
        "box   37.5%  512M/2G  768M      1G/8G  0B/1K         0B/0B       40     1m01s\n",
    );
  });
});

describe("a block that is redrawn", () => {
  const draw = (isTTY: boolean, ...texts: string[]) => {
    let written = "";
    const block = new RedrawnBlock({ isTTY, columns: 11, write: (text) => (written += text) });
    for (const text of texts) block.draw(text);
    return written;
  };

  test("takes the place of the one before, no line longer than the terminal is wide", () => {
    assert.equal(
      draw(true, "one\ntwo\n", "a line that is long\n"),
      "\r\x1b[Jone\ntwo\n\x1b[2A\r\x1b[Ja line tha\n",
    );
  });

  test("follows it where there is no terminal", () => {
    assert.equal(draw(false, "one\n", "two\n"), "one\n\ntwo\n");
  });
});
