/**
 * The one catalogue of banger's errors. Each entry fixes the stable code, the HTTP status, the exit code, the message
 * template and the hint (the next thing to type). `docs/errors.md` is tested to be equal to it.
 *
 * Templates take `{name}` parameters; the types make sure that each is given. Values are cleaned: control characters
 * are escaped and long values cut, because some come from the guest.
 */

/** Exit codes of banger itself. `run`, `exec` and `ssh` map every failure of banger to 125, like `docker run`. */
export const EXIT = {
  ok: 0,
  failure: 1,
  usage: 2,
  timeout: 124,
  bangerFailed: 125,
  notExecutable: 126,
  notFound: 127,
} as const;

interface Entry {
  readonly status: number;
  readonly exit: number;
  readonly message: string;
  readonly hint: string;
}

const failure = EXIT.failure;
const usage = EXIT.usage;

export const CATALOGUE = {
  // usage
  invalid_argument: { status: 400, exit: usage, message: "{what}: {problem}", hint: "{accepted}" },
  unknown_command: { status: 400, exit: usage, message: "unknown command '{command}'", hint: "{suggestion}" },
  invalid_request: {
    status: 400,
    exit: usage,
    message: "the request is not valid: {problem}",
    hint: "see docs/openapi.json for the accepted form",
  },
  invalid_config: { status: 400, exit: failure, message: "{file}: {problem}", hint: "accepted: {accepted}" },
  arguments_too_large: {
    status: 413,
    exit: EXIT.bangerFailed,
    message: "command, environment and directory are {size} bytes together; at most {limit} can be passed",
    hint: "put long input in a file or pipe it to the command's standard input",
  },
  not_implemented_route: {
    status: 404,
    exit: failure,
    message: "no such API path: {method} {path}",
    hint: "see docs/openapi.json; client and daemon may differ in version (banger version)",
  },
  stream_failed: {
    status: 500,
    exit: failure,
    message: "{stream} cannot be {used}: {reason}",
    hint: "check what it is redirected to",
  },
  // VMs
  vm_not_found: {
    status: 404,
    exit: failure,
    message: "no VM named '{ref}'",
    hint: "banger vm list -a shows all VMs",
  },
  vm_ambiguous: {
    status: 409,
    exit: failure,
    message: "'{ref}' fits several VMs: {matches}",
    hint: "give the name or more characters of the id",
  },
  vm_name_taken: {
    status: 409,
    exit: failure,
    message: "a VM named '{name}' exists already",
    hint: "choose another --name, or banger vm delete {name}",
  },
  vm_wrong_state: {
    status: 409,
    exit: failure,
    message: "VM '{name}' is {state}; this needs it to be {wanted}",
    hint: "{hint}",
  },
  vm_busy: {
    status: 409,
    exit: failure,
    message: "VM '{name}' is busy: {operation} is under way",
    hint: "wait for it, or banger vm show {name}",
  },
  resource_exceeds_host: {
    status: 400,
    exit: usage,
    message: "{what} {asked} is more than this host has ({available})",
    hint: "ask for at most {available}",
  },
  nat_failed: {
    status: 500,
    exit: failure,
    message: "VM '{name}' cannot be given an outbound network: {reason}",
    hint: "passt needs a default route of this host: ip route shows it; banger daemon logs tells more",
  },
  port_unavailable: {
    status: 409,
    exit: failure,
    message: "port {port} on {address} cannot be opened: {reason}",
    hint: "{hint}",
  },
  // snapshots
  snapshot_not_found: {
    status: 404,
    exit: failure,
    message: "no snapshot named '{ref}'",
    hint: "banger vm snapshot list shows all snapshots",
  },
  snapshot_name_taken: {
    status: 409,
    exit: failure,
    message: "a snapshot named '{name}' exists already",
    hint: "choose another name, or banger vm snapshot delete {name}",
  },
  snapshot_in_use: {
    status: 409,
    exit: failure,
    message: "snapshot '{name}' is being restored or exported",
    hint: "type it again when that has ended",
  },
  snapshot_damaged: {
    status: 422,
    exit: failure,
    message: "snapshot '{name}' is damaged, {file}: {problem}",
    hint: "nothing was made of it; import it again, or banger vm snapshot delete {name}",
  },
  snapshot_unusable: {
    status: 409,
    exit: failure,
    message: "snapshot '{name}' cannot be restored here: {reason}",
    hint: "{fix}",
  },
  // start-up
  boot_failed: {
    status: 500,
    exit: failure,
    message: "VM '{name}' did not come up: {reason}",
    hint: "banger vm logs {name} shows its console{tail}",
  },
  vmm_died: {
    status: 500,
    exit: failure,
    message: "the virtual machine monitor of '{name}' ended: {reason}",
    hint: "banger vm logs {name} shows its console; banger vm start {name} starts it again",
  },
  vmm_survived: {
    status: 504,
    exit: failure,
    message: "the monitor of '{name}' still runs after {signal}",
    hint: "banger vm kill {name} ends it with SIGKILL",
  },
  driver_unavailable: {
    status: 409,
    exit: failure,
    message: "driver {driver} cannot be used: {reason}",
    hint: "{fix}",
  },
  driver_failed: {
    status: 502,
    exit: failure,
    message: "{driver} refused to {what}: {reason}",
    hint: "{fix}",
  },
  host_packages_missing: {
    status: 424,
    exit: failure,
    message: "this host lacks {tools}",
    hint: "banger doctor --fix installs: {packages}",
  },
  installation_failed: {
    status: 500,
    exit: failure,
    message: "{packages} could not be installed: {reason}",
    hint: "its messages are above; check the network and the package sources, then type: {line}",
  },
  file_sync_failed: {
    status: 500,
    exit: failure,
    message: "file_sync[{index}]: {host} could not be copied to {guest} in the VM: {reason}",
    hint: "correct the file or the entry in config.toml (banger config show), then start the VM again",
  },
  // disks and stores
  no_space: {
    status: 507,
    exit: failure,
    message: "not enough disk space for {what}: {needed} needed, {available} free on {path}",
    hint: "free some space, or ask for less",
  },
  state_unreadable: {
    status: 500,
    exit: failure,
    message: "{path} cannot be used: {reason}",
    hint: "it must be a folder that you own and can write to",
  },
  database_newer: {
    status: 500,
    exit: failure,
    message: "the state database is of a newer banger (schema {found}, this program knows {known})",
    hint: "update banger, or use another XDG_STATE_HOME",
  },
  database_corrupt: {
    status: 500,
    exit: failure,
    message: "the state database {path} is damaged: {reason}",
    hint: "restore it from {path}.backup, or move it away to start afresh (VM disks stay in place)",
  },
  // images and kernels
  image_not_found: {
    status: 404,
    exit: failure,
    message: "no image named '{ref}'",
    hint: "banger image list --available shows what can be used",
  },
  image_build_failed: {
    status: 500,
    exit: failure,
    message: "building image '{name}' failed at {stage}: {reason}",
    hint: "{fix}",
  },
  image_ambiguous: {
    status: 409,
    exit: failure,
    message: "'{ref}' is the beginning of the digests of {count} images",
    hint: "type more of it; banger image list --json shows whole digests",
  },
  image_not_in_registry: {
    status: 404,
    exit: failure,
    message: "no image '{ref}' at {registry}",
    hint: "check the name and the tag; banger image list --available shows what needs no registry",
  },
  image_export_failed: {
    status: 500,
    exit: failure,
    message: "exporting image '{name}' to {path} failed: {reason}",
    hint: "nothing was left there; check the folder and its free space",
  },
  image_in_use: {
    status: 409,
    exit: failure,
    message: "image '{name}' is used by {users}",
    hint: "delete these first: banger vm delete, banger vm snapshot delete",
  },
  kernel_in_use: {
    status: 409,
    exit: failure,
    message: "kernel '{name}' is used by {users}",
    hint: "delete these first: banger vm delete, banger vm snapshot delete",
  },
  image_changed: {
    status: 409,
    exit: failure,
    message: "image '{name}' is the file {path}, which {problem}",
    hint: "bring the file back, or take it as it is now: banger image register FILE NAME; banger image promote keeps a copy",
  },
  image_refused: {
    status: 422,
    exit: failure,
    message: "image '{ref}' is refused: {problem}",
    hint: "nothing of it was kept; have it built or sent again, or use another image",
  },
  registry_denied: {
    status: 403,
    exit: failure,
    message: "{registry} does not give out '{ref}': {reason}",
    hint: "check the name; for a private image log in with docker login or podman login, as the user who runs banger",
  },
  registry_failed: {
    status: 502,
    exit: failure,
    message: "{registry} answers {answer}",
    hint: "try again later; what was fetched so far is kept",
  },
  image_not_here: {
    status: 502,
    exit: failure,
    message: "no image named '{ref}' is here, and its registry cannot be asked: {reason}",
    hint: "banger image list --available shows what needs no registry",
  },
  registry_unreachable: {
    status: 502,
    exit: failure,
    message: "{registry} cannot be reached: {reason}",
    hint: "check the network, a proxy (https_proxy), and for an own authority its certs.d folder; what was fetched so far is kept",
  },
  registry_login_unreadable: {
    status: 500,
    exit: failure,
    message: "the login file {path} cannot be used: {reason}",
    hint: "log in again with docker login or podman login",
  },
  kernel_not_found: {
    status: 404,
    exit: failure,
    message: "no kernel named '{ref}'",
    hint: "banger kernel list --available shows what can be used",
  },
  kernel_fetch_failed: {
    status: 500,
    exit: failure,
    message: "getting kernel '{name}' failed at {stage}: {reason}",
    hint: "{fix}",
  },
  kernel_export_failed: {
    status: 500,
    exit: failure,
    message: "exporting kernel '{name}' to {path} failed: {reason}",
    hint: "nothing was left there; check the folder and its free space",
  },
  kernel_refused: {
    status: 422,
    exit: failure,
    message: "kernel '{name}' is refused: {problem}",
    hint: "docs/kernels.md says what a kernel must have; nothing of it was kept",
  },
  agent_build_failed: {
    status: 500,
    exit: failure,
    message: "building the guest agent failed: {reason}",
    hint: "banger doctor --fix installs the compiler",
  },
  // catalogs and bundles
  catalog_unreachable: {
    status: 502,
    exit: failure,
    message: "the catalog {url} cannot be fetched: {reason}",
    hint: "check the network and [[catalogs]] in config.toml; images that are here need no catalog",
  },
  catalog_too_large: {
    status: 422,
    exit: failure,
    message: "the catalog {url} has more than {limit} bytes",
    hint: "nothing of it is used; check the address in [[catalogs]] of config.toml",
  },
  catalog_signature_invalid: {
    status: 422,
    exit: failure,
    message: "the signature of the catalog {url} is not that of its key: {reason}",
    hint: "nothing of it is used; ask its publisher, and compare public_key with what they tell you",
  },
  catalog_malformed: {
    status: 422,
    exit: failure,
    message: "the catalog {url} is signed, but malformed: {problem}",
    hint: "nothing of it is used; its publisher has to publish it again (docs/catalog.md)",
  },
  catalog_downgraded: {
    status: 409,
    exit: failure,
    message: "the catalog {url} is older than the one seen before (serial {serial} after {seen})",
    hint: "nothing of it is used; its publisher has to publish a newer one; somebody may be handing out an old one",
  },
  catalog_entry_missing: {
    status: 404,
    exit: failure,
    message: "{kind} '{name}' is from a catalog, and none has it any more",
    hint: "it goes on working; banger catalog list shows the catalogs",
  },
  download_failed: {
    status: 502,
    exit: failure,
    message: "{url} cannot be fetched: {reason}",
    hint: "nothing of it was kept; try again, or tell its publisher",
  },
  bundle_size_wrong: {
    status: 422,
    exit: failure,
    message: "{url} has {found} bytes where its catalog promises {size}",
    hint: "nothing of it was kept; its publisher has to publish it again",
  },
  bundle_hash_wrong: {
    status: 422,
    exit: failure,
    message: "{url} has the sha256 {found}, not {sha256} as its catalog promises",
    hint: "nothing of it was kept; it was damaged or exchanged: tell its publisher",
  },
  bundle_entry_unexpected: {
    status: 422,
    exit: failure,
    message: "the bundle {bundle} holds '{entry}', which it must not",
    hint: "nothing of it was kept; banger image bundle and banger kernel bundle make what is accepted",
  },
  bundle_malformed: {
    status: 422,
    exit: failure,
    message: "the bundle {bundle} is malformed: {problem}",
    hint: "nothing of it was kept; banger image bundle and banger kernel bundle make what is accepted",
  },
  bundle_architecture_wrong: {
    status: 422,
    exit: failure,
    message: "{kind} '{name}' is made for {arch}, this machine is {host}",
    hint: "its publisher has to publish one for {host}",
  },
  bundle_failed: {
    status: 500,
    exit: failure,
    message: "the bundle of '{name}' cannot be written to {path}: {reason}",
    hint: "nothing half-made was left there; check the folder and its free space",
  },
  stored_damaged: {
    status: 500,
    exit: failure,
    message: "{kind} '{name}' is not what its digest says: its files were changed or damaged on the disk",
    hint: "delete the VMs that use it, banger {kind} delete {name}, and obtain it again",
  },
  signing_key_unusable: {
    status: 400,
    exit: failure,
    message: "the key {file} cannot be used: {reason}",
    hint: "banger catalog keygen FILE makes one",
  },
  // workspaces
  repository_unusable: {
    status: 400,
    exit: usage,
    message: "{path} is no git work tree that can be copied: {reason}",
    hint: "give a folder of a git repository; a command goes after --",
  },
  repository_has_submodules: {
    status: 400,
    exit: usage,
    message: "{path} has submodules ({submodules})",
    hint: "--mode full_copy copies their files, too",
  },
  repository_edits_conflict: {
    status: 409,
    exit: usage,
    message: "edits in {path} are to files that are others in that commit: {files}",
    hint: "commit or stash them, or leave out --from",
  },
  workspace_changed: {
    status: 409,
    exit: failure,
    message: "{what} changed while {path} was being copied",
    hint: "nothing was kept of the copy; run it again when the repository is at rest",
  },
  workspace_missing: {
    status: 409,
    exit: failure,
    message: "VM '{name}' has no workspace",
    hint: "banger vm workspace prepare {name} PATH brings a repository in",
  },
  workspace_guest_changes: {
    status: 409,
    exit: failure,
    message: "{path} in the guest has changes that would be lost: {files}",
    hint: "banger vm workspace export brings them to the host; --force overwrites them",
  },
  workspace_conflict: {
    status: 409,
    exit: failure,
    message: "the guest's changes do not apply to {path}: {files}",
    hint: "nothing was changed; export with --branch NAME and merge, or with -o FILE and git apply --3way",
  },
  workspace_in_the_way: {
    status: 409,
    exit: failure,
    message: "{path} is in the guest already, and is not what banger put there",
    hint: "give another --guest-path, or --force to replace it",
  },
  guest_no_space: {
    status: 507,
    exit: failure,
    message: "the guest has no space left for {path}",
    hint: "free some in it, or make a VM with a larger --disk-size",
  },
  git_failed: {
    status: 500,
    exit: failure,
    message: "git {command} failed: {reason}",
    hint: "git fsck in the repository tells whether it is whole",
  },
  // guest
  guest_protocol: {
    status: 502,
    exit: failure,
    message: "the guest broke the protocol: {problem}",
    hint: "the connection was closed; banger vm restart gives a fresh agent",
  },
  guest_unreachable: {
    status: 503,
    exit: failure,
    message: "the guest agent cannot be reached: {reason}",
    hint: "banger vm logs shows the guest's console",
  },
  agent_version: {
    status: 409,
    exit: failure,
    message: "the VM's agent speaks protocol generation {found}, this banger knows {known}",
    hint: "banger vm restart gives the VM this banger's agent",
  },
  guest_refused: { status: 422, exit: failure, message: "the guest refused: {problem}", hint: "{hint}" },
  guest_not_found: {
    status: 404,
    exit: failure,
    message: "not found in the guest: {problem}",
    hint: "check the path, process or user",
  },
  command_not_found: {
    status: 422,
    exit: EXIT.notFound,
    message: "{command}: command not found in the guest",
    hint: "check the spelling, or use an image that has it",
  },
  command_not_executable: {
    status: 422,
    exit: EXIT.notExecutable,
    message: "{command}: cannot be executed in the guest",
    hint: "check its mode and format (chmod +x, #! line)",
  },
  command_timed_out: {
    status: 408,
    exit: EXIT.timeout,
    message: "the command was stopped after {timeout}",
    hint: "give a longer --timeout",
  },
  // copies
  copy_refused: {
    status: 400,
    exit: failure,
    message: "{source} cannot be copied to {target}: {problem}",
    hint: "{accepted}",
  },
  copy_failed: {
    status: 500,
    exit: failure,
    message: "copying {source} stopped: {reason}",
    hint: "{copied}",
  },
  archive_invalid: {
    status: 422,
    exit: failure,
    message: "the archive is refused: {problem}",
    hint: "nothing outside the target was touched; what came before is there",
  },
  host_file_failed: {
    status: 500,
    exit: failure,
    message: "{path} cannot be written: {reason}",
    hint: "check what is there and who owns it",
  },
  // ssh
  ssh_key_unusable: {
    status: 400,
    exit: failure,
    message: "the ssh key {file} cannot be used: {reason}",
    hint: "{hint}",
  },
  ssh_host_key_changed: {
    status: 409,
    exit: failure,
    message: "VM '{name}' has another ssh host key than it had before",
    hint: "if its keys were made anew in the guest: banger vm ssh {name} --new-host-key",
  },
  ssh_config_unusable: { status: 409, exit: failure, message: "{file}: {problem}", hint: "{hint}" },
  // daemon
  daemon_unreachable: {
    status: 503,
    exit: failure,
    message: "the daemon cannot be reached: {reason}",
    hint: "banger daemon logs tells why; banger daemon start starts it",
  },
  daemon_start_failed: {
    status: 503,
    exit: failure,
    message: "the daemon did not start: {reason}",
    hint: "{hint}",
  },
  daemon_connection_lost: {
    status: 503,
    exit: failure,
    message: "the connection to the daemon was lost",
    hint: "running VMs go on; type the command again (banger daemon logs tells what happened)",
  },
  daemon_socket_foreign: {
    status: 403,
    exit: failure,
    message: "{path} belongs to another user (uid {uid})",
    hint: "remove it, or set XDG_RUNTIME_DIR to a folder of your own",
  },
  operation_not_found: {
    status: 404,
    exit: failure,
    message: "no operation '{id}'",
    hint: "operations are forgotten when the daemon restarts",
  },
  operation_cancelled: {
    status: 409,
    exit: failure,
    message: "{what} was cancelled",
    hint: "what was half made has been removed",
  },
  internal: {
    status: 500,
    exit: failure,
    message: "internal error: {problem}",
    hint: "this is a bug in banger; banger daemon logs has the details",
  },
} as const satisfies Record<string, Entry>;

