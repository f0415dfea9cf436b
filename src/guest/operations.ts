/**
 * Everything that docs/protocol.md numbers, once: operations with their fields and channels, events, statuses, HELLO.
 * Adding an operation means adding it here and to the document; tests/contract/protocol.test.ts compares them.
 */
import {
  bigInt,
  blob,
  bool,
  clampedInt,
  type Decoded,
  type Encodable,
  int,
  list,
  optional,
  path,
  rec,
  type Schema,
  signedBigInt,
  str,
  withDefault,
  word,
} from "./fields.ts";

/** The protocol generation that this host speaks. */
export const GENERATION = 1;
/** Most streams that may be open at a time. */
export const MAX_STREAMS = 1024;
/** No window may be larger. */
export const MAX_WINDOW = 1_048_576;
/** Output that the agent keeps per channel of a process for a later attach. */
export const KEPT_OUTPUT = 262_144;

const MAX_ID = 0xffff_ffff;
const MAX_PID = 0x7fff_ffff;
const MAX_PORT = 65_535;
const MAX_CELLS = 10_000;

/** Status numbers of RESPONSE by name. */
export const STATUS = {
  ok: 0,
  bad_request: 1,
  unknown_op: 2,
  not_found: 3,
  permission: 4,
  exists: 5,
  not_directory: 6,
  is_directory: 7,
  no_space: 8,
  too_many: 9,
  not_executable: 10,
  io: 11,
  refused: 12,
  unsupported: 13,
  invalid_archive: 14,
  not_empty: 15,
  too_large: 16,
} as const;

/** Name of a status other than ok. */
export type FailureStatus = Exclude<keyof typeof STATUS, "ok">;

/** What happens to an attached process when its connection is lost. */
export const ON_DISCONNECT = { keep: 0, hangUp: 1 } as const;

export const HELLO = {
  generation: int(1),
  agentVersion: withDefault(str(2, 64), ""),
  bootId: withDefault(str(3, 64), ""),
  kernel: withDefault(str(4, 128), ""),
  role: word(5, ["init", "beside", "hosted", "unknown"], "unknown"),
  initNs: withDefault(int(6), 0),
  rootNs: withDefault(int(7), 0),
  agentNs: withDefault(int(8), 0),
  session: withDefault(int(9), 0),
  ops: list(int(10, 0xffff), 1024),
} as const satisfies Schema;

/** Fields of a failed RESPONSE. */
export const FAILURE = {
  errno: withDefault(clampedInt(1), 0),
  message: withDefault(str(2, 512), ""),
} as const satisfies Schema;

/** A file as the agent describes it. */
export const ENTRY = {
  name: path(1, 4096),
  type: word(2, ["file", "dir", "symlink", "fifo", "socket", "char", "block"]),
  mode: int(3, 0o7777),
  uid: int(4, MAX_ID),
  gid: int(5, MAX_ID),
  size: withDefault(clampedInt(6), 0),
  mtimeNs: withDefault(signedBigInt(7), 0n),
  target: optional(path(8, 4096)),
  nlink: withDefault(clampedInt(9), 0),
  ino: withDefault(bigInt(10), 0n),
  dev: withDefault(bigInt(11), 0n),
  ctimeNs: withDefault(signedBigInt(12), 0n),
} as const satisfies Schema;

const PROCESS = {
  proc: int(1),
  pid: int(2, MAX_PID),
  argv: list(path(3, 256), 16),
  startedNs: withDefault(bigInt(4), 0n),
  running: withDefault(bool(5), false),
  code: optional(int(6, 255)),
  signal: optional(int(7, 127)),
  attached: withDefault(bool(8), false),
  pty: withDefault(bool(9), false),
  label: withDefault(str(10, 64), ""),
  user: withDefault(str(11, 256), ""),
} as const satisfies Schema;

const LISTENER = {
  address: str(1, 64),
  port: int(2, MAX_PORT),
  protocol: word(3, ["tcp", "tcp6", "udp", "udp6", "unknown"], "unknown"),
  pid: withDefault(int(4, MAX_PID), 0),
  process: withDefault(str(5, 256), ""),
  inode: withDefault(bigInt(6), 0n),
} as const satisfies Schema;

const CONFIGURED_FILE = {
  path: path(1),
  content: blob(2),
  mode: optional(int(3, 0o7777)),
} as const satisfies Schema;

interface EventEntry {
  readonly event: number;
  readonly fields: Schema;
}

