/** What the parts of a client see of its session: somewhere to send to, and nothing else. A test stands in for it easily. */
import type { ClientToQueen, JobId, Message, QueenId } from '@hive/shared';
import type { Sources } from './streams.ts';

export interface Wire {
  /** The Queen at the other end; null while there is none. */
  readonly queen: QueenId | null;
  /** Whether the Queen at the other end takes a job with all of its inputs in one message. */
  readonly takesWholeJobs: boolean;
  /** Whether so much waits in the send buffer that no more should be put there. `drained` tells when that is over. */
  readonly isClogged: boolean;
  /** Sends with whatever else this turn sends. Dropped when no session is open: whoever cares sends again in `resume`. */
  send(message: ClientToQueen): void;
  /** Writes at once what was sent in this turn so far, so that the Queen starts on it while we prepare more. */
  flush(): void;
  /** A number for a Cancel or Query that nobody else uses. */
  nextRequest(): number;
}

/** A job's messages from the Queen. */
export type JobMessage = Message<'Accepted' | 'InputCredit' | 'Results' | 'Progress' | 'JobDone' | 'Refused'>;

/** What the router keeps per job, until it is over. */
export interface JobPeer {
  readonly id: JobId;
  /** What it needs, by hash. */
  readonly blobs: readonly string[];
  /** Whether nobody waits for anything of it, so that the process may end. */
  readonly isIdle: boolean;
  /** A session has been opened: say again whatever the Queen must know. */
  resume(): void;
  receive(message: JobMessage): void;
  /** What was waiting in the send buffer has left. */
  drained(): void;
  /** Called about once a second: what was put off may be sent now. */
  tick(): void;
  /** The client is being closed: a last word to the Queen, if one is due; then everything that waits fails with `error`. */
  close(error: Error): void;
  /** Where the inputs are that travel as streams. */
  readonly sources: Sources;
}
