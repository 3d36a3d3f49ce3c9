/**
 * What a bundle has in the place of `@hive/client`: the little of it that runs on a Drone. JavaScript as text, because it is
 * never loaded here. Whatever else of the client a file imports is undefined there; connecting says why.
 */
export const STAND_IN = `
const mark = Symbol.for('hive.task');
exports.task = (run, settings = {}) => ({ run, settings, file: null, registered: null, [mark]: { run, settings } });
exports.registeredTask = (name) => ({ registered: name });
const fold = Symbol.for('hive.reducer');
exports.reducer = (run) => ({ run, file: null, registered: null, export: null, [fold]: { run } });
exports.registeredReducer = (name, own = null) => ({ registered: name, export: own, [fold]: { run: null } });
exports.NonRetryableError = class NonRetryableError extends Error {
  name = 'NonRetryableError';
  retryable = false;
};
exports.UsageError = class UsageError extends Error {
  name = 'UsageError';
  constructor(message, code) { super(message); this.code = code; }
};
exports.connect = () => {
  throw new exports.UsageError('A task cannot connect to the Queen with the client of its file.', 'onDrone');
};
`;
