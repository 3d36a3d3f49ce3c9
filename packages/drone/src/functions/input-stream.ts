/** An input of any length, as a function reads it: piece by piece, or whole. */
import type { Task } from '../kinds/kind.ts';

export class InputStream implements AsyncIterable<Uint8Array> {
  /** Its whole length. */
  readonly bytes: number;
  readonly #task: Task;

  constructor(task: Task) {
    this.#task = task;
    this.bytes = task.streamBytes!;
  }

  [Symbol.asyncIterator](): AsyncIterator<Uint8Array> {
    return this.#task.chunks()[Symbol.asyncIterator]();
  }

  async whole(): Promise<Uint8Array> {
    const whole = new Uint8Array(this.bytes);
    let at = 0;
    for await (const chunk of this) {
      whole.set(chunk, at);
      at += chunk.length;
    }
    return whole;
  }
}
