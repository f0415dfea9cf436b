/** All commands. Each is loaded only when it is used: start-up time is part of the product. */
import type { Command, OptionSpecs } from "./command.ts";

export interface Entry {
  readonly name: string;
  readonly aliases?: readonly string[];
  readonly summary: string;
  /** Left out of the overviews: other programs type it, not people. */
  readonly hidden?: boolean;
  readonly load: () => Promise<{ default: Command<OptionSpecs, never> }>;
}

// The modules' option types differ; the parser gives each exactly the options that it declares.
export const load = (from: () => Promise<{ default: unknown }>) => from as Entry["load"];

export const COMMANDS: readonly Entry[] = [
  {
    name: "vm run",
    summary: "a shell or a command in a fresh VM, with the git repository at path in it",
    load: load(() => import("./commands/vm-run.ts")),
  },
  {
    name: "vm create",
    summary: "make a VM without running anything in it",
    load: load(() => import("./commands/vm-create.ts")),
  },
  {
    name: "vm list",
    aliases: ["ps", "vm ls"],
    summary: "VMs and what they use",
    load: load(() => import("./commands/vm-list.ts")),
  },
  {
    name: "vm show",
    summary: "everything known about one VM",
    load: load(() => import("./commands/vm-show.ts")),
  },
  { name: "vm start", summary: "start stopped VMs", load: load(() => import("./commands/vm-start.ts")) },
  {
    name: "vm stop",
    summary: "power VMs off in order; their disks stay",
    load: load(() => import("./commands/vm-stop.ts")),
  },
  {
    name: "vm restart",
    summary: "stop and start VMs",
    load: load(() => import("./commands/vm-restart.ts")),
  },
  {
    name: "vm pause",
    summary: "have VMs stand still in memory",
    load: load(() => import("./commands/vm-pause.ts")),
  },
  { name: "vm resume", summary: "let paused VMs go on", load: load(() => import("./commands/vm-resume.ts")) },
  {
    name: "vm kill",
    summary: "end VMs at once, without asking the guest",
    load: load(() => import("./commands/vm-kill.ts")),
  },
  {
    name: "vm set",
    summary: "change a VM: its name, its sizes, its network",
    load: load(() => import("./commands/vm-set.ts")),
  },
  {
    name: "vm delete",
    aliases: ["vm rm"],
    summary: "delete VMs and their disks",
    load: load(() => import("./commands/vm-delete.ts")),
  },
  {
    name: "vm prune",
    summary: "delete all VMs that do not run",
    load: load(() => import("./commands/vm-prune.ts")),
  },
  {
    name: "vm stats",
    summary: "what VMs use: processor, memory, disk, network",
    load: load(() => import("./commands/vm-stats.ts")),
  },
  {
    name: "vm exec",
    summary: "a shell or a command in a running VM",
    load: load(() => import("./commands/vm-exec.ts")),
  },
  {
    name: "vm attach",
    summary: "come back to a command that was left with --detach-keys",
    load: load(() => import("./commands/vm-attach.ts")),
  },
  {
    name: "vm cp",
    summary: "copy files and trees into and out of a running VM",
    load: load(() => import("./commands/vm-cp.ts")),
  },
  {
    name: "vm workspace prepare",
    summary: "bring a git repository of this host into a running VM, or bring it up to date there",
    load: load(() => import("./commands/vm-workspace-prepare.ts")),
  },
  {
    name: "vm workspace export",
    summary: "what was done in a VM's repository: as a patch, into this host's files, or as a branch",
    load: load(() => import("./commands/vm-workspace-export.ts")),
  },
  {
    name: "vm snapshot create",
    summary: "keep a VM as it is now, under a name",
    load: load(() => import("./commands/vm-snapshot-create.ts")),
  },
  {
    name: "vm snapshot list",
    aliases: ["vm snapshot ls"],
    summary: "snapshots of VMs",
    load: load(() => import("./commands/vm-snapshot-list.ts")),
  },
  {
    name: "vm snapshot show",
    summary: "everything known about one snapshot",
    load: load(() => import("./commands/vm-snapshot-show.ts")),
  },
  {
    name: "vm snapshot delete",
    aliases: ["vm snapshot rm"],
    summary: "delete snapshots; VMs that were made of them stay",
    load: load(() => import("./commands/vm-snapshot-delete.ts")),
  },
  {
    name: "vm snapshot export",
    summary: "write a snapshot to one file",
    load: load(() => import("./commands/vm-snapshot-export.ts")),
  },
  {
    name: "vm snapshot import",
    summary: "take a snapshot from a file that vm snapshot export wrote",
    load: load(() => import("./commands/vm-snapshot-import.ts")),
  },
  {
    name: "vm restore",
    summary: "make a VM of a snapshot, which goes on from there",
    load: load(() => import("./commands/vm-restore.ts")),
  },
  {
    name: "vm fork",
    summary: "make copies of a running VM, which goes on",
    load: load(() => import("./commands/vm-fork.ts")),
  },
  {
    name: "vm ssh",
    summary: "a shell or a command in a running VM, over ssh",
    load: load(() => import("./commands/vm-ssh.ts")),
  },
  {
    name: "vm proxy",
    summary: "standard input and output to a TCP port of a VM",
    hidden: true,
    load: load(() => import("./commands/vm-proxy.ts")),
  },
  { name: "vm logs", summary: "a VM's serial console", load: load(() => import("./commands/vm-logs.ts")) },
  {
    name: "vm ports",
    summary: "what listens in a VM, and which ports lead there",
    load: load(() => import("./commands/vm-ports.ts")),
  },
  {
    name: "vm forward",
    summary: "ports of this host that lead into a VM while the command runs",
    load: load(() => import("./commands/vm-forward.ts")),
  },
  {
    name: "image list",
    aliases: ["image ls"],
    summary: "images that VMs are made of",
    load: load(() => import("./commands/image-list.ts")),
  },
  {
    name: "image prune",
    summary: "remove images that no VM uses",
    load: load(() => import("./commands/image-prune.ts")),
  },
  { name: "image pull", summary: "obtain an image", load: load(() => import("./commands/image-pull.ts")) },
  {
    name: "image show",
    summary: "everything known about one image",
    load: load(() => import("./commands/image-show.ts")),
  },
  {
    name: "image import",
    summary: "make an image of a tar, an archive of docker or podman, or an OCI layout",
    load: load(() => import("./commands/image-import.ts")),
  },
  {
    name: "image register",
    summary: "use a squashfs of this host as an image, where it lies",
    load: load(() => import("./commands/image-register.ts")),
  },
  {
    name: "image promote",
    summary: "copy a registered image into the store",
    load: load(() => import("./commands/image-promote.ts")),
  },
  {
    name: "image export",
    summary: "write an image to a file or folder that other tools read",
    load: load(() => import("./commands/image-export.ts")),
  },
  {
    name: "image verify",
    summary: "check that images here are what their digests say",
    load: load(() => import("./commands/image-verify.ts")),
  },
  {
    name: "image bundle",
    summary: "write an image to a file that a catalog can name",
    load: load(() => import("./commands/image-bundle.ts")),
  },
  {
    name: "image publish",
    summary: "put an image into your signed catalog",
    load: load(() => import("./commands/image-publish.ts")),
  },
  {
    name: "image delete",
    aliases: ["image rm"],
    summary: "delete images that no VM uses",
    load: load(() => import("./commands/image-delete.ts")),
  },
  {
    name: "kernel list",
    aliases: ["kernel ls"],
    summary: "kernels that VMs boot",
    load: load(() => import("./commands/kernel-list.ts")),
  },
  {
    name: "kernel verify",
    summary: "check that kernels here are what their digests say",
    load: load(() => import("./commands/kernel-verify.ts")),
  },
  {
    name: "kernel bundle",
    summary: "write a kernel to a file that a catalog can name",
    load: load(() => import("./commands/kernel-bundle.ts")),
  },
  {
    name: "kernel publish",
    summary: "put a kernel into your signed catalog",
    load: load(() => import("./commands/kernel-publish.ts")),
  },
  {
    name: "kernel delete",
    aliases: ["kernel rm"],
    summary: "remove one kernel",
    load: load(() => import("./commands/kernel-delete.ts")),
  },
  {
    name: "kernel prune",
    summary: "remove kernels that no VM uses",
    load: load(() => import("./commands/kernel-prune.ts")),
  },
  {
    name: "kernel import",
    summary: "make a kernel of files of this host",
    load: load(() => import("./commands/kernel-import.ts")),
  },
  {
    name: "kernel show",
    summary: "everything known about one kernel",
    load: load(() => import("./commands/kernel-show.ts")),
  },
  {
    name: "kernel export",
    summary: "write a kernel to a folder, for another host's kernel import",
    load: load(() => import("./commands/kernel-export.ts")),
  },
  { name: "kernel pull", summary: "obtain a kernel", load: load(() => import("./commands/kernel-pull.ts")) },
  {
    name: "catalog list",
    aliases: ["catalog ls"],
    summary: "the catalogs of config.toml, and how they are",
    load: load(() => import("./commands/catalog-list.ts")),
  },
  {
    name: "catalog verify",
    summary: "check a catalog and every bundle of it",
    load: load(() => import("./commands/catalog-verify.ts")),
  },
  {
    name: "catalog keygen",
    summary: "make a key to sign a catalog of your own with",
    load: load(() => import("./commands/catalog-keygen.ts")),
  },
  {
    name: "config show",
    summary: "every setting in effect, and where it comes from",
    load: load(() => import("./commands/config-show.ts")),
  },
  {
    name: "config path",
    summary: "where config.toml is looked for",
    load: load(() => import("./commands/config-path.ts")),
  },
  {
    name: "daemon start",
    summary: "start the daemon (other commands do it when they need it)",
    load: load(() => import("./commands/daemon-start.ts")),
  },
  {
    name: "daemon stop",
    summary: "end the daemon; VMs run on",
    load: load(() => import("./commands/daemon-stop.ts")),
  },
  {
    name: "daemon restart",
    summary: "end the daemon and start it anew; VMs run on",
    load: load(() => import("./commands/daemon-restart.ts")),
  },
  {
    name: "daemon status",
    summary: "whether the daemon runs, and how",
    load: load(() => import("./commands/daemon-status.ts")),
  },
  {
    name: "daemon logs",
    summary: "what the daemon wrote",
    load: load(() => import("./commands/daemon-logs.ts")),
  },
  {
    name: "cache prune",
    summary: "empty the cache; what is needed again is made again",
    load: load(() => import("./commands/cache-prune.ts")),
  },
  {
    name: "du",
    summary: "what takes space on this host, and what of it can go",
    load: load(() => import("./commands/du.ts")),
  },
  {
    name: "doctor",
    summary: "whether this machine has what banger needs",
    load: load(() => import("./commands/doctor.ts")),
  },
  {
    name: "ssh-config",
    summary: "makes plain ssh, scp, rsync and git reach VMs by name",
    load: load(() => import("./commands/ssh-config.ts")),
  },
  {
    name: "completion",
    summary: "a script that completes banger's commands in your shell",
    load: load(() => import("./commands/completion.ts")),
  },
  {
    name: "version",
    summary: "versions of client and daemon",
    load: load(() => import("./commands/version.ts")),
  },
];

