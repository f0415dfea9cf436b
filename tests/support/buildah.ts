/** Images made by buildah as root, without a network, in a store of their own; and the tree that its storage makes of them. */
import { randomBytes } from "node:crypto";
import { chmod, mkdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { run } from "../../src/host/run.ts";
import { findTool } from "../../src/host/tools.ts";

/** Why it cannot be used here, or false. */
export async function buildahMissing(): Promise<string | false> {
  if (process.getuid?.() !== 0) return "buildah without its user's set-up needs root";
  return (await findTool("buildah")) ? false : "buildah is not installed";
}

export class Buildah implements AsyncDisposable {
  readonly #folder: string;

  private constructor(folder: string) {
    this.#folder = folder;
  }

  static async make(): Promise<Buildah> {
    // Not mkdtemp: buildah names images after their path, and capitals are none of a name's letters.
    const folder = join(tmpdir(), `banger-buildah-${randomBytes(8).toString("hex")}`);
    await mkdir(folder, { mode: 0o700 });
    return new Buildah(folder);
  }

  /** Where the image `name` is, as an OCI layout. */
  layout(name: string): string {
    return join(this.#folder, "layouts", name);
  }

  /** Makes an image: the script fills its root ($PWD), `config` are arguments of `buildah config`. */
  async image(name: string, script: string, config: readonly string[]): Promise<void> {
    const container = await this.#buildah("from", "scratch");
    const root = await this.#buildah("mount", container);
    await run("sh", ["-euc", script], { cwd: root });
    await this.#buildah("config", ...config, container);
    await mkdir(join(this.#folder, "layouts"), { recursive: true });
    await this.#buildah("commit", "-q", "--rm", container, `oci:${this.layout(name)}:${name}`);
  }

  /** @returns root of the tree of an image, unpacked anew from its layout */
  async reference(name: string): Promise<string> {
    const root = await this.#buildah(
      "mount",
      await this.#buildah("from", `oci:${this.layout(name)}:${name}`),
    );
    // Its layers say nothing of the root itself, for which buildah's storage takes 0555 and everybody else 0755.
    await chmod(root, 0o755);
    return root;
  }

  async #buildah(...args: string[]): Promise<string> {
    const store = [`--root=${this.#folder}/store`, `--runroot=${this.#folder}/run`, "--storage-driver=vfs"];
    return (await run("buildah", [...store, ...args])).stdout.trim();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#buildah("umount", "--all");
    await rm(this.#folder, { recursive: true, force: true });
  }
}

/** As distroless images are: one static program, a user for it, nothing that could run a script. */
export const DISTROLESS = `
mkdir -p etc home/nonroot tmp usr/bin
cp "$(command -v busybox)" usr/bin/id
printf 'root:x:0:0:root:/root:/sbin/nologin\\nnonroot:x:65532:65532:nonroot:/home/nonroot:/sbin/nologin\\n' >etc/passwd
printf 'root:x:0:\\nnonroot:x:65532:\\n' >etc/group
chown 65532:65532 home/nonroot; chmod 1777 tmp; : >etc/empty; chmod 000 etc/empty
cp usr/bin/id usr/bin/raw; setcap cap_net_raw+ep usr/bin/raw; chmod 4711 usr/bin/id; ln usr/bin/raw usr/bin/again
setfattr -n user.note -v hello etc/group; ln -s /nowhere/else home/nonroot/link
`;
/** What `buildah config` makes of it. */
export const DISTROLESS_CONFIG = [
  "--user=nonroot",
  "--workingdir=/home/nonroot",
  "--entrypoint",
  '["/usr/bin/id"]',
];
