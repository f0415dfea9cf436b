/** The documents that are made of sources: path → content. `npm run docs` writes them; a test keeps them current. */
import { z } from "zod";
import { openApiDocument } from "../../src/api/openapi.ts";
import { parse } from "../../src/cli/parse.ts";
import { COMMANDS } from "../../src/cli/registry.ts";
import { configSchema } from "../../src/core/config.ts";
import { CATALOGUE } from "../../src/core/errors.ts";
import { FEATURES, type Feature } from "../../src/vmm/features.ts";
import { OLDEST, TESTED } from "../../src/vmm/firecracker/probe.ts";
import { hostDrivers } from "./each-driver.ts";

export const DOCUMENTS: Record<string, () => string | Promise<string>> = {
  "docs/openapi.json": () => `${JSON.stringify(openApiDocument(), null, 2)}\n`,
  "docs/errors.md": errors,
  "docs/config.md": config,
  "docs/cli.md": commandLine,
  "docs/drivers.md": drivers,
};

const MADE = "<!-- Made by `npm run docs`; change the source instead. -->";

function errors(): string {
  const rows = Object.entries(CATALOGUE).map(([code, { exit, status, message, hint }]) =>
    row([`\`${code}\``, exit, status, message, hint]),
  );
  return `# Errors

${MADE}

Every failure has one of these codes. The command line prints \`banger: <message>\` and the hint, which is what to do next;
the API answers with an object of \`code\`, \`message\`, \`hint\` and \`exit\`. Codes are stable; messages may change.

Exit is the code that a command ends with. For \`vm run\` and \`vm exec\`, whose exit code is otherwise the guest command's own,
it is 125 where the table says 1. Status is the HTTP status of the API.

${row(["Code", "Exit", "Status", "Message", "Hint"])}
${row(["---", "---", "---", "---", "---"])}
${rows.join("\n")}
`;
}

interface Key {
  readonly type?: string;
  readonly items?: Key;
  readonly enum?: readonly string[];
  readonly anyOf?: readonly Key[];
  readonly default?: unknown;
  readonly description?: string;
  readonly properties?: Record<string, Key>;
}

function config(): string {
  const { properties = {} } = z.toJSONSchema(configSchema, { io: "input" }) as Key;
  return `# config.toml

${MADE}

\`$XDG_CONFIG_HOME/banger/config.toml\`, by default \`~/.config/banger/config.toml\`. The file and every key are optional.
An unknown key or a bad value is an error that names it and its line. \`banger config show\` prints what is in effect and where
it comes from. The daemon reads the file again whenever it makes or starts a VM, so an edit counts from the next one on;
programs that are named here (\`…_bin\`) count from its next start (\`banger daemon restart\`; VMs run on).

${row(["Key", "Type", "Default", ""])}
${row(["---", "---", "---", "---"])}
${keys(properties).join("\n")}

Sizes are written as \`512M\`, \`4G\` or \`4GiB\`.

## file_sync

Host files that every VM gets at each start, before it counts as running:

\`\`\`toml
[[file_sync]]
host = "~/.config/gh"
guest = "~/.config/gh"

[[file_sync]]
host = "/etc/ssl/company.pem"
guest = "/root/company.pem"
mode = "0644"
\`\`\`

In the VM they belong to root and replace what is there; directories are merged. A host path that does not exist is told and
passed over; any other trouble, such as a file that may not be read, fails the start. Inside a directory symbolic links are
left out with a notice, because they could lead out of it, and so are sockets, pipes and devices; a symbolic link that is
itself the entry is followed.

## catalogs

Signed lists of images and kernels that others hand out ([catalog.md](catalog.md)). The first one that has a name is meant:

\`\`\`toml
[[catalogs]]
url = "https://images.example/catalog.json"
public_key = "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE…"
\`\`\`
`;
}

function keys(properties: Record<string, Key>, prefix = ""): string[] {
  return Object.entries(properties).flatMap(([name, key]) =>
    (key.properties ?? key.items?.properties)
      ? keys(key.properties ?? key.items?.properties ?? {}, `${prefix}${name}${key.items ? "[]" : ""}.`)
      : row([`\`${prefix}${name}\``, typeName(key), defaultOf(key), key.description ?? ""]),
  );
}

function typeName(key: Key): string {
  if (key.enum) return key.enum.map((value) => `\`"${value}"\``).join(", ");
  return key.anyOf ? key.anyOf.map(typeName).join(" or ") : (key.type ?? "");
}

const defaultOf = (key: Key) => (key.default === undefined ? "" : `\`${JSON.stringify(key.default)}\``);

function row(cells: readonly (string | number)[]): string {
  return `| ${cells.map((cell) => String(cell).replaceAll("|", "\\|").replaceAll("\n", " ")).join(" | ")} |`;
}

