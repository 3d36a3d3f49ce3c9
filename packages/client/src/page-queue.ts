/** Pages that have arrived and were not consumed yet, with one consumer that may wait for the next one. */
import type { Message } from '@hive/shared';

export type ResultPage = Message<'Results'>;

export class PageQueue {
  #pages: ResultPage[] = [];
  #end: 'open' | 'ended' | 'failed' = 'open';
  #error: unknown;
  #wake: (() => void) | null = null;

  push(page: ResultPage): void {
    this.#pages.push(page);
    this.#stir();
  }
  /** No page will follow. */
  end(): void {
    if (this.#end === 'open') this.#end = 'ended';
    this.#stir();
  }
  /** What is queued is dropped, and `take` throws. */
  fail(error: unknown): void {
    if (this.#end === 'failed') return;
    this.#end = 'failed';
    this.#error = error;
    this.#pages = [];
    this.#stir();
  }

  /** The next page, or null: then `isAtEnd` says whether one may come. @throws the error that it failed with */
  take(): ResultPage | null {
    if (this.#end === 'failed') throw this.#error;
    return this.#pages.shift() ?? null;
  }
  get isAtEnd(): boolean {
    return this.#end === 'ended' && this.#pages.length === 0;
  }

  /** Resolves when `take` has more to say. */
  wait(): Promise<void> {
    if (this.#pages.length > 0 || this.#end !== 'open') return Promise.resolve();
    return new Promise((resolve) => {
      const previous = this.#wake;
      this.#wake = () => {
        previous?.();
        resolve();
      };
    });
  }

  #stir(): void {
    const wake = this.#wake;
    this.#wake = null;
    wake?.();
  }
}
