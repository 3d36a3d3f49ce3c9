/** What an AbortSignal of the caller means for a job: the Queen is told, and stops what runs of it. */
import type { Job } from './job.ts';

const REASON = 'aborted by its client';

/** Cancels the job when the signal aborts, for as long as the job has not ended. */
export function cancelOnAbort(job: Job, signal: AbortSignal): void {
  onAbort(signal, job.done, () => {
    job.cancel({ reason: REASON }).catch(() => {});
  });
}

/** Calls back once if the signal aborts before `end` settles; at once if it has. Returns what ends the waiting. */
export function onAbort(signal: AbortSignal, end: Promise<unknown>, aborted: () => void): () => void {
  if (signal.aborted) {
    aborted();
    return () => {};
  }
  signal.addEventListener('abort', aborted, { once: true });
  const unlisten = () => signal.removeEventListener('abort', aborted);
  end.finally(unlisten).catch(() => {});
  return unlisten;
}

/** The promise, or a rejection with the signal's reason, whichever comes first. */
export function unlessAborted<T>(promise: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return promise;
  return new Promise((resolve, reject) => {
    onAbort(signal, promise, () => reject(signal.reason));
    promise.then(resolve, reject);
  });
}
