/** Images for tests, made with umoci as root: an OCI layout in which each change to a tree becomes a layer. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { run } from "../../src/host/run.ts";

export class ImageMaker implements AsyncDisposable {
  readonly folder: string;
  readonly layout: string;

  private constructor(folder: string) {
    this.folder = folder;
    this.layout = join(folder, "layout");
  }

  static async make(): Promise<ImageMaker> {
    const maker = new ImageMaker(await mkdtemp(join(tmpdir(), "banger-images-")));
    await run("umoci", ["init", "--layout", maker.layout]);
    return maker;
  }

  /**
   * Makes the image `name`: each script is run by sh in the tree that the ones before made ($PWD is its root), and what it
   * changed is a layer.
   * @param options.from the image to start from; else an empty one
   * @param options.config arguments of `umoci config`
   */
  async image(
    name: string,
    scripts: readonly string[],
    { from, config = [] }: { readonly from?: string; readonly config?: readonly string[] } = {},
  ): Promise<void> {
    const image = `${this.layout}:${name}`;
    if (from === undefined) await run("umoci", ["new", "--image", image]);
    else await run("umoci", ["tag", "--image", `${this.layout}:${from}`, name]);
    for (const script of scripts) {
      const bundle = join(this.folder, "bundle");
      await run("umoci", ["unpack", "--image", image, bundle]);
      await run("sh", ["-euc", script], { cwd: join(bundle, "rootfs") });
      await run("umoci", ["repack", "--refresh-bundle", "--image", image, bundle]);
      await rm(bundle, { recursive: true });
    }
    if (config.length > 0) await run("umoci", ["config", "--image", image, ...config]);
  }

  /** The tree of an image as umoci unpacks it. @returns its root */
  async reference(name: string): Promise<string> {
    const bundle = join(this.folder, `reference-${name}`);
    await run("umoci", ["unpack", "--image", `${this.layout}:${name}`, bundle]);
    return join(bundle, "rootfs");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await rm(this.folder, { recursive: true, force: true });
  }
}

/** A small userland of one static program, with what its users and links need. */
export const BUSYBOX = `
mkdir -p bin etc usr/lib home/app srv
ln -s usr/lib lib
cp "$(command -v busybox)" bin/busybox
for name in sh ls cat id pwd env stat sleep ps grep; do ln bin/busybox bin/$name; done
printf 'root:x:0:0:root:/root:/bin/sh\\napp:x:1234:2345:App:/home/app:/bin/sh\\n' > etc/passwd
printf 'root:x:0:\\nappg:x:2345:\\nextra:x:77:app\\n' > etc/group
chown 1234:2345 home/app
`;

/** This host's python3: the program, its libraries, and as much of its modules as it starts with. */
export const PYTHON = `
program=$(python3 -c 'import os, sys; print(os.path.realpath(sys.executable))')
cp --parents "$program" $(ldd "$program" | grep -o '/[^ ]*') .
mkdir -p usr/bin
[ -e usr/bin/python3 ] || ln -s "$program" usr/bin/python3
modules=$(python3 -c 'import os; print(os.path.dirname(os.__file__))')
mkdir -p ".$modules/lib-dynload"
cp -a "$modules"/*.py "$modules"/__pycache__ "$modules"/encodings "$modules"/importlib "$modules"/collections ".$modules"
`;
