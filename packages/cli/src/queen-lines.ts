/** What a Queen's events sound like on her terminal. */
import type { Notice } from '@hive/queen';
import { assertNever } from '@hive/shared';
import { shortResult } from './display.ts';
import { plural } from './format.ts';
import { oneLine } from './printable.ts';

/** `isFrequent`: there may be so many of these in a second that some are only counted. */
export interface Line {
  readonly text: string;
  readonly isFrequent: boolean;
}

export function describeNotice(event: Notice, isVerbose: boolean): Line {
  const line = lineOf(event, isVerbose);
  return { ...line, text: oneLine(line.text) };
}

function lineOf(event: Notice, isVerbose: boolean): Line {
  switch (event.type) {
    case 'droneJoined':
      return once(
        `🐝 A Drone connected! ${event.name} with ${plural(event.slots, 'slot')}; ${nowThereAre(event.drones)}`,
      );
    case 'droneLeft':
      return once(
        `👋 A Drone left: ${event.name}, ${event.reason}${event.tasksReturned === 0 ? '' : `; ${plural(event.tasksReturned, 'task')} of it will run elsewhere`}; ${nowThereAre(event.drones)}`,
      );
    case 'storeDamaged':
      return once(`💾 ${event.message}`);
    case 'droneQuarantined':
      return once(
        `🚑 ${event.name} gets no work for a while: ${plural(event.failures, 'task')} in a row failed there and not elsewhere`,
      );
    case 'keyRevoked':
      return once(`🔑 The key ${event.keyId} was revoked; ${plural(event.sessions, 'session')} of it closed`);
    case 'replyReceived': {
      const result = JSON.stringify(isVerbose ? event.display : shortResult(event.display));
      const about = isVerbose ? ` (task ${event.index} of job ${event.job}, from ${event.name})` : '';
      return {
        text: `🎉 Received reply from drone: TaskComplete(${event.value ?? result})${about}`,
        isFrequent: true,
      };
    }
    case 'jobAccepted':
      return { text: `📋 Job ${event.job} accepted: ${event.name} (${event.kind})`, isFrequent: true };
    case 'jobEnded': {
      const why = event.message === null ? '' : `: ${event.message}`;
      return { text: `🏁 Job ${event.job} ${event.state}${why}: ${event.name}`, isFrequent: true };
    }
    default:
      return assertNever(event);
  }
}

const once = (text: string): Line => ({ text, isFrequent: false });
const nowThereAre = (drones: number): string =>
  drones === 0 ? 'no Drone is here now' : `${plural(drones, 'Drone')} now`;
