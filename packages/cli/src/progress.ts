/**
 * A progress bar on standard error, when that is a terminal; otherwise nothing at all, so that what other programs read
 * stays as it is. It steps aside whenever lines are printed to the same terminal.
 */
import cliProgress from 'cli-progress';
import { formatBytes, formatCount, formatDuration } from './format.ts';

const CLEAR_LINE = '\r\x1b[K';
const SHOWN_AFTER_MILLIS = 300;

export class Progress {
  readonly #unit: string;
  readonly #startedAt = performance.now();
  #bar: cliProgress.SingleBar | null = null;
  #timer: NodeJS.Timeout | null = null;
  #found = 0;
  #done = 0;
  #doneBytes = 0;
  /** What there is in all, once that is known. */
  #total: number | null = null;
  readonly isShown: boolean;

  /** @param unit what is counted, for instance `files` */
  constructor(unit: string, stream: NodeJS.WriteStream = process.stderr) {
    this.#unit = unit;
    this.isShown = stream.isTTY === true;
    if (!this.isShown) return;
    // What takes no time needs no bar: it would only flicker.
    this.#timer = setTimeout(() => this.#show(stream), SHOWN_AFTER_MILLIS);
    this.#timer.unref();
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
  done(bytes: number): void {
    this.#done++;
    this.#doneBytes += bytes;
  }

  /** Makes room for a line of other output; the bar comes back by itself. */
  stepAside(): void {
    if (this.#bar !== null && process.stdout.isTTY) process.stderr.write(CLEAR_LINE);
  }

  /** Takes the bar away and brings the cursor back. */
  readonly end = (): void => {
    process.off('exit', this.end);
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#bar?.stop();
    this.#bar = null;
  };

  #show(stream: NodeJS.WriteStream): void {
    this.#bar = new cliProgress.SingleBar({
      stream,
      fps: 10,
      hideCursor: true,
      // Signals are ours: the first one cancels, and the bar goes on until the end of that.
      gracefulExit: false,
      clearOnComplete: true,
      barsize: 24,
      emptyOnZero: true,
      format: (options, parameters) => this.#line(options, parameters.progress),
    });
    this.#bar.start(1, 0);
    process.once('exit', this.end);
    this.#timer = setInterval(() => this.#update(), 100);
    this.#timer.unref();
  }

  #update(): void {
    this.#bar?.setTotal(Math.max(1, this.#total ?? this.#found));
    this.#bar?.update(this.#done);
  }

  #line(options: cliProgress.Options, share: number): string {
    const elapsed = performance.now() - this.#startedAt;
    const rate = formatCount((this.#done * 1_000) / Math.max(1, elapsed));
    const bytes = this.#doneBytes === 0 ? '' : ` · ${formatBytes(this.#doneBytes)}`;
    const numbers = `${this.#unit}${bytes} · ${rate}/s · ${formatDuration(elapsed)}`;
    if (this.#total === null)
      return `${formatCount(this.#done)} of at least ${formatCount(this.#found)} ${numbers}`;
    const filled = Math.round(share * options.barsize!);
    const bar = '█'.repeat(filled) + '░'.repeat(options.barsize! - filled);
    return `${bar} ${formatCount(this.#done)}/${formatCount(this.#total)} ${numbers}`;
  }
}
