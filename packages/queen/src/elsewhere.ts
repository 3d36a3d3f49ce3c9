/**
 * Requests about jobs that this Queen does not own: in a mesh another node may, so it is asked, and its answer is the
 * client's. Only when nobody answers does the scheduler, with what it knows. For a list of all jobs every node gives a
 * page, and the scheduler makes one of them. Requests of nodes are never passed on, so none goes in circles.
 */
import type { JobId, Message, SessionNumber } from '@hive/shared';
import type { NodePage, SchedulerEvent, State } from './scheduler/index.ts';

type Request = Message<'Query' | 'Cancel' | 'Manage'>;
type Reply = Message<'Answer' | 'Refused'>;
/** Asks the other nodes; null when none of them knows the job, or can be reached. Never rejects. */
export type AskElsewhere = (request: Request & { readonly job: JobId }) => Promise<Reply | null>;
/** Asks every other node for its page of a list; those that cannot be reached give none. Never rejects. */
export type ListElsewhere = (query: Message<'Query'>) => Promise<readonly NodePage[]>;

export interface OtherNodes {
  readonly ask: AskElsewhere;
  readonly list: ListElsewhere;
}
type Received = Extract<SchedulerEvent, { readonly type: 'messageReceived' }>;

export class Elsewhere {
  readonly #reply: (session: SessionNumber, reply: Reply) => void;
  readonly #stepHere: (event: SchedulerEvent) => void;
  #others: OtherNodes | null = null;
  /** Those that nobody else can answer. */
  readonly #ours = new WeakSet<Message>();

  constructor(
    reply: (session: SessionNumber, reply: Reply) => void,
    stepHere: (event: SchedulerEvent) => void,
  ) {
    this.#reply = reply;
    this.#stepHere = stepHere;
  }

  set others(others: OtherNodes | null) {
    this.#others = others;
  }

  /** Takes an event that is a request about jobs which are not here. False when it is to be stepped. */
  takes(event: SchedulerEvent, state: State): boolean {
    if (this.#others === null || event.type !== 'messageReceived') return false;
    const { message } = event;
    const isList = isForAll(message);
    const isForeign = isAboutJob(message) && !this.#ours.has(message) && !state.jobs.has(message.job);
    if (!(isList || isForeign) || !mayAskOthers(event, state)) return false;
    if (isList) this.#gather(event, message, this.#others);
    else if (isForeign) this.#passOn(event, message, this.#others);
    return true;
  }

  #gather({ session }: Received, message: Message<'Query'>, { list }: OtherNodes): void {
    void list(message).then((pages) => this.#stepHere({ type: 'jobsGathered', session, message, pages }));
  }

  #passOn(event: Received, message: Request & { readonly job: JobId }, { ask }: OtherNodes): void {
    const { request } = message;
    void ask(message).then((reply) => {
      if (reply !== null) this.#reply(event.session, { ...reply, request });
      else {
        this.#ours.add(message);
        this.#stepHere(event);
      }
    });
  }
}

function mayAskOthers({ session, message }: Received, state: State): boolean {
  const peer = state.sessions.get(session);
  // A task speaks of what it has submitted here, and of nothing else.
  if (peer === undefined || peer.task !== null) return false;
  return peer.role === 'client' || (peer.role === 'observer' && message.type === 'Query');
}

const isForAll = (message: Message): message is Message<'Query'> =>
  message.type === 'Query' && message.about === 'jobs' && message.everywhere === true;

function isAboutJob(message: Message): message is Request & { readonly job: JobId } {
  if (message.type === 'Cancel') return true;
  if (message.type === 'Query') return message.job !== undefined;
  return message.type === 'Manage' && message.job !== undefined;
}
