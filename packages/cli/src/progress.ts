/**
 * A progress bar on standard error, when that is a terminal; otherwise nothing at all, so that what other programs read
 * stays as it is. It steps aside whenever lines are printed to the same terminal.
 *
 * Rejected: cli-progress, which brings the cursor back to where the bar began, over the lines printed meanwhile.
 */
import { formatBytes, formatCount, formatDuration } from './format.ts';

const CLEAR_LINE = '\r\x1b[K';
/** What takes no time needs no bar: it would only flicker. */
const SHOWN_AFTER_MILLIS = 300;
const REDRAW_MILLIS = 100;
const BAR_WIDTH = 24;
const COLUMNS = 80;

export class Progress {
  readonly #unit: string;
  readonly #stream: NodeJS.WriteStream;
  readonly #startedAt = performance.now();
  #timer: NodeJS.Timeout | null = null;
  #isDrawn = false;
  #found = 0;
  #done = 0;
  #doneBytes = 0;
  /** What there is in all, once that is known. */
  #total: number | null = null;
  /** Whether there is somebody who watches. */
  readonly isShown: boolean;

  /** @param unit what is counted, for instance `files` */
  constructor(unit: string, stream: NodeJS.WriteStream = process.stderr) {
    this.#unit = unit;
    this.#stream = stream;
    this.isShown = stream.isTTY === true;
    if (!this.isShown) return;
    this.#timer = setInterval(() => this.#draw(), REDRAW_MILLIS);
    this.#timer.unref();
    process.once('exit', this.end);
  }

  /** One more thing to do was found. */
  found(): void {
    this.#found++;
  }
  /** Nothing more will be found. */
  foundAll(): void {
    this.#total = this.#found;
  }
  /** So much will be found, as far as anybody can tell now. */
  expect(total: number): void {
    this.#total ??= total;
  }
  /** So many are done by now. */
  reached(done: number): void {
    this.#done = done;
  }
  done(bytes: number): void {
    this.#done++;
    this.#doneBytes += bytes;
  }

  /** Makes room for a line of other output; the bar comes back by itself. */
  stepAside(): void {
    if (!this.#isDrawn) return;
    this.#isDrawn = false;
    this.#stream.write(CLEAR_LINE);
  }

  /** Takes the bar away. */
  readonly end = (): void => {
    process.off('exit', this.end);
    if (this.#timer !== null) clearInterval(this.#timer);
    this.stepAside();
  };

  #draw(): void {
    if (performance.now() - this.#startedAt < SHOWN_AFTER_MILLIS) return;
    // A line that wraps could not be taken away again.
    const line = this.#line().slice(0, (this.#stream.columns ?? COLUMNS) - 1);
    this.#stream.write(`${CLEAR_LINE}${line}`);
    this.#isDrawn = true;
  }

  #line(): string {
    const elapsed = performance.now() - this.#startedAt;
    const rate = formatCount((this.#done * 1_000) / elapsed);
    const bytes = this.#doneBytes === 0 ? '' : ` · ${formatBytes(this.#doneBytes)}`;
    const numbers = `${this.#unit}${bytes} · ${rate}/s · ${formatDuration(elapsed)}`;
    if (this.#total === null)
      return `${formatCount(this.#done)} of ${formatCount(this.#found)} or more ${numbers}`;
    const filled = Math.min(BAR_WIDTH, Math.round((this.#done / Math.max(1, this.#total)) * BAR_WIDTH));
    const bar = '█'.repeat(filled) + '░'.repeat(BAR_WIDTH - filled);
    return `${bar} ${formatCount(this.#done)}/${formatCount(this.#total)} ${numbers}`;
  }
}
