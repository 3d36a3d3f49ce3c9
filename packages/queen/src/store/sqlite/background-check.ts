/** Has all pages of a large store looked at once, some time after it was opened; says what is damaged, once. */
import { statSync } from 'node:fs';
import { Worker } from 'node:worker_threads';
import debug from 'debug';
import type { Damage } from './check-thread.ts';
import { StoreError } from './errors.ts';
import { CHECKED_BYTES_MAX } from './opening.ts';

export interface CheckOptions {
  readonly path: string;
  /** Called at most once, with a sentence. */
  readonly onDamage: (problem: StoreError) => void;
  /** The check begins so long after the start, when the first rush is over. Default: 5 s. */
  readonly afterMillis?: number;
  /** A store up to this size was checked when it was opened. Default: 16 MiB. */
  readonly fromBytes?: number;
}

const log = debug('hive:queen:store');
const AFTER_MILLIS = 5_000;

export class BackgroundCheck {
  readonly #options: CheckOptions;
  readonly #timer: NodeJS.Timeout;
  #thread: Worker | null = null;
  #isTold = false;
  readonly #finished: () => void;
  /** Resolves when all was looked at, or when it was closed. */
  readonly finished: Promise<void>;

  constructor(options: CheckOptions) {
    this.#options = options;
    let finish = () => {};
    this.finished = new Promise((resolve) => {
      finish = resolve;
    });
    this.#finished = finish;
    this.#timer = setTimeout(() => this.#start(), options.afterMillis ?? AFTER_MILLIS);
    this.#timer.unref();
  }

  #start(): void {
    const { path, fromBytes = CHECKED_BYTES_MAX } = this.#options;
    if ((statSync(path, { throwIfNoEntry: false })?.size ?? 0) <= fromBytes) {
      this.#finished();
      return;
    }
    const file = import.meta.url.endsWith('.ts') ? './check-thread.ts' : './check-thread.js';
    const thread = new Worker(new URL(file, import.meta.url), { workerData: { path }, execArgv: [] });
    this.#thread = thread;
    thread.unref();
    thread.on('message', (damage: Damage) => this.#tell(damage));
    // It cannot read at all, which whoever reads next will say.
    thread.on('error', (error) => log('the check of the store ended: %O', error));
    thread.on('exit', () => {
      this.#thread = null;
      this.#finished();
    });
  }

  #tell({ what, job, message }: Damage): void {
    log('damaged %s of job %s: %s', what, job, message);
    if (this.#isTold) return;
    this.#isTold = true;
    const whose = job === null ? `some ${what}` : `${what} of job ${job}`;
    this.#options.onDamage(
      new StoreError(
        `The store ${this.#options.path} is damaged: ${whose} cannot be read any more (${message}). What needs them fails, the rest goes on. Look after the disk, and restore a backup if you need them.`,
        'damagedStore',
      ),
    );
  }

  /** Its connection is closed when this resolves. */
  async close(): Promise<void> {
    clearTimeout(this.#timer);
    this.#finished();
    await this.#thread?.terminate();
  }
}
