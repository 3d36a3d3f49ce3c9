/**
 * Starts processes with Node's own `spawn`: about 1 ms each, and without CPU time and memory of the process. Only for
 * systems where libc.ts cannot be had.
 */
import { spawn } from 'node:child_process';
import { constants } from 'node:os';
import { type Ended, type Launch, LaunchError, type Launcher, type Text } from './launch.ts';

export class NodeLauncher implements Launcher {
  run({ file, argv, env, cwd, stdin, stdout, stderr }: Launch, started: (pid: number) => void) {
    const [argv0, ...args] = argv.map(asString);
    return new Promise<Ended>((resolve, reject) => {
      const child = spawn(file, args, {
        argv0,
        cwd,
        env: Object.fromEntries(env.map(asString).map(splitVariable)),
        stdio: [stdin, stdout, stderr],
        // A session, and so a group, of its own.
        detached: true,
      });
      child.once('error', (error: NodeJS.ErrnoException) =>
        reject(new LaunchError(error.code ?? error.message, file)),
      );
      child.once('exit', (exitCode, signal) =>
        resolve({ exitCode, signal: signal === null ? null : constants.signals[signal], usage: null }),
      );
      if (child.pid !== undefined) started(child.pid);
    });
  }
}

/** Node passes text on as UTF-8, so bytes that are none cannot be had here. */
const asString = (text: Text): string => (typeof text === 'string' ? text : Buffer.from(text).toString());

function splitVariable(variable: string): [string, string] {
  const at = variable.indexOf('=');
  return [variable.slice(0, at), variable.slice(at + 1)];
}