/** What each group of commands is about. */
export const GROUPS: Readonly<Record<string, string>> = {
  vm: "virtual machines",
  image: "root filesystems",
  kernel: "kernels",
  catalog: "signed lists of images and kernels",
  config: "the settings of config.toml",
  cache: "what can be made again",
  daemon: "the process that owns the VMs",
};

/** Groups within groups. */
export const SUBGROUPS: Readonly<Record<string, string>> = {
  "vm workspace": "git repositories of this host in VMs",
  "vm snapshot": "VMs kept as they were",
};

export type Resolution =
  | { readonly entry: Entry; readonly rest: readonly string[] }
  | { readonly group: string }
  | { readonly unknown: string; readonly candidates: readonly string[] };

/** Finds the command that the words name. Options before the words are left to the caller. */
export function resolve(words: readonly string[], commands: readonly Entry[] = COMMANDS): Resolution {
  for (const length of [3, 2, 1]) {
    const name = words.slice(0, length).join(" ");
    const entry = commands.find((c) => c.name === name || c.aliases?.includes(name));
    if (entry && words.length >= length) return { entry, rest: words.slice(length) };
  }
  const [first = "", second, third] = words;
  const inGroup = commands.filter((c) => c.name.startsWith(`${first} `)).map((c) => c.name);
  if (inGroup.length === 0) {
    const names = commands.flatMap((c) => [c.name, ...(c.aliases ?? [])]);
    return { unknown: first, candidates: [...new Set(names.map((name) => name.split(" ")[0] ?? name))] };
  }
  if (second === undefined || second.startsWith("-")) return { group: first };
  const subgroup = `${first} ${second}`;
  if (subgroup in SUBGROUPS) {
    if (third === undefined || third.startsWith("-")) return { group: subgroup };
    return { unknown: `${subgroup} ${third}`, candidates: inGroup };
  }
  return { unknown: subgroup, candidates: inGroup };
}
