/**
 * The folder where a Queen keeps values over 1 MiB: outputs of every job, and inputs of detached ones, whose client need
 * not stay. One file a value, `JOB/in/INDEX` or `JOB/out/INDEX`; what is on its way is in `incoming`.
 *
 * A file gets its name before the record that tells of it is committed, and goes after the record that drops it was: so a
 * crash can leave a file that nobody knows, which the next start removes, but never a record without its file.
 */
import { closeSync, fsyncSync, mkdirSync, openSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { type FileHandle, open, rm, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { isJobId, type JobId, type StreamSource } from '@hive/shared';
import { OpenFiles } from '@hive/shared/node';

export type Direction = 'in' | 'out';
const INCOMING = 'incoming';

/** A value on its way in. */
export interface Incoming {
  readonly path: string;
  readonly file: FileHandle;
}

export class Spool {
  readonly #folder: string;
  readonly #isDurable: boolean;
  readonly #files = new OpenFiles();
  /** Jobs with values here, and the indices of their inputs among them. */
  readonly #jobs = new Map<JobId, Set<number>>();
  #made = 0;

  /** @param isDurable whether what it keeps must survive a power cut */
  constructor(folder: string, isDurable: boolean) {
    this.#folder = folder;
    this.#isDurable = isDurable;
  }

  /** Removes what a crash has left behind. `isKnown` says which jobs there are. */
  open(isKnown: (job: JobId) => boolean): void {
    mkdirSync(this.#folder, { recursive: true, mode: 0o700 });
    for (const name of readdirSync(this.#folder)) {
      if (isJobId(name) && isKnown(name)) this.#list(name);
      else if (isJobId(name) || name === INCOMING) rmSync(join(this.#folder, name), { recursive: true });
    }
    mkdirSync(join(this.#folder, INCOMING), { mode: 0o700 });
  }

  #list(job: JobId): void {
    try {
      const names = readdirSync(join(this.#folder, job, 'in'));
      this.#jobs.set(job, new Set(names.map(Number)));
    } catch {
      this.#jobs.set(job, new Set());
    }
  }

  async create(): Promise<Incoming> {
    const path = join(this.#folder, INCOMING, String(++this.#made));
    return { path, file: await open(path, 'wx', 0o600) };
  }

  /** Everything was written: makes it durable. */
  async finish({ file }: Incoming): Promise<void> {
    if (this.#isDurable) await file.datasync();
    await file.close();
  }

  /** It is not wanted, or could not be read to its end. */
  async abandon({ path, file }: Incoming): Promise<void> {
    await file.close().catch(() => {});
    await this.discard(path);
  }

  /** A finished value is not wanted. */
  async discard(path: string): Promise<void> {
    await unlink(path).catch(() => {});
  }

  /** Gives a finished value its name. Before the commit of the record that tells of it. */
  adopt(path: string, job: JobId, direction: Direction, index: number): void {
    const folder = join(this.#folder, job, direction);
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    renameSync(path, join(folder, String(index)));
    if (this.#isDurable) syncFolder(folder);
    const inputs = this.#jobs.get(job) ?? new Set();
    this.#jobs.set(job, inputs);
    if (direction === 'in') inputs.add(index);
  }

  /** Whether any value of this job is here. */
  has(job: JobId): boolean {
    return this.#jobs.has(job);
  }
  get isEmpty(): boolean {
    return this.#jobs.size === 0;
  }
  hasInput(job: JobId, index: number): boolean {
    return this.#jobs.get(job)?.has(index) ?? false;
  }

  async source(job: JobId, direction: Direction, index: number): Promise<StreamSource | undefined> {
    const path = join(this.#folder, job, direction, String(index));
    const bytes = await this.#files.size(path);
    if (bytes === undefined) return undefined;
    return { bytes, read: (offset, length) => this.#files.read(path, offset, length) };
  }

  /** These values are not needed any more. After the commit of the record that drops them. */
  async drop(job: JobId, direction: Direction, indices: Iterable<number>): Promise<void> {
    for (const index of indices) {
      if (direction === 'in') this.#jobs.get(job)?.delete(index);
      await this.#remove(join(this.#folder, job, direction, String(index)));
    }
  }

  /** The inputs [first, first + count) that are here. */
  inputsWithin(job: JobId, first: number, count: number): number[] {
    return [...(this.#jobs.get(job) ?? [])].filter((index) => index >= first && index < first + count);
  }

  async dropJob(job: JobId): Promise<void> {
    this.#jobs.delete(job);
    await rm(join(this.#folder, job), { recursive: true, force: true });
  }

  async #remove(path: string): Promise<void> {
    await this.#files.close(path);
    await unlink(path).catch(() => {});
  }

  /** @param isGone the folder goes too */
  async close(isGone: boolean): Promise<void> {
    await this.#files.closeAll();
    if (isGone) await rm(this.#folder, { recursive: true, force: true });
  }
}

/** A name is durable only when its folder is. */
function syncFolder(folder: string): void {
  const file = openSync(folder, 'r');
  try {
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
}
