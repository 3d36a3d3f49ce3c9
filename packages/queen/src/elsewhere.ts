/**
 * Requests about jobs that this Queen does not own: in a mesh another node may, so it is asked, and its answer is the
 * client's. Only when nobody answers does the scheduler, with what it knows. Requests of nodes are never passed on, so
 * none goes in circles.
 */
import type { JobId, Message, SessionNumber } from '@hive/shared';
import type { SchedulerEvent, State } from './scheduler/index.ts';

type Request = Message<'Query' | 'Cancel' | 'Manage'>;
type Reply = Message<'Answer' | 'Refused'>;
/** Asks the other nodes; null when none of them knows the job, or can be reached. Never rejects. */
export type AskElsewhere = (request: Request & { readonly job: JobId }) => Promise<Reply | null>;

export class Elsewhere {
  readonly #reply: (session: SessionNumber, reply: Reply) => void;
  readonly #stepHere: (event: SchedulerEvent) => void;
  #ask: AskElsewhere | null = null;
  /** Those that nobody else can answer. */
  readonly #ours = new WeakSet<Message>();

  constructor(
    reply: (session: SessionNumber, reply: Reply) => void,
    stepHere: (event: SchedulerEvent) => void,
  ) {
    this.#reply = reply;
    this.#stepHere = stepHere;
  }

  set ask(ask: AskElsewhere | null) {
    this.#ask = ask;
  }

  /** Takes an event that is a request about a job which is not here. False when it is to be stepped. */
  takes(event: SchedulerEvent, state: State): boolean {
    if (this.#ask === null || event.type !== 'messageReceived') return false;
    const { session, message } = event;
    if (!isAboutJob(message) || this.#ours.has(message) || state.jobs.has(message.job)) return false;
    const peer = state.sessions.get(session);
    // A task speaks of what it has submitted here, and of nothing else.
    if (peer === undefined || peer.task !== null) return false;
    const { role } = peer;
    if (role !== 'client' && (role !== 'observer' || message.type !== 'Query')) return false;
    const { request } = message;
    void this.#ask(message).then((reply) => {
      if (reply !== null) this.#reply(session, { ...reply, request });
      else {
        this.#ours.add(message);
        this.#stepHere(event);
      }
    });
    return true;
  }
}

function isAboutJob(message: Message): message is Request & { readonly job: JobId } {
  if (message.type === 'Cancel') return true;
  if (message.type === 'Query') return message.job !== undefined;
  return message.type === 'Manage' && message.job !== undefined;
}
