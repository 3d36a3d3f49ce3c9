/**
 * What a store does when it has nothing better to do: deletes the pages of removed jobs, gives free pages back to the
 * disk, moves the log into the database. Every step is short, because a commit may be waiting behind it, and none of
 * them has to be durable: what is lost of it is done again.
 */
import type Database from 'better-sqlite3';

/** One step deletes pages until it has taken this long, in milliseconds, or this many bytes of them. */
const STEP_MILLIS = 2;
const STEP_BYTES = 1024 * 1024;
const STEP_ROWS = 64;
/** Free pages (of 4 KiB) are kept for what comes next; beyond this many, and this share of all, they go back. */
const FREE_PAGES_KEPT = 4_096;
const FREE_SHARE_KEPT = 0.25;
const VACUUMED_PAGES = 64;

interface Page {
  readonly id: number;
  readonly bytes: number;
}

export class Maintenance {
  readonly #database: Database.Database;
  readonly #sql: ReturnType<typeof prepare>;

  constructor(database: Database.Database) {
    this.#database = database;
    this.#sql = prepare(database);
  }

  /** One short step. True when there is more to do. */
  step(): boolean {
    // Without a sync of its own: the next commit's covers it.
    this.#database.pragma('synchronous = NORMAL');
    try {
      return this.#database.transaction(() => this.#remove()).immediate() || this.#vacuum();
    } finally {
      this.#database.pragma('synchronous = FULL');
    }
  }

  /** Moves the log into the database; the next commit then begins the log anew. */
  checkpoint(): void {
    this.#database.pragma('wal_checkpoint(PASSIVE)');
  }

  #remove(): boolean {
    const end = performance.now() + STEP_MILLIS;
    let bytes = 0;
    for (let removal = this.#next(); removal !== undefined; removal = this.#next()) {
      const tables = removal.what === 'inputs' ? this.#sql.tables.slice(0, 1) : this.#sql.tables;
      for (const { some, remove } of tables) {
        const rows = some.all(removal.job, STEP_ROWS) as Page[];
        for (const { id, bytes: size } of rows) {
          remove.run(id);
          bytes += size;
          if (bytes >= STEP_BYTES || performance.now() >= end) return true;
        }
        if (rows.length === STEP_ROWS) return true;
      }
      this.#sql.dropped.run({ job: removal.job });
      this.#sql.done.run(removal.job);
      if (performance.now() >= end) return true;
    }
    return false;
  }

  #next(): { job: number; what: string } | undefined {
    return this.#sql.next.get() as { job: number; what: string } | undefined;
  }

  #vacuum(): boolean {
    const free = this.#database.pragma('freelist_count', { simple: true }) as number;
    const pages = this.#database.pragma('page_count', { simple: true }) as number;
    if (free <= FREE_PAGES_KEPT || free <= pages * FREE_SHARE_KEPT) return false;
    this.#database.pragma(`incremental_vacuum(${VACUUMED_PAGES})`);
    return true;
  }
}

function prepare(database: Database.Database) {
  const table = (name: string, bytes: string) => ({
    some: database.prepare(`SELECT rowid AS id, ${bytes} AS bytes FROM ${name} WHERE job = ? LIMIT ?`),
    remove: database.prepare(`DELETE FROM ${name} WHERE rowid = ?`),
  });
  return {
    next: database.prepare('SELECT job, what FROM removals LIMIT 1'),
    done: database.prepare('DELETE FROM removals WHERE job = ?'),
    dropped: database.prepare(
      `DELETE FROM dropped_results WHERE job = @job AND EXISTS (SELECT 1 FROM removals WHERE job = @job AND what = 'everything')`,
    ),
    tables: [table('input_pages', 'bytes'), table('result_pages', 'bytes'), table('attempts', '256')],
  };
}