export type ErrorCode = keyof typeof CATALOGUE;

type TemplateNames<T extends string> = T extends `${string}{${infer Name}}${infer Rest}`
  ? Name | TemplateNames<Rest>
  : never;
type Params<C extends ErrorCode> = Record<
  TemplateNames<(typeof CATALOGUE)[C]["message"]> | TemplateNames<(typeof CATALOGUE)[C]["hint"]>,
  string | number
>;

/** The wire form of an error: the body of every failed response, and of a failed operation. */
export interface ErrorBody {
  readonly code: string;
  readonly message: string;
  readonly hint: string;
  /** Exit code a command should end with. */
  readonly exit: number;
  /** Extra facts for programs, e.g. `{ packages: [...] }`. */
  readonly details?: Record<string, unknown> | undefined;
  /** Operation in whose log the story stands. */
  readonly operation?: string | undefined;
}

/** Every failure that a user can meet. Plain `Error` is for programmer mistakes only. */
export class BangerError extends Error {
  readonly code: ErrorCode | (string & {});
  readonly hint: string;
  readonly status: number;
  readonly exit: number;
  readonly details: Record<string, unknown> | undefined;
  operation: string | undefined;

  private constructor(body: ErrorBody, status: number, cause?: unknown) {
    super(body.message, cause === undefined ? undefined : { cause });
    this.name = "BangerError";
    this.code = body.code;
    this.hint = body.hint;
    this.status = status;
    this.exit = body.exit;
    this.details = body.details;
    this.operation = body.operation;
  }

