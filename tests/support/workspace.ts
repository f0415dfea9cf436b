/** Workspaces without a VM: the real agent, hosted, with real repositories on both sides. */
import { join } from "node:path";
import { buffer } from "node:stream/consumers";
import type { TestContext } from "node:test";
import { silent } from "../../src/core/stage.ts";
import { openPatch } from "../../src/git/patch.ts";
import type { GuestSession } from "../../src/guest/index.ts";
import type { WorkspaceRecord } from "../../src/store/workspaces.ts";
import {
  type Exported,
  type ExportRequest,
  exportWorkspace,
  openShadow,
} from "../../src/workspace/export.ts";
import { type PrepareRequest, prepareWorkspace } from "../../src/workspace/prepare.ts";
import { hostedAgent } from "./hosted-agent.ts";
import { makeRepository } from "./repository.ts";

export interface Bench {
  /** The host's repository. */
  readonly repo: string;
  /** Of the test alone. */
  readonly folder: string;
  readonly session: GuestSession;
  record: WorkspaceRecord | null;
  /** What was told along the way. */
  readonly notices: string[];
  /** Prepares a new workspace, or again the one at the guest path, and gives the guest's work tree. */
  prepare(change?: Partial<PrepareRequest>): Promise<string>;
  export(change?: Partial<ExportRequest>): Promise<Exported>;
  /** The patch of an export. */
  patch(exported: Exported): Promise<Buffer>;
}

/** @param init further arguments for `git init` */
export async function bench(t: TestContext, ...init: readonly string[]): Promise<Bench> {
  const agent = await hostedAgent(t);
  const { folder } = agent;
  const session = await agent.connect();
  const directory = join(folder, "state");
  const repo = makeRepository(join(folder, "host"), { readme: "hello\n" }, ...init);
  const notices: string[] = [];
  const work = {
    report: { ...silent, notice: (text: string) => notices.push(text) },
    signal: new AbortController().signal,
  };
  let count = 0;
  const place = () => ({
    ...{ vmId: "vm", session, directory, previous: self.record },
    save: (record: WorkspaceRecord) => {
      self.record = record;
    },
  });
  const self: Bench = {
    repo,
    folder,
    session,
    record: null,
    notices,
    prepare: async (change = {}) => {
      const request = {
        ...{ path: repo, guestPath: join(folder, "guest", `repo${++count}`), includeUntracked: false },
        ...{ readOnly: false, fullCopy: false, branch: null, from: null, force: false, ...change },
      };
      await prepareWorkspace(place(), request, work);
      return request.guestPath;
    },
    export: (change = {}) => {
      const request = { baseCommit: null, apply: false, branch: null, ...change };
      return exportWorkspace(place(), prepared(self), request, work);
    },
    patch: async ({ from, to }) => {
      const running = openPatch(await openShadow(directory, prepared(self)), from, to);
      const content = await buffer(running.stdout);
      await running.ended;
      return content;
    },
  };
  return self;
}

function prepared({ record }: Bench): WorkspaceRecord {
  if (!record) throw new Error("nothing is prepared");
  return record;
}