/** EVENT frames. */
export const EVENTS = {
  exited: {
    event: 1,
    fields: {
      code: optional(int(1, 255)),
      signal: optional(int(2, 127)),
      timedOut: withDefault(bool(3), false),
      userUs: withDefault(clampedInt(4), 0),
      systemUs: withDefault(clampedInt(5), 0),
      maxRssKb: withDefault(clampedInt(6), 0),
    },
  },
  taken_over: { event: 2, fields: {} },
  failed: {
    event: 3,
    fields: {
      status: int(1, 0xffff, 1),
      errno: withDefault(clampedInt(2), 0),
      message: withDefault(str(3, 512), ""),
      entries: withDefault(int(4), 0),
    },
  },
  done: { event: 4, fields: { bytes: withDefault(int(1), 0), entries: withDefault(int(2), 0) } },
  changed: {
    event: 5,
    fields: {
      path: path(1),
      kind: word(2, ["create", "modify", "delete", "move_from", "move_to", "attrib"]),
      isDirectory: withDefault(bool(3), false),
      cookie: withDefault(int(4), 0),
    },
  },
  overflow: { event: 6, fields: {} },
} as const satisfies Record<string, EventEntry>;

export type EventName = keyof typeof EVENTS;

/** A decoded EVENT. */
export type GuestEvent = {
  [N in EventName]: { readonly name: N; readonly fields: Decoded<(typeof EVENTS)[N]["fields"]> };
}[EventName];

interface OperationEntry {
  readonly op: number;
  readonly request: Schema;
  readonly response: Schema;
  /** Channels on which the guest may send. */
  readonly from: readonly (1 | 2)[];
  /** Whether the host may send on channel 0. */
  readonly to: boolean;
  readonly events: readonly EventName[];
}

const PLAIN = { from: [], to: false, events: [] } as const;
const PROCESS_STREAM = { from: [1, 2], to: true, events: ["exited", "taken_over"] } as const;
const DOWNLOAD = { from: [1], to: false, events: ["done", "failed"] } as const;
const UPLOAD = { from: [], to: true, events: ["done", "failed"] } as const;
const NONE = {} as const satisfies Schema;