function drivers(): string {
  const all = hostDrivers("").all();
  const rows = Object.entries(FEATURES).map(([feature, { what, option }]) =>
    row([
      option ? `${what} (\`${option}\`)` : what,
      ...all.map(({ features }) => (features[feature as Feature] ? "yes" : "no")),
    ]),
  );
  return `# Drivers

${MADE}

What runs VMs. \`--driver\`, or \`driver\` in config.toml, names one; \`auto\` takes the first of the table that can be used on this
host and has what the VM asks for. \`banger doctor\` says which one that is, and why. What a driver does not have is refused before
anything is made.

${row(["", ...all.map(({ name }) => name)])}
${row(["---", ...all.map(() => "---")])}
${rows.join("\n")}
${row(["Most vcpus", ...all.map(({ maxVcpu }) => maxVcpu)])}

KVM counts as usable when the device opens for this user and a hardware backend (kvm_intel, kvm_amd) is loaded; a device alone
proves nothing. On a host that is a virtual machine itself a kernel must boot with it, too; the result is kept until the host's
boot or kernel, or QEMU, is another one. Without KVM only drivers that run in software work, and banger says so.

Firecracker ${OLDEST} or newer is used, from PATH or from \`firecracker_bin\`; ${TESTED} is the version of the API that the driver is
tested against, with a program that enforces its published description; the real program has not been run in these tests. The
kernel must find virtio devices by ACPI (Firecracker 1.8 or newer) or by its command line. A guest ends Firecracker by a reset:
\`banger vm stop\` does that, and so does systemd's \`poweroff\` there; with another init \`poweroff\` halts the guest, and the VM stays
until \`banger vm stop\`. Virtualization inside the guest is not offered.

Its network is a tap within its jail (docs/network.md): where none can be made (no \`/dev/net/tun\`, neither bubblewrap nor a jailer) VMs run
without a network interface, and \`--nat\` takes QEMU. So do their snapshots and forks go on, also where one can be made by then
(\`vm restart\` gives them one); with one, they are refused where none can be made. Metrics and balloon statistics are not asked for:
what \`vm stats\` tells comes from the guest's agent and from the host.

When banger runs as root, Firecracker is started by its jailer: \`jailer_bin\`, else \`jailer\` (or \`jailer-v…\`) beside Firecracker, else
on PATH. It must be of the same release, and Firecracker's file name must contain "firecracker". Each VM's Firecracker then runs as a user
of its own (from 1879048193 up, group 1879048192), in a root with nothing but what it boots from. \`banger doctor\` says in the driver's
line that the jailer is used, or why not; with \`jailer_bin\` set nothing starts without it. A root that may not make
devices, as in many containers, has no jailer. It is tested against a program that jails as the published jailer does; the real one has
not been run in these tests.

\`--nested\` gives the guest a processor with virtualization: without KVM an emulated AMD one, with KVM the host's own as far as its
KVM lets guests have that. \`modprobe kvm_amd\` (or \`kvm_intel\`) in the guest then makes /dev/kvm, and banger in there runs its VMs
with KVM once a kernel has booted with it. Without KVM below, everything in such a VM is emulated, and its VMs' exits twice; give it
\`--vcpu 1\` then where QEMU is older than 8.1: with two it may hang when a VM comes or goes in it ([why](adr/0017-code-in-place-early.md)).
`;
}

/** Each command's own help, without what it says about this machine. */
async function commandLine(): Promise<string> {
  const sections = await Promise.all(
    COMMANDS.map(async ({ name, aliases, load }) => {
      const { notes: _notes, ...command } = (await load()).default;
      const input = await parse(command, ["--help"]);
      if (!("help" in input)) throw new Error(`${name} has no help`);
      const also = aliases ? `Also: ${aliases.map((alias) => `\`banger ${alias}\``).join(", ")}\n\n` : "";
      return `## ${name}\n\n${also}\`\`\`text\n${input.help.trimEnd()}\n\`\`\`\n`;
    }),
  );
  return `# Commands

${MADE}

Data goes to standard output, progress, notices and errors to standard error. \`--json\` prints one document. Colours appear on
terminals only, and never when \`NO_COLOR\` is set. A VM is named by its name, its id, or a prefix of the id that is unique.

## Exit codes

| code | meaning |
| --- | --- |
| 0 | it worked |
| 1 | banger failed; the message says why and what to do |
| 2 | the command line was wrong |
| 130, 143, 129 | ended by SIGINT, SIGTERM, SIGHUP |

For \`vm run\`, \`vm exec\`, \`vm attach\` and \`vm ssh\` the code is the guest command's own, and further:

| code | meaning |
| --- | --- |
| 124 | \`--timeout\` was over |
| 125 | banger failed |
| 126 | the command cannot be executed in the guest |
| 127 | the command does not exist in the guest |
| 128 + n | signal n ended the command; with \`vm ssh\` 255, which is also ssh's own failure |

## Environment

\`XDG_STATE_HOME\`, \`XDG_CACHE_HOME\`, \`XDG_CONFIG_HOME\`, \`XDG_RUNTIME_DIR\`: where banger keeps things. \`NO_COLOR\`: no colours.
\`CI=true\`: missing host packages are installed without asking. \`BANGER_DEBUG\`: stacks of unexpected errors.

${sections.join("\n")}`;
}
