/**
 * The forked process's end of the IPC channel. It must never outlive its parent: when the channel closes, however the
 * parent ended, the process stops what it runs and exits.
 */
import { readFileSync } from 'node:fs';
import type { ToChild, ToParent, Usage } from './ipc.ts';

/** Time for an orderly end after which the process exits anyway. */
const STOP_MILLIS_MAX = 10_000;

export interface Started<Ready> {
  readonly ready: Ready;
  /** Its parent's own words. */
  told?(words: unknown): void;
  stop(): Promise<void>;
}

/** Waits for its configuration, starts, and serves its parent until told to stop. */
export function serveParent<Config, Ready>(
  start: (config: Config, say: (words: unknown) => void) => Promise<Started<Ready>>,
): void {
  let started: Promise<Started<Ready>> | null = null;
  const say = (message: ToParent<Ready>) => {
    if (process.connected) process.send!(message);
  };
  const end = () => {
    setTimeout(() => process.exit(1), STOP_MILLIS_MAX).unref();
    const stopped = started?.then((it) => it.stop()) ?? Promise.resolve();
    stopped.catch(() => {}).finally(() => process.exit(0));
  };
  process.on('message', (message: ToChild<Config>) => {
    if (message.type === 'usage') say({ type: 'usage', request: message.request, usage: usage() });
    else if (message.type === 'stop') end();
    else if (message.type === 'told') void started?.then((it) => it.told?.(message.words));
    else {
      started = start(message.config, (words) => say({ type: 'said', words }));
      started.then(
        ({ ready }) => say({ type: 'ready', ready }),
        (error) => {
          say({ type: 'failed', message: error.message, code: error.code ?? 'failed' });
          end();
        },
      );
    }
  });
  process.on('disconnect', end);
  // Ctrl-C in a terminal reaches the whole process group; it is the parent that decides what happens then.
  process.on('SIGINT', () => {});
}

export function usage(): Usage {
  const { user, system } = process.cpuUsage();
  const residentBytes = process.memoryUsage.rss();
  return { userMillis: user / 1000, systemMillis: system / 1000, peakBytes: peakBytes(), residentBytes };
}

/** On Linux `ru_maxrss` of a forked process begins with what its parent held (it survives exec), so VmHWM it is. */
function peakBytes(): number {
  try {
    const peak = /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync('/proc/self/status', 'utf8'));
    if (peak !== null) return Number(peak[1]) * 1024;
  } catch {}
  return process.resourceUsage().maxRSS * 1024;
}