/** All operations. Names are those of the document. */
export const OPERATIONS = {
  proc_start: {
    op: 1,
    request: {
      argv: list(path(1)),
      env: list(path(2)),
      cwd: optional(path(3)),
      user: optional(str(4)),
      pty: optional(bool(5)),
      rows: optional(int(6, MAX_CELLS, 1)),
      cols: optional(int(7, MAX_CELLS, 1)),
      stdin: optional(bool(8)),
      deadlineMs: optional(int(9)),
      onDisconnect: optional(int(10, 1)),
      attach: optional(bool(11)),
      cleanEnv: optional(bool(12)),
      label: optional(str(13, 64)),
      login: optional(bool(14)),
    },
    response: { pid: int(1, MAX_PID), proc: int(2) },
    ...PROCESS_STREAM,
  },
  proc_list: { op: 2, request: NONE, response: { processes: list(rec(1, PROCESS), 4096) }, ...PLAIN },
  proc_attach: {
    op: 3,
    request: {
      proc: int(1),
      stdoutOffset: optional(int(2)),
      stderrOffset: optional(int(3)),
      onDisconnect: optional(int(4, 1)),
    },
    response: {
      pid: int(1, MAX_PID),
      stdoutOffset: withDefault(int(2), 0),
      stderrOffset: withDefault(int(3), 0),
    },
    ...PROCESS_STREAM,
  },
  proc_signal: {
    op: 4,
    request: { proc: int(1), signal: int(2, 64, 1), group: optional(bool(3)) },
    response: NONE,
    ...PLAIN,
  },
  proc_resize: {
    op: 5,
    request: { proc: int(1), rows: int(2, MAX_CELLS, 1), cols: int(3, MAX_CELLS, 1) },
    response: NONE,
    ...PLAIN,
  },
  file_stat: {
    op: 10,
    request: { path: path(1), follow: optional(bool(2)) },
    response: { entry: rec(1, ENTRY) },
    ...PLAIN,
  },
  file_list: {
    op: 11,
    request: { path: path(1), recursive: optional(bool(2)), skip: optional(path(3)) },
    response: NONE,
    ...DOWNLOAD,
  },
  file_read: {
    op: 12,
    request: { path: path(1), offset: optional(int(2)), limit: optional(int(3)) },
    response: { entry: rec(1, ENTRY) },
    ...DOWNLOAD,
  },
  file_write: {
    op: 13,
    request: {
      path: path(1),
      mode: optional(int(2, 0o7777)),
      uid: optional(int(3, MAX_ID)),
      gid: optional(int(4, MAX_ID)),
      mtimeNs: optional(signedBigInt(5)),
      exclusive: optional(bool(6)),
      makeParents: optional(bool(7)),
    },
    response: NONE,
    ...UPLOAD,
  },
  file_mkdir: {
    op: 14,
    request: { path: path(1), mode: optional(int(2, 0o7777)), parents: optional(bool(3)) },
    response: NONE,
    ...PLAIN,
  },
  file_move: {
    op: 15,
    request: { from: path(1), to: path(2), replace: optional(bool(3)) },
    response: NONE,
    ...PLAIN,
  },
  file_remove: {
    op: 16,
    request: { path: path(1), recursive: optional(bool(2)), missingOk: optional(bool(3)) },
    response: NONE,
    ...PLAIN,
  },
  tar_out: {
    op: 17,
    request: { path: path(1), name: optional(path(2)), oneFileSystem: optional(bool(3)) },
    response: { entry: rec(1, ENTRY) },
    ...DOWNLOAD,
  },
  tar_in: {
    op: 18,
    request: { path: path(1), keepOwner: optional(bool(2)), skipDevices: optional(bool(3)) },
    response: NONE,
    ...UPLOAD,
  },
  file_watch: {
    op: 19,
    request: { path: path(1), recursive: optional(bool(2)) },
    response: NONE,
    from: [],
    to: false,
    events: ["changed", "overflow", "failed"],
  },
  connect: {
    op: 30,
    request: { host: optional(str(1, 255)), port: int(2, MAX_PORT, 1) },
    response: NONE,
    from: [1],
    to: true,
    events: [],
  },
  listeners: { op: 31, request: NONE, response: { listeners: list(rec(1, LISTENER), 16_384) }, ...PLAIN },
  configure: {
    op: 40,
    request: {
      hostname: optional(str(1, 255)),
      timeNs: optional(bigInt(2)),
      entropy: optional(blob(3)),
      authorizedKeys: list(str(4)),
      env: list(path(5)),
      machineId: optional(str(6, 32)),
      address: optional(str(7, 64)),
      gateway: optional(str(8, 64)),
      interface: optional(str(9, 15)),
      dns: list(str(10, 64)),
      files: list(rec(11, CONFIGURED_FILE)),
    },
    response: NONE,
    ...PLAIN,
  },
  stats: {
    op: 41,
    request: NONE,
    response: {
      uptimeMs: withDefault(clampedInt(1), 0),
      memTotal: withDefault(clampedInt(2), 0),
      memAvailable: withDefault(clampedInt(3), 0),
      cpuBusyTicks: withDefault(clampedInt(4), 0),
      cpuTotalTicks: withDefault(clampedInt(5), 0),
      load1Milli: withDefault(clampedInt(6), 0),
      processes: withDefault(clampedInt(7), 0),
      diskTotal: withDefault(clampedInt(8), 0),
      diskUsed: withDefault(clampedInt(9), 0),
      netRx: withDefault(clampedInt(10), 0),
      netTx: withDefault(clampedInt(11), 0),
      diskRead: withDefault(clampedInt(12), 0),
      diskWritten: withDefault(clampedInt(13), 0),
    },
    ...PLAIN,
  },
  grow: { op: 42, request: { deviceBytes: optional(int(1)) }, response: { bytes: int(1) }, ...PLAIN },
  sync: { op: 43, request: NONE, response: NONE, ...PLAIN },
  poweroff: {
    op: 44,
    request: { reboot: optional(bool(1)), graceMs: optional(int(2)) },
    response: NONE,
    ...PLAIN,
  },
  wait_system: {
    op: 45,
    request: { timeoutMs: optional(int(1)) },
    response: { state: str(1, 64) },
    ...PLAIN,
  },
  renew: {
    op: 46,
    request: { machineId: str(1, 32), sshHostKey: blob(2), sshHostKeyPublic: blob(3) },
    response: NONE,
    ...PLAIN,
  },
} as const satisfies Record<string, OperationEntry>;

export type OperationName = keyof typeof OPERATIONS;
/** Fields of a request. */
export type RequestOf<N extends OperationName> = Encodable<(typeof OPERATIONS)[N]["request"]>;
/** Fields of a successful response. */
export type ResponseOf<N extends OperationName> = Decoded<(typeof OPERATIONS)[N]["response"]>;
/** What HELLO tells. */
export type Hello = Decoded<typeof HELLO>;
/** A file as decoded; `src/guest/file-entry.ts` gives it readable names. */
export type WireEntry = Decoded<typeof ENTRY>;
/** One row of `proc_list`. */
export type WireProcess = Decoded<typeof PROCESS>;
/** One row of `listeners`. */
export type WireListener = Decoded<typeof LISTENER>;
