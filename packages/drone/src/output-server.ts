/** Answers Queens that pull outputs over 1 MiB, each session at its own pace. */
import { type Message, type SessionNumber, StreamServer, type StreamSource } from '@hive/shared';
import type { AgentEffect } from './agent/events.ts';
import type { Link } from './link.ts';
import type { OutputFiles } from './slots/output-files.ts';

export class OutputServer {
  readonly #files: OutputFiles;
  readonly #servers = new Map<SessionNumber, StreamServer>();
  readonly #sources = new WeakMap<Message<'StreamGet'>, StreamSource>();

  constructor(files: OutputFiles) {
    this.#files = files;
  }

  serve(link: Link, { session, get, file, bytes }: Extract<AgentEffect, { type: 'serveOutput' }>): void {
    let server = this.#servers.get(session);
    if (server === undefined) {
      server = new StreamServer(link, (asked) => this.#sources.get(asked));
      this.#servers.set(session, server);
    }
    this.#sources.set(get, this.#files.source(file, bytes));
    server.get(get);
  }

  /** The session's send buffer has room. */
  drained(session: SessionNumber): void {
    this.#servers.get(session)?.pump();
  }

  ended(session: SessionNumber): void {
    this.#servers.get(session)?.reset();
    this.#servers.delete(session);
  }
}
