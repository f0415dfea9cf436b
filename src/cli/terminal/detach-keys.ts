/** Keys that leave a command without ending it, as `docker attach` has them. */
import { Transform } from "node:stream";
import { BangerError } from "../../core/errors.ts";

/** `ctrl-p,ctrl-q` as the bytes that a terminal sends. @throws invalid_argument */
export function parseDetachKeys(text: string): Buffer {
  return Buffer.from(text.split(",").map((key) => keyByte(key, text)));
}

function keyByte(key: string, text: string): number {
  const control = /^ctrl-([a-z@[\\\]^_])$/i.exec(key)?.[1];
  if (control !== undefined) return control.toUpperCase().charCodeAt(0) & 0x1f;
  if (/^[\x21-\x7e]$/.test(key)) return key.charCodeAt(0);
  throw BangerError.of("invalid_argument", {
    what: "--detach-keys",
    problem: `'${text}' is not a list of keys`,
    accepted:
      "keys with commas between: a letter, or ctrl- and one of a to z, @ [ \\ ] ^ _; such as ctrl-p,ctrl-q",
  });
}

/** Passes keys on; a beginning of the sequence is held back until the next key decides. After the sequence, nothing more. */
export class DetachFilter extends Transform {
  readonly #keys: Buffer;
  readonly #onDetach: () => void;
  #matched = 0;
  #over = false;

  constructor(keys: Buffer, onDetach: () => void) {
    super();
    this.#keys = keys;
    this.#onDetach = onDetach;
  }

  override _transform(chunk: Buffer, _encoding: BufferEncoding, done: () => void): void {
    const passed: number[] = [];
    for (const byte of chunk) {
      if (this.#over) break;
      if (byte !== this.#keys[this.#matched]) {
        passed.push(...this.#keys.subarray(0, this.#matched));
        this.#matched = 0;
      }
      if (byte !== this.#keys[this.#matched]) passed.push(byte);
      else if (++this.#matched === this.#keys.length) this.#over = true;
    }
    if (passed.length > 0) this.push(Buffer.from(passed));
    done();
    if (this.#over) this.#onDetach();
  }

  override _flush(done: () => void): void {
    if (!this.#over) this.push(this.#keys.subarray(0, this.#matched));
    done();
  }
}
