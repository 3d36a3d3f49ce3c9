/**
 * Which host this process is on: one id for all processes that share a kernel and a root folder, and for no others. `hive run`
 * gives a command without further ado only to Drones of this id, because there its folder is the folder that it was
 * written in. A host's name says too little: containers and network namespaces often have their machine's.
 */
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readFileSync, statSync } from 'node:fs';
import { hostname } from 'node:os';

/** /etc/machine-id is not to be shown to others as it is (machine-id(5)), so it goes in with a word of ours. */
const SALT = 'hive/host-id/1';
const ID_LENGTH = 32;
const LOOK_MILLIS = 5_000;

let id: string | null = null;

/**
 * 32 hexadecimal digits. Made of, on Linux:
 * - the machine's id, which images of machines and containers may have in common or lack;
 * - the id of the kernel's last start, which tells machines apart that were copied, id and all;
 * - device and inode of the root folder, which tell roots on one kernel apart: containers, chroots, `bwrap`. A network
 *   namespace alone changes neither, and its processes see the same files.
 *
 * It changes when a machine starts anew, as Drones and whoever asks them do then. Left out: the mount namespace, which a
 * service with a private /tmp has of its own though nearly all of its files are those of everybody else.
 */
export function hostId(): string {
  id ??= createHash('sha256').update(JSON.stringify(facts())).digest('hex').slice(0, ID_LENGTH);
  return id;
}

function facts(): readonly string[] {
  const { dev, ino } = statSync('/', { bigint: true });
  return [SALT, process.platform, ...machine(), `${dev}`, `${ino}`];
}

function machine(): readonly string[] {
  if (process.platform === 'linux')
    return [textOf('/etc/machine-id'), textOf('/proc/sys/kernel/random/boot_id')];
  if (process.platform === 'darwin') return [uuidOfMac() ?? hostname()];
  return [hostname()];
}

/** Empty where there is none. */
function textOf(path: string): string {
  try {
    return readFileSync(path, 'utf8').trim();
  } catch {
    return '';
  }
}

/** Its name changes with the network that it is in. */
function uuidOfMac(): string | null {
  try {
    const said = execFileSync('/usr/sbin/ioreg', ['-rd1', '-c', 'IOPlatformExpertDevice'], {
      encoding: 'utf8',
      timeout: LOOK_MILLIS,
    });
    return /"IOPlatformUUID" = "([^"]+)"/.exec(said)?.[1] ?? null;
  } catch {
    return null;
  }
}
