/** Every statement of the writer, prepared once per connection. */
import type Database from 'better-sqlite3';

type Name =
  | 'setMeta'
  | 'getMeta'
  | 'insertJob'
  | 'insertSpec'
  | 'changeJob'
  | 'endJob'
  | 'reopenJob'
  | 'recordedBelow'
  | 'deleteJob'
  | 'deleteSpec'
  | 'insertInput'
  | 'dropInput'
  | 'insertQueued'
  | 'deleteQueued'
  | 'forgetQueued'
  | 'insertResult'
  | 'wholeResult'
  | 'deleteResult'
  | 'insertDropped'
  | 'deleteDropped'
  | 'allDropped'
  | 'forgetDropped'
  | 'insertAttempt'
  | 'forgetRetries'
  | 'insertDrone'
  | 'deleteDrone'
  | 'insertDrained'
  | 'deleteDrained'
  | 'insertRevoked'
  | 'noteNode'
  | 'dropNode'
  | 'noteJobElsewhere'
  | 'dropJobElsewhere'
  | 'removeInputs'
  | 'removeAll';
/** By what they do. */
export type Statements = Readonly<Record<Name, Database.Statement>>;

export function prepareWrites(database: Database.Database): Statements {
  const sql = (text: string): Database.Statement => database.prepare(text);
  return {
    setMeta: sql(
      'INSERT INTO meta (key, value) VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value',
    ),
    getMeta: sql('SELECT value FROM meta WHERE key = ?').pluck(),

    insertJob: sql(
      `INSERT INTO jobs (number, id, name, kind, state, priority, tasks, created_at, sealed, attached, hidden, node, node_epoch)
       VALUES (?, ?, ?, ?, 'waiting', ?, ?, ?, ?, ?, ?, (SELECT value FROM meta WHERE key = 'queen'), ?)`,
    ),
    insertSpec: sql('INSERT INTO specs (job, owner, spec) VALUES (?, ?, ?)'),
    changeJob: sql(
      `UPDATE jobs SET tasks = tasks + ?, succeeded = succeeded + ?, failed = failed + ?, cancelled = cancelled + ?,
       newest_result = max(newest_result, ?), recorded_below = max(recorded_below, ?), lease_mark = max(lease_mark, ?),
       sealed = max(sealed, ?), state = CASE WHEN state = 'waiting' AND ? THEN 'running' ELSE state END
       WHERE number = ?`,
    ),
    endJob: sql(
      `UPDATE jobs SET state = @state, message = @message, ended_at = @at, value_result = @value, failure = @failure,
       cancelled = CASE WHEN @state != 'failed' THEN tasks - succeeded - failed ELSE cancelled END WHERE number = @job`,
    ),
    reopenJob: sql(
      `UPDATE jobs SET state = 'running', message = NULL, ended_at = NULL, value_result = NULL, failure = NULL, reopened_at = ?, failed = 0, cancelled = ?,
       newest_result = max(newest_result, ?), recorded_below = ? WHERE number = ?`,
    ),
    recordedBelow: sql('SELECT recorded_below FROM jobs WHERE number = ?').pluck(),
    deleteJob: sql('DELETE FROM jobs WHERE number = ?'),
    deleteSpec: sql('DELETE FROM specs WHERE job = ?'),

    insertInput: sql(
      'INSERT INTO input_pages (job, first, count, bytes, value_bytes, sizes, data, checksum, streams, parents) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)',
    ),
    dropInput: sql('DELETE FROM input_pages WHERE job = ? AND first = ?'),

    insertQueued: sql('INSERT INTO queued_tasks (job, first, since) VALUES (?, ?, ?)'),
    // The one for the first task stays: what all of them are older than.
    deleteQueued: sql(
      'DELETE FROM queued_tasks WHERE job = ? AND (first >= ? OR (first > 0 AND since <= ?))',
    ),
    forgetQueued: sql('DELETE FROM queued_tasks WHERE job = ?'),

    insertResult: sql(
      `INSERT INTO result_pages (job, result, first, count, bytes, value_bytes, sizes, data, checksum, failures, streams, drone, task_millis, recorded_at, reduced)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
    ),
    wholeResult: sql(
      'SELECT first, count, value_bytes, sizes, data, checksum, failures, streams, drone, task_millis, recorded_at FROM result_pages WHERE job = ? AND result = ?',
    ),
    deleteResult: sql(
      'DELETE FROM result_pages WHERE job = ? AND result = ? RETURNING first, count, failures',
    ),
    insertDropped: sql(
      'INSERT OR REPLACE INTO dropped_results (job, first, count, failed, cancelled) VALUES (?, ?, ?, ?, ?)',
    ),
    // Below the mark `recorded_below` says it all, but for which of them did not succeed.
    deleteDropped: sql(
      'DELETE FROM dropped_results WHERE job = ? AND first < ? AND failed IS NULL AND cancelled IS NULL',
    ),
    allDropped: sql('SELECT first, count, cancelled FROM dropped_results WHERE job = ?'),
    forgetDropped: sql('DELETE FROM dropped_results WHERE job = ?'),

    insertAttempt: sql(
      'INSERT INTO attempts (job, task, outcome, code, message, drone, millis, ended_at, retry_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)',
    ),
    forgetRetries: sql('UPDATE attempts SET retry_at = NULL WHERE job = ? AND retry_at IS NOT NULL'),

    ...preparePeers(sql),

    removeInputs: sql(
      `INSERT OR IGNORE INTO removals (job, what) SELECT number, 'inputs' FROM jobs
       WHERE number = @job AND attached = 1 AND EXISTS (SELECT 1 FROM input_pages WHERE job = @job)`,
    ),
    removeAll: sql(
      `INSERT OR REPLACE INTO removals (job, what) SELECT @job, 'everything' WHERE EXISTS (SELECT 1 FROM input_pages WHERE job = @job)
       OR EXISTS (SELECT 1 FROM result_pages WHERE job = @job) OR EXISTS (SELECT 1 FROM attempts WHERE job = @job)
       OR EXISTS (SELECT 1 FROM dropped_results WHERE job = @job)`,
    ),
  };
}

function preparePeers(sql: (text: string) => Database.Statement) {
  return {
    insertDrone: sql('INSERT OR REPLACE INTO drones (id, name, joined_at) VALUES (?, ?, ?)'),
    deleteDrone: sql('DELETE FROM drones WHERE id = ?'),
    insertDrained: sql('INSERT OR REPLACE INTO drained_drones (id, drained_at) VALUES (?, ?)'),
    deleteDrained: sql('DELETE FROM drained_drones WHERE id = ?'),
    insertRevoked: sql('INSERT OR REPLACE INTO revoked_keys (id, revoked_at) VALUES (?, ?)'),
    noteNode: sql(
      `INSERT OR REPLACE INTO nodes (id, name, version, addresses, state, slots, busy_slots, queue, last_heard_at)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`,
    ),
    dropNode: sql('DELETE FROM nodes WHERE id = ?'),
    noteJobElsewhere: sql(
      'INSERT OR REPLACE INTO jobs_elsewhere (id, node, summary, heard_at) VALUES (?, ?, ?, ?)',
    ),
    dropJobElsewhere: sql('DELETE FROM jobs_elsewhere WHERE id = ?'),
  };
}
