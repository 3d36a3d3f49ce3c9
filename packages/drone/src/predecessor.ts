/**
 * A Drone whose process was lost is started again by whoever supervises it, and tells its Queens how the one before ended: by
 * which signal, and with what the last task there had printed. That is still in its folder, which nobody has removed yet.
 */
import { lstatSync, readdirSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { EndedProcess, PeerId } from '@hive/shared';
import { lastPrinted } from './slots/death.ts';
import { folderPrefix } from './slots/output-files.ts';

export interface Predecessor {
  readonly peer: PeerId;
  readonly pid: number;
  /** For people: `SIGSEGV`, `exit code 134`. */
  readonly how: string;
}

/** Before any Drone is started: that removes what is left of those that are gone. */
export function lastWordsOf({ peer, pid, how }: Predecessor, parent = tmpdir()): EndedProcess {
  const printed = printedLast(parent, folderPrefix(pid));
  return { peer, how, ...(printed === '' ? {} : { printed }) };
}

function printedLast(parent: string, prefix: string): string {
  try {
    const files = readdirSync(parent)
      .filter((name) => name.startsWith(prefix) && isOurs(join(parent, name)))
      .flatMap((name) => printedFiles(join(parent, name)))
      .sort((a, b) => b.at - a.at);
    const [last] = files;
    return last === undefined ? '' : lastPrinted(last);
  } catch {
    // Somebody has removed it.
    return '';
  }
}

/** Anybody may have put something of such a name there, which leads to what only we may read; what is in our own folder is ours. */
function isOurs(folder: string): boolean {
  const found = lstatSync(folder);
  const { uid } = found;
  return found.isDirectory() && uid === (process.getuid?.() ?? uid);
}

/** Of all slots; `at`: when it was written last. */
function printedFiles(drone: string) {
  const slots = readdirSync(drone).filter((name) => name.startsWith('slot-'));
  return slots.flatMap((slot) => {
    const folder = join(drone, slot);
    return readdirSync(folder).flatMap((name) => {
      const found = /^(\d+)-(\d+)\.std(?:out|err)$/.exec(name);
      if (found === null) return [];
      const { mtimeMs: at } = statSync(join(folder, name));
      return [{ folder, run: Number(found[1]), position: Number(found[2]), at }];
    });
  });
}
