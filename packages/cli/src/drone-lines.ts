/** What a Drone's events sound like on its terminal: a line for single tasks, one a second for all the others. */
import type { DroneCounters, DroneEvent } from '@hive/drone';
import { formatAddress } from '@hive/shared/node';
import { shortInput, shortResult } from './display.ts';
import { formatCount, plural } from './format.ts';
import { wordsOf } from './job/result-lines.ts';
import type { Journal } from './journal.ts';
import { oneLine } from './printable.ts';

type Received = Extract<DroneEvent, { type: 'workReceived' }>;
type Done = Extract<DroneEvent, { type: 'workDone' }>;

export class DroneLines {
  readonly #journal: Journal;
  readonly #isVerbose: boolean;
  /** Tasks that were finished, and those that had a line, when the last summary was made. */
  #finished = 0;
  #shown = 0;
  /** Why the last attempt to connect failed; said once, not at every attempt. */
  #trouble = '';

  constructor(journal: Journal, isVerbose: boolean) {
    this.#journal = journal;
    this.#isVerbose = isVerbose;
  }

  tell(event: DroneEvent): void {
    const text = this.#textOf(event);
    const { type, ...fields } = event;
    if (text !== null) this.#journal.say(oneLine(text), type, fields);
  }

  /** Null when it is worth no line. */
  #textOf(event: DroneEvent): string | null {
    switch (event.type) {
      case 'connected':
        this.#trouble = '';
        return `✅ Connected to Queen! ${event.name} at ${formatAddress(event.address)}`;
      case 'listening':
        return `👂 Drone is listening on port ${event.address.port}, and waits for a Queen to dial it: hive queen --scan HOST:${event.address.port}`;
      case 'disconnected':
        if (event.retryMillis === null)
          return `⏳ The Queen at ${formatAddress(event.address)} is gone: ${inWords(event.reason)}`;
        return this.#troubleText(formatAddress(event.address), event.reason, event.retryMillis);
      case 'rejected':
        return `❌ The Queen at ${formatAddress(event.address)} does not want this Drone: ${event.message}`;
      case 'workReceived':
        return event.single ? `🚨 Received Work: ${this.#workText(event)}` : null;
      case 'workDone':
        return event.single ? this.#doneText(event) : null;
      case 'summary':
        return this.#summaryText(event.counters);
      case 'slotReplaced':
        return `🔧 Slot ${event.slot} was replaced: ${event.reason}`;
      case 'leasesDropped':
        return `🗑️  The Queen started anew; ${plural(event.leases, 'lease')} of the old one dropped.`;
      default:
        return null;
    }
  }

  #workText({ kind, display, value, job, index }: Received): string {
    const about = this.#isVerbose ? ` (task ${index} of job ${job})` : '';
    if (display === undefined) return `${kind}${about}`;
    return `${kind} of ${this.#isVerbose ? (value ?? display) : shortInput(display)}${about}`;
  }

  #doneText({ kind, outcome, display = '', value = display, millis, job, index }: Done): string {
    this.#shown++;
    const about = this.#isVerbose ? ` (task ${index} of job ${job}, ${millis.toFixed(1)} ms)` : '';
    const result = this.#isVerbose ? value : shortResult(display);
    // A failure's text begins with how it ended; once is enough.
    if (outcome !== 'succeeded')
      return `❌ Work ${wordsOf(outcome)}: ${result.replace(`${outcome}: `, '')}${about}`;
    return `✅ Work Done! ${kind.charAt(0).toUpperCase()}${kind.slice(1)}: ${result}${about}`;
  }

  /** Work that had no line of its own since the last summary; null if there was none. */
  #summaryText({ succeeded, failed }: DroneCounters): string | null {
    const finished = succeeded + failed;
    const tasks = finished - this.#finished;
    const shown = this.#shown;
    this.#finished = finished;
    this.#shown = 0;
    if (tasks <= shown) return null;
    const failures = failed === 0 ? '' : `, ${formatCount(failed)} of them failed`;
    return `⚡ ${plural(tasks, 'task')} done, ${formatCount(finished)} in all${failures}`;
  }

  #troubleText(address: string, error: string, retryMillis: number | null): string | null {
    const reason = inWords(error);
    if (reason === this.#trouble) return null;
    this.#trouble = reason;
    const next = retryMillis === null ? '' : '; 🐝 Drone is trying to connect...';
    return `⏳ No Queen at ${address}: ${reason}${next}`;
  }
}

/** What the system calls the ways in which a connection is not there. */
const TROUBLES: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'nothing listens there',
  ECONNRESET: 'the connection was cut',
  EPIPE: 'the connection was cut',
  ETIMEDOUT: 'nobody answers there',
  EHOSTUNREACH: 'there is no way to it',
  ENETUNREACH: 'there is no way to it',
  ENOTFOUND: 'there is no such host',
  EAI_AGAIN: 'there is no such host',
};

/** An error's text for people; those of the system carry its code. */
export function inWords(error: string): string {
  const code = /\bE[A-Z_]{3,}\b/.exec(error)?.[0];
  return (code !== undefined && TROUBLES[code]) || error;
}
