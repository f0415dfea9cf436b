/** Which serial each catalog had when it was last seen: `<state>/catalogs.json`. An older catalog is refused by it. */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { BangerError } from "../core/errors.ts";
import { writeFileAtomic } from "../host/files.ts";

/** A publisher who gets another key begins anew. */
const seen = z.object({ key: z.string(), serial: z.int().positive() });
const file = z.object({ version: z.literal(1), catalogs: z.record(z.string(), seen) });
type Seen = z.infer<typeof seen>;

export class SeenCatalogs {
  readonly #path: string;
  #writing: Promise<unknown> = Promise.resolve();

  constructor(state: string) {
    this.#path = join(state, "catalogs.json");
  }

  /** The serial that a catalog of this key had last; 0 when it was never seen. @throws state_unreadable */
  async serial(url: string, key: string): Promise<number> {
    const found = (await this.#read())[url];
    return found?.key === key ? found.serial : 0;
  }

  /** Remembers a serial. */
  async note(url: string, key: string, serial: number): Promise<void> {
    const write = this.#writing.then(async () => {
      const catalogs = await this.#read();
      const before = catalogs[url];
      if (before?.key === key && before.serial >= serial) return;
      const text = JSON.stringify({ version: 1, catalogs: { ...catalogs, [url]: { key, serial } } }, null, 2);
      await writeFileAtomic(this.#path, `${text}\n`);
    });
    this.#writing = write.catch(() => {});
    await write;
  }

  async #read(): Promise<Record<string, Seen>> {
    const unreadable = (reason: string) => BangerError.of("state_unreadable", { path: this.#path, reason });
    const text = await readFile(this.#path, "utf8").catch((error: NodeJS.ErrnoException) => {
      if (error.code === "ENOENT") return null;
      throw unreadable(error.message);
    });
    if (text === null) return {};
    try {
      return file.parse(JSON.parse(text)).catalogs;
    } catch {
      // Taking it for empty would let an old catalog in.
      throw unreadable("it is damaged; removing it forgets which catalogs were seen");
    }
  }
}
