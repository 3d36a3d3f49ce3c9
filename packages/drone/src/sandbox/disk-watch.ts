/**
 * The limit of a folder's size, kept by looking: neither rlimits nor namespaces count the files of a folder together. What a run
 * can write between two looks it can write too much; the limit of one file's size bounds how fast that goes in one file.
 */
import { lstat, opendir } from 'node:fs/promises';
import { join } from 'node:path';
import type { RunHandle } from './plan.ts';

/** What is looked at, and how much it may take; null: as much as it likes. */
export type DiskLimit = Pick<RunHandle, 'diskBytes' | 'folder' | 'tmp'>;

/** A run with more files than this is over its limit, whatever they hold: looking at them would take all the time. */
const FILES_MAX = 200_000;
const BLOCK_BYTES = 512;
const EVERY_MILLIS = 1_000;

/** Calls `onFull` once when a run's folders hold more than its limit. Returns how to stop looking. */
export function watchDisk(
  { diskBytes, folder, tmp }: DiskLimit,
  onFull: () => void,
  everyMillis = EVERY_MILLIS,
): () => void {
  if (diskBytes === null) return () => {};
  let isLooking = false;
  const look = async (): Promise<void> => {
    if (isLooking) return;
    isLooking = true;
    const isFull = await isOver([folder, tmp], diskBytes);
    isLooking = false;
    if (!isFull || isStopped) return;
    stop();
    onFull();
  };
  let isStopped = false;
  const timer = setInterval(() => void look(), everyMillis);
  const stop = (): void => {
    isStopped = true;
    clearInterval(timer);
  };
  return stop;
}

/** Whether the files below `folders` take more than `bytes` on the disk. Never rejects. */
export async function isOver(folders: readonly string[], bytes: number): Promise<boolean> {
  const waiting = [...folders];
  let taken = 0;
  let files = 0;
  for (let folder = waiting.pop(); folder !== undefined; folder = waiting.pop()) {
    try {
      // One entry after another: a folder may have more of them than memory should.
      for await (const entry of await opendir(folder)) {
        const path = join(folder, entry.name);
        taken += await takenBy(path);
        if (taken > bytes || ++files > FILES_MAX) return true;
        if (entry.isDirectory()) waiting.push(path);
      }
    } catch {
      // It was removed meanwhile.
    }
  }
  return false;
}

const takenBy = (path: string): Promise<number> =>
  lstat(path).then(
    ({ blocks }) => blocks * BLOCK_BYTES,
    () => 0,
  );
