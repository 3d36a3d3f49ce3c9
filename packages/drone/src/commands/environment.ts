/** The environment of commands: scrubbed, so that nothing that the Drone was started with leaks into what it runs. */
import type { Text } from './launch.ts';
import type { CommandParams, Variables } from './params.ts';

/** What a command needs to find programs, to know who it is, and to speak a language. Everything else is left out. */
const PASSED_ON = ['PATH', 'HOME', 'USER', 'LOGNAME', 'SHELL', 'LANG', 'LC_ALL', 'LC_CTYPE', 'TZ'];
const DEFAULT_PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

/** One process's variables, and where its programs are looked for. */
export interface Environment {
  readonly list: readonly Text[];
  readonly path: string;
}

/** @param own what the job, and the task, add; they cannot say what TMPDIR is */
export function environmentOf(
  { isExactEnv, slotVariable }: CommandParams,
  own: Variables,
  tmp: string,
  slot: number,
): Environment {
  const all: Record<string, Text> = {};
  if (!isExactEnv) {
    all['PATH'] = DEFAULT_PATH;
    for (const name of PASSED_ON) {
      const value = process.env[name];
      if (value !== undefined) all[name] = value;
    }
  }
  Object.assign(all, own, { TMPDIR: tmp });
  if (slotVariable !== null) all[slotVariable] = String(slot);
  const list = Object.entries(all).map(([name, value]) =>
    typeof value === 'string' ? `${name}=${value}` : Buffer.concat([Buffer.from(`${name}=`), value]),
  );
  return { list, path: String(all['PATH'] ?? DEFAULT_PATH) };
}
