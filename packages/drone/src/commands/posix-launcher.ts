/**
 * Starts processes with posix_spawn and waits for them with wait4, in the slot's own thread, which blocks meanwhile.
 *
 * Cost: no object of Node's per process, no pipe, no message; posix_spawn does not copy this process's memory. The
 * environment is encoded once per list. Tried and left: a lasting shell that is fed commands (as fast only without a
 * process group of each command's own).
 */
import { constants } from 'node:os';
import { type Ended, type Launch, LaunchError, type Launcher, type Text } from './launch.ts';
import type { Libc } from './libc.ts';

const IS_MAC = process.platform === 'darwin';
const SETSIGDEF = 0x04;
const SETSIGMASK = 0x08;
const SETSID = IS_MAC ? 0x400 : 0x80;
/** More than any C library's structs need. */
const STRUCT_BYTES = 1024;
const POINTER_BYTES = 8;
const EINTR = constants.errno.EINTR;

export class PosixLauncher implements Launcher {
  readonly #libc: Libc;
  readonly #actions = Buffer.allocUnsafeSlow(STRUCT_BYTES);
  readonly #attributes = Buffer.allocUnsafeSlow(STRUCT_BYTES);
  readonly #usage = Buffer.alloc(STRUCT_BYTES);
  readonly #encoded = new WeakMap<readonly Text[], Buffer>();

  constructor(libc: Libc) {
    this.#libc = libc;
    const signals = Buffer.allocUnsafeSlow(STRUCT_BYTES);
    libc.posix_spawnattr_init(this.#attributes);
    // Node ignores SIGPIPE, and what is ignored stays so in a child.
    libc.posix_spawnattr_setflags(this.#attributes, SETSID | SETSIGDEF | SETSIGMASK);
    libc.sigfillset(signals);
    libc.posix_spawnattr_setsigdefault(this.#attributes, signals);
    libc.sigemptyset(signals);
    libc.posix_spawnattr_setsigmask(this.#attributes, signals);
  }

  run(launch: Launch, started: (pid: number) => void): Ended {
    const pid = this.#spawn(launch);
    started(pid);
    const status = [0];
    while (this.#libc.wait4(pid, status, 0, this.#usage) === -1) {
      const errno = this.#libc.errno();
      if (errno !== EINTR) throw new LaunchError(errorName(errno), launch.file);
    }
    return this.#ended(status[0]!);
  }

  #spawn({ file, argv, env, cwd, stdin, stdout, stderr }: Launch): number {
    const libc = this.#libc;
    const actions = this.#actions;
    const folder = zeroEnded(cwd);
    libc.posix_spawn_file_actions_init(actions);
    libc.posix_spawn_file_actions_adddup2(actions, stdin, 0);
    libc.posix_spawn_file_actions_adddup2(actions, stdout, 1);
    libc.posix_spawn_file_actions_adddup2(actions, stderr, 2);
    libc.posix_spawn_file_actions_addchdir_np(actions, folder);
    const pid = [0];
    const encodedEnv = this.#encodedOnce(env);
    const errno = libc.posix_spawn(
      pid,
      zeroEnded(file),
      actions,
      this.#attributes,
      encodeList(libc, argv),
      encodedEnv,
    );
    libc.posix_spawn_file_actions_destroy(actions);
    if (errno !== 0) throw new LaunchError(errorName(errno), file);
    return pid[0]!;
  }

  #encodedOnce(list: readonly Text[]): Buffer {
    let encoded = this.#encoded.get(list);
    if (encoded === undefined) {
      encoded = encodeList(this.#libc, list);
      this.#encoded.set(list, encoded);
    }
    return encoded;
  }

  #ended(status: number): Ended {
    const usage = this.#usage;
    const micros = (at: number) => Number(usage.readBigInt64LE(at)) * 1e6 + usage.readInt32LE(at + 8);
    const signal = status & 0x7f;
    const maxRssBytes = Number(usage.readBigInt64LE(32)) * (IS_MAC ? 1 : 1024);
    // Until its exec a child has this process's memory, and its peak counts that in.
    const ownBytes = process.resourceUsage().maxRSS * 1024;
    return {
      exitCode: signal === 0 ? (status >> 8) & 0xff : null,
      signal: signal === 0 ? null : signal,
      usage: {
        userMicros: micros(0),
        systemMicros: micros(16),
        maxRssBytes: maxRssBytes > ownBytes ? maxRssBytes : null,
      },
    };
  }
}

function zeroEnded(text: string): Buffer {
  return Buffer.from(`${text}\0`);
}

/** A list of C strings: its pointers, then the texts that they point to. */
function encodeList(libc: Libc, list: readonly Text[]): Buffer {
  let bytes = POINTER_BYTES * (list.length + 1);
  for (const text of list) bytes += (typeof text === 'string' ? Buffer.byteLength(text) : text.length) + 1;
  // Not from the pool: what pointers point to must not move, and must not be shared.
  const encoded = Buffer.allocUnsafeSlow(bytes);
  const base = libc.address(encoded);
  let at = POINTER_BYTES * (list.length + 1);
  list.forEach((text, i) => {
    encoded.writeBigUInt64LE(base + BigInt(at), i * POINTER_BYTES);
    if (typeof text === 'string') at += encoded.write(text, at);
    else {
      encoded.set(text, at);
      at += text.length;
    }
    encoded[at++] = 0;
  });
  encoded.writeBigUInt64LE(0n, list.length * POINTER_BYTES);
  return encoded;
}

function errorName(errno: number): string {
  const found = Object.entries(constants.errno).find(([, number]) => number === errno);
  return found?.[0] ?? `error ${errno}`;
}
