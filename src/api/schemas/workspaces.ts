/** Git repositories of the host in VMs. */
import { z } from "zod";
import { bytes, timestamp } from "./common.ts";

export const workspace = z
  .object({
    name: z.string().describe("of the repository: what the top of its work tree is called"),
    root: z.string().describe("top of the host's work tree"),
    guest_path: z.string(),
    branch: z.string().nullable().describe("in the guest; null when detached"),
    head: z.string().nullable().describe("commit that the guest's HEAD was set to; null without commits"),
    host_head: z.string().nullable().describe("HEAD of the host's repository then"),
    tree: z.string().describe("what the guest got, as a git tree; changes are told apart from it"),
    include_untracked: z.boolean(),
    readonly: z.boolean(),
    mode: z.enum(["shallow", "full_copy"]),
    files: z.int().describe("moved by the last preparation"),
    bytes,
    prepared_at: timestamp,
  })
  .meta({ id: "Workspace" });

export const prepareWorkspace = z
  .strictObject({
    path: z.string().min(1).max(4096).describe("absolute path of a folder in a repository of the host"),
    guest_path: z
      .string()
      .max(4096)
      .regex(/^(\/(?!\.{1,2}(\/|$))[^/\0]+)+$/, "an absolute path without . and ..")
      .optional()
      .describe("default /root/repo"),
    include_untracked: z.boolean().optional().describe("also files that git neither tracks nor ignores"),
    readonly: z.boolean().optional().describe("drop the files' write bits"),
    mode: z
      .enum(["shallow", "full_copy"])
      .optional()
      .describe(
        "shallow (default): ten commits; full_copy: all of the history, and submodules with their files",
      ),
    branch: z.string().min(1).max(255).optional().describe("a new branch for the guest"),
    from: z.string().min(1).max(255).optional().describe("where that branch starts; default HEAD"),
    force: z.boolean().optional().describe("replace what is in the guest"),
  })
  .meta({ id: "PrepareWorkspace" });

export const exportWorkspace = z
  .strictObject({
    base_commit: z
      .string()
      .min(1)
      .max(255)
      .optional()
      .describe("tell changes apart from this commit, not from what the guest got"),
    apply: z
      .boolean()
      .optional()
      .describe("change the host's work tree, checked first, wholly or not at all"),
    branch: z
      .string()
      .min(1)
      .max(255)
      .optional()
      .describe("make the guest's commits this new branch of the host"),
  })
  .meta({ id: "ExportWorkspace" });

/** A tree or commit of git. */
export const objectId = z.string().regex(/^([0-9a-f]{40}|[0-9a-f]{64})$/);

export const workspaceExport = z
  .object({
    from: objectId.describe("tree that the patch leads from"),
    to: objectId.describe("tree that the patch leads to: the guest's work tree"),
    head: z.string().nullable().describe("commit of the guest's HEAD"),
    branch: z.string().nullable().describe("the guest's branch"),
    commits: z
      .array(z.object({ id: z.string(), subject: z.string() }))
      .describe("that the host did not have"),
    file_count: z.int(),
    files: z
      .array(z.object({ path: z.string(), added: z.int().nullable(), removed: z.int().nullable() }))
      .describe("the first 1000; lines added and removed, null for binary files"),
  })
  .meta({ id: "WorkspaceExport" });

export type ExportWorkspace = z.infer<typeof exportWorkspace>;
export type WorkspaceExport = z.infer<typeof workspaceExport>;
export type Workspace = z.infer<typeof workspace>;
export type PrepareWorkspace = z.infer<typeof prepareWorkspace>;
