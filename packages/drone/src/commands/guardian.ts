/**
 * Sees to it that no command outlives its Drone, even if that is killed with SIGKILL: a small shell script in a session of
 * its own holds the other end of a socket and waits for its end. Then it kills the process groups that stand in the
 * `groups` file, and everybody whose TMPDIR is in the Drone's folder, and removes that folder.
 *
 * The second finds what the first cannot: a command started in the very moment of the Drone's death, and (on Linux) what
 * has left its group. No message is sent per command; a slot's thread writes twelve bytes into the file.
 *
 * A Drone that was lost leaves its folder for a while: the one that is started in its place reads there what was printed last.
 */
import { spawn } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import type { Duplex } from 'node:stream';
import { groupLine, groupsFile } from './workplace.ts';

/** File descriptor 3 is the socket; $1 is the Drone's folder, $2 the file of groups, $3 the seconds for which a lost one's folder stays. */
const SCRIPT = `
trap '' HUP INT QUIT TERM PIPE
cd /
wait=0
read -r _ <&3 || wait=$3
end_all() {
  while read -r group; do
    if [ "$group" -gt 1 ]; then kill -s KILL -- "-$group"; fi
  done <"$2"
  found=1
  for file in $(grep -lsF -e "TMPDIR=$1/" /proc/[0-9]*/environ); do
    pid=\${file#/proc/}
    pid=\${pid%/environ}
    if [ "$pid" != "$$" ] && kill -s KILL "$pid"; then found=0; fi
  done
  return "$found"
}
tries=0
while end_all "$1" "$2" && [ "$tries" -lt 20 ]; do
  tries=$((tries + 1))
  sleep 0.05
done
[ "$wait" = 0 ] || sleep "$wait"
rm -rf -- "$1"
`;
const LAST_WORDS_SECONDS = 10;

export class Guardian {
  readonly #folder: string;
  readonly #slots: number;
  #socket: Duplex | null = null;
  #closed: Promise<void> = Promise.resolve();

  constructor(folder: string, slots: number) {
    this.#folder = folder;
    this.#slots = slots;
  }

  /** Before the first command of the Drone; does nothing after that. */
  start(): void {
    if (this.#socket !== null) return;
    const groups = groupsFile(this.#folder);
    writeFileSync(groups, groupLine(0).repeat(this.#slots), { mode: 0o600 });
    // The shell that Node starts leaves the guardian to init and ends: a child that lasts would make Node look for ended
    // children whenever any command ends.
    const child = spawn(
      '/bin/sh',
      ['-c', `(${SCRIPT}) </dev/null &`, 'hive-guardian', this.#folder, groups, String(LAST_WORDS_SECONDS)],
      {
        stdio: ['ignore', 'ignore', 'ignore', 'pipe'],
        detached: true,
        env: { PATH: process.env['PATH'] ?? '/usr/bin:/bin', LC_ALL: 'C' },
      },
    );
    child.on('error', () => {});
    child.unref();
    const socket = child.stdio[3] as Duplex;
    this.#socket = socket;
    (socket as Duplex & { unref(): void }).unref();
    socket.on('error', () => {});
    socket.resume();
    this.#closed = new Promise((resolve) => socket.once('close', () => resolve()));
  }

  /** The Drone ends. Resolves when nothing is left that a command has started, and the guardian is gone. */
  async close(): Promise<void> {
    const socket = this.#socket;
    if (socket === null) return;
    (socket as Duplex & { ref(): void }).ref();
    socket.end('goodbye\n');
    await this.#closed;
  }
}
