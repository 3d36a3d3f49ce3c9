/** A thread's side of blobs: asks the main thread for one, once however many of its tasks want it at the same time. */
import { isBlobHash } from '@hive/shared';
import { badInput, TaskFailure } from '../kinds/failure.ts';
import type { BlobAnswer } from './control-block.ts';

interface Awaited {
  readonly promise: Promise<string>;
  readonly resolve: (path: string) => void;
  readonly reject: (error: TaskFailure) => void;
}

export class ThreadBlobs {
  readonly #ask: (hash: string) => void;
  readonly #awaited = new Map<string, Awaited>();

  constructor(ask: (hash: string) => void) {
    this.#ask = ask;
  }

  /** Where the blob's file is. Rejects with a TaskFailure when it cannot be had. */
  get(hash: string): Promise<string> {
    if (!isBlobHash(hash)) return Promise.reject(badInput(`"${hash}" is not the SHA-256 of a blob.`));
    const known = this.#awaited.get(hash);
    if (known !== undefined) return known.promise;
    let settle: Omit<Awaited, 'promise'> | undefined;
    const promise = new Promise<string>((resolve, reject) => {
      settle = { resolve, reject };
    });
    this.#awaited.set(hash, { promise, ...settle! });
    this.#ask(hash);
    return promise;
  }

  answered({ hash, path, failure }: BlobAnswer): void {
    const awaited = this.#awaited.get(hash);
    this.#awaited.delete(hash);
    if (path !== undefined) awaited?.resolve(path);
    else awaited?.reject(new TaskFailure(failure?.code ?? 'blobFailed', failure?.message ?? '', true));
  }
}
