/** --dry-run: every command "succeeds" at once without anything being run, so that all that is printed is its line. */
import type { CommandEvent, CommandResult, CommandTask } from './command-task.ts';

const NOTHING = { data: new Uint8Array(), truncated: 0 };

export async function* executeDry(commands: AsyncIterable<CommandTask>): AsyncGenerator<CommandEvent> {
  for await (const { index } of commands) {
    yield { type: 'started', index };
    yield { type: 'finished', index, result: resultNow() };
  }
}

function resultNow(): CommandResult {
  const now = Date.now();
  return {
    exitCode: 0,
    signal: null,
    isTimedOut: false,
    startedAt: now,
    endedAt: now,
    host: ':',
    stdout: NOTHING,
    stderr: NOTHING,
    sentBytes: 0,
    receivedBytes: 0,
  };
}
