/**
 * The few functions of the C library with which a slot's thread starts a process and waits for it, without the event loop
 * and at a tenth of what `spawn` of Node costs. Where they cannot be had (a system without a prebuilt koffi, 32 bits,
 * Windows), `loadLibc` says null and node-launcher.ts is used.
 */
import { createRequire } from 'node:module';
import { endianness } from 'node:os';
import { type Door, through } from './native-door.ts';

export interface Libc {
  /** Returns 0 or an error's number. */
  posix_spawn(
    pid: number[],
    file: Uint8Array,
    actions: Uint8Array,
    attributes: Uint8Array,
    argv: Uint8Array,
    env: Uint8Array,
  ): number;
  posix_spawn_file_actions_init(actions: Uint8Array): number;
  posix_spawn_file_actions_destroy(actions: Uint8Array): number;
  posix_spawn_file_actions_adddup2(actions: Uint8Array, from: number, to: number): number;
  posix_spawn_file_actions_addchdir_np(actions: Uint8Array, folder: Uint8Array): number;
  posix_spawnattr_init(attributes: Uint8Array): number;
  posix_spawnattr_setflags(attributes: Uint8Array, flags: number): number;
  posix_spawnattr_setsigdefault(attributes: Uint8Array, signals: Uint8Array): number;
  posix_spawnattr_setsigmask(attributes: Uint8Array, signals: Uint8Array): number;
  sigfillset(signals: Uint8Array): number;
  sigemptyset(signals: Uint8Array): number;
  /** Blocks this thread. Returns the process, or -1. */
  wait4(pid: number, status: number[], options: number, usage: Uint8Array): number;
  /** Returns 0, or -1. */
  flock(file: number, operation: number): number;
  /** Address of bytes that do not move: those of a Buffer that is not from the pool. */
  address(bytes: Uint8Array): bigint;
  /** Of the last call that returned -1. */
  errno(): number;
}

const PROTOTYPES = [
  'int posix_spawn(_Out_ int *pid, const void *file, const void *actions, const void *attributes, const void *argv, const void *env)',
  'int posix_spawn_file_actions_init(void *actions)',
  'int posix_spawn_file_actions_destroy(void *actions)',
  'int posix_spawn_file_actions_adddup2(void *actions, int from, int to)',
  'int posix_spawn_file_actions_addchdir_np(void *actions, const void *folder)',
  'int posix_spawnattr_init(void *attributes)',
  'int posix_spawnattr_setflags(void *attributes, short flags)',
  'int posix_spawnattr_setsigdefault(void *attributes, const void *signals)',
  'int posix_spawnattr_setsigmask(void *attributes, const void *signals)',
  'int sigfillset(void *signals)',
  'int sigemptyset(void *signals)',
  'int flock(int file, int operation)',
  'int wait4(int pid, _Out_ int *status, int options, void *usage)',
];

/** Set to anything, commands are started by Node alone. For tests, and for whoever meets a C library that misbehaves. */
const SWITCH_OFF = 'HIVE_NO_KOFFI';

/** The native module; null where it cannot be had or is not wanted. */
function requireKoffi(): typeof import('koffi') | null {
  const is64 = ['x64', 'arm64', 'riscv64', 'loong64', 'ppc64'].includes(process.arch);
  if (!is64 || endianness() !== 'LE' || !['linux', 'darwin'].includes(process.platform)) return null;
  if (process.env[SWITCH_OFF] !== undefined) return null;
  try {
    return createRequire(import.meta.url)('koffi') as typeof import('koffi');
  } catch {
    return null;
  }
}

/** The door that this thread goes through; null in a thread that nobody ends. */
let door: Door | null = null;
export function useDoor(given: Door): void {
  door = given;
}
const guarded = <T>(call: () => T): T => (door === null ? call() : through(door, call));

/**
 * Loads the native module in the main thread, which uses nothing of it: a module that only slots' threads have loaded is
 * unloaded with the last of them that ends.
 */
export function keepLibcLoaded(): void {
  requireKoffi();
}

/** Null where it cannot be had. What it gives goes through the thread's door at every call. */
export function loadLibc(): Libc | null {
  return guarded(load);
}

function load(): Libc | null {
  const koffi = requireKoffi();
  if (koffi === null) return null;
  try {
    const library = koffi.load(null);
    const functions: Record<string, (...args: never[]) => unknown> = {
      address: koffi.address,
      errno: koffi.errno,
    };
    for (const prototype of PROTOTYPES) {
      functions[/(\w+)\(/.exec(prototype)![1]!] = library.func(prototype);
    }
    const names = Object.entries(functions);
    return Object.fromEntries(
      names.map(([name, call]) => [name, (...args: never[]) => guarded(() => call(...args))]),
    ) as unknown as Libc;
  } catch {
    return null;
  }
}
