/**
 * Where a node keeps what is its own. Several nodes of one user may run on one machine: each takes the first folder
 * `node-1`, `node-2`, … that no other uses, under the folder with the secret that they share. The store's lock decides, so
 * that a folder is free again as soon as its node has ended, however that ended.
 */
import { join } from 'node:path';
import { type Queen, StoreError } from '@hive/queen';
import { UsageError } from '@hive/shared';

const NODES_MAX = 1_000;

export interface Placed {
  readonly queen: Queen;
  readonly folder: string;
  readonly number: number;
}

/** @throws UsageError when none is free, or what starting throws for any other reason */
export async function inFreeFolder(
  above: string,
  start: (folder: string, number: number) => Promise<Queen>,
): Promise<Placed> {
  for (let number = 1; number <= NODES_MAX; number++) {
    const folder = join(above, `node-${number}`);
    try {
      return { queen: await start(folder, number), folder, number };
    } catch (error) {
      if (!(error instanceof StoreError) || error.code !== 'storeInUse') throw error;
    }
  }
  throw new UsageError(
    `${NODES_MAX} nodes run in ${above} already. Name another folder with --data.`,
    'full',
  );
}
