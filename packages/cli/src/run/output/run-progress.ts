/**
 * --bar, --eta and --progress: one line on standard error that is written over. On a terminal it steps aside for output;
 * elsewhere it is printed as GNU parallel does, with carriage returns, because it was asked for.
 */
import { formatDuration } from '../../format.ts';
import type { OutputSettings } from '../options/settings.ts';

const CLEAR_LINE = '\r\x1b[K';
const REDRAW_MILLIS = 100;
/** While nothing happens, time goes on. */
const TICK_MILLIS = 1_000;
const BAR_WIDTH = 30;
const COLUMNS = 80;

export interface ProgressNumbers {
  readonly completed: number;
  readonly running: number;
  /** Null until the end of the input has been seen. */
  readonly total: number | null;
}

export class RunProgress implements Disposable {
  readonly #mode: OutputSettings['progress'];
  readonly #stream: NodeJS.WritableStream & { readonly isTTY?: boolean; readonly columns?: number };
  readonly #now: () => number;
  readonly #startedAt: number;
  #drawnAt = Number.NEGATIVE_INFINITY;
  #isDrawn = false;
  #numbers: ProgressNumbers | null = null;
  readonly #ticking: NodeJS.Timeout | null;

  /** @param now milliseconds on a clock that never goes back */
  constructor(mode: OutputSettings['progress'], stream: NodeJS.WritableStream, now: () => number) {
    this.#mode = mode;
    this.#stream = stream;
    this.#now = now;
    this.#startedAt = now();
    const tick = () => this.#numbers !== null && this.#draw(this.#numbers);
    this.#ticking = mode === 'none' ? null : setInterval(tick, TICK_MILLIS).unref();
  }

  update(numbers: ProgressNumbers, isLast = false): void {
    if (this.#mode === 'none') return;
    this.#numbers = numbers;
    // What has stepped aside comes back at once: else it could hardly be seen beside output.
    if (isLast || !this.#isDrawn || this.#now() - this.#drawnAt >= REDRAW_MILLIS) this.#draw(numbers);
  }

  #draw(numbers: ProgressNumbers): void {
    const now = this.#now();
    this.#drawnAt = now;
    const line = progressLine(this.#mode, numbers, now - this.#startedAt);
    const columns = (this.#stream.columns ?? COLUMNS) - 1;
    this.#stream.write(`${this.#stream.isTTY === true ? CLEAR_LINE : '\r'}${line.slice(0, columns)}`);
    this.#isDrawn = true;
  }

  /** Makes room on the terminal for a line of output. */
  stepAside(): void {
    if (!this.#isDrawn || this.#stream.isTTY !== true) return;
    this.#isDrawn = false;
    this.#stream.write(CLEAR_LINE);
  }

  [Symbol.dispose](): void {
    if (this.#ticking !== null) clearInterval(this.#ticking);
    if (this.#isDrawn) this.#stream.write('\n');
    this.#isDrawn = false;
  }
}

/** @param elapsed milliseconds since the beginning */
export function progressLine(
  mode: OutputSettings['progress'],
  { completed, running, total }: ProgressNumbers,
  elapsed: number,
): string {
  const average = completed === 0 ? 0 : elapsed / completed;
  const left = total === null ? null : Math.max(0, total - completed);
  const seconds = (average / 1_000).toFixed(2);
  if (mode === 'line') return `${running} running, ${completed} completed, ${seconds} s each`;
  const remaining = left === null || completed === 0 ? '?' : formatDuration(left * average);
  if (mode === 'eta')
    return `ETA: ${remaining} Left: ${left ?? '?'} AVG: ${seconds}s  ${running}/${completed}`;
  const part = total === null ? 0 : completed / Math.max(1, total);
  const filled = Math.round(Math.min(1, part) * BAR_WIDTH);
  const bar = '█'.repeat(filled) + '░'.repeat(BAR_WIDTH - filled);
  const percent = total === null ? '?' : Math.floor(part * 100);
  return `${bar} ${percent}% ${completed}:${left ?? '?'}=${remaining}`;
}