  /** An error of the catalogue. Parameter values are cleaned for terminals and logs. */
  static of<C extends ErrorCode>(
    code: C,
    params: Params<C>,
    extra: { cause?: unknown; details?: Record<string, unknown> } = {},
  ): BangerError {
    const entry: Entry = CATALOGUE[code];
    const values: Record<string, string | number> = params;
    const body: ErrorBody = {
      code,
      message: fill(entry.message, values),
      hint: fill(entry.hint, values),
      exit: entry.exit,
      ...(extra.details ? { details: extra.details } : {}),
    };
    return new BangerError(body, entry.status, extra.cause);
  }

  /** Rebuilds an error that came over the wire. Unknown codes (a newer daemon) are kept as they are. */
  static fromBody(body: ErrorBody, status = 500): BangerError {
    return new BangerError(
      { ...body, message: clean(body.message, 4096), hint: clean(body.hint, 1024) },
      status,
    );
  }

  toBody(): ErrorBody {
    return {
      code: this.code,
      message: this.message,
      hint: this.hint,
      exit: this.exit,
      ...(this.details ? { details: this.details } : {}),
      ...(this.operation ? { operation: this.operation } : {}),
    };
  }
}

/** Whatever was thrown, as a BangerError; foreign errors become `internal` with the cause kept. */
export function asBangerError(error: unknown): BangerError {
  if (error instanceof BangerError) return error;
  const problem = error instanceof Error ? error.message : String(error);
  return BangerError.of("internal", { problem }, { cause: error });
}

function fill(template: string, values: Record<string, string | number>): string {
  return template.replace(/\{(\w+)\}/g, (_, name: string) => clean(String(values[name] ?? ""), 4096));
}

/** Escapes control characters (newline and tab stay) and cuts at `limit` characters. */
export function clean(text: string, limit = 1024): string {
  const safe = text.replace(/[^\P{Cc}\n\t]/gu, (c) => `\\x${c.charCodeAt(0).toString(16).padStart(2, "0")}`);
  return safe.length > limit ? `${safe.slice(0, limit)}…` : safe;
}
