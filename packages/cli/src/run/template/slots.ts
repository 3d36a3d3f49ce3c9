/** Numbers of slots, given out when a command is written, taken back when it has ended; the one freed first comes first. */
export class SlotNumbers {
  readonly #free: number[] = [];
  #highest = 0;

  take(): number {
    return this.#free.shift() ?? ++this.#highest;
  }

  free(number: number): void {
    this.#free.push(number);
  }
}
