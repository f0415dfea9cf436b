/** Received bytes waiting for a reader, in memory that is proportional to their number however they were cut up. */

const SMALL = 8192;
const SLAB = 16_384;

/** First in, first out. Small pieces are gathered in slabs, and no piece keeps a much larger chunk alive. */
export class ByteQueue {
  #pieces: Buffer[] = [];
  #next = 0;
  #slab: Buffer | null = null;
  #slabUsed = 0;
  #length = 0;

  /** Bytes in the queue. */
  get length(): number {
    return this.#length;
  }

  add(data: Buffer): void {
    this.#length += data.length;
    if (data.length >= SMALL) {
      this.#closeSlab();
      this.#pieces.push(data.buffer.byteLength > 2 * data.length ? Buffer.from(data) : data);
      return;
    }
    if (this.#slab && data.length > SLAB - this.#slabUsed) this.#closeSlab();
    this.#slab ??= Buffer.allocUnsafeSlow(SLAB);
    data.copy(this.#slab, this.#slabUsed);
    this.#slabUsed += data.length;
  }

  /** The next piece, or null when the queue is empty. */
  take(): Buffer | null {
    if (this.#next === this.#pieces.length) this.#closeSlab();
    const piece = this.#pieces[this.#next];
    if (!piece) return null;
    this.#next++;
    if (this.#next === this.#pieces.length) {
      this.#pieces = [];
      this.#next = 0;
    }
    this.#length -= piece.length;
    return piece;
  }

  clear(): void {
    this.#pieces = [];
    this.#next = 0;
    this.#slab = null;
    this.#slabUsed = 0;
    this.#length = 0;
  }

  #closeSlab(): void {
    if (!this.#slab) return;
    this.#pieces.push(this.#slab.subarray(0, this.#slabUsed));
    this.#slab = null;
    this.#slabUsed = 0;
  }
}
