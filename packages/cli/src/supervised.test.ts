import { describe, expect, test } from '@jest/globals';
import { isToBeSupervised, SUPERVISOR } from './supervised.ts';

const COMMANDS = ['up', 'drone', 'drones', 'queen'];
const isSupervised = (line: string, env = {}) => isToBeSupervised(line.split(' '), COMMANDS, env);

describe('a command line is given a supervisor', () => {
  test.each(['drone', 'drone --name up', '--data drone drone', '--data there drone'])('hive %s', (line) => {
    expect(isSupervised(line)).toBe(true);
  });
});

describe('a command line needs none', () => {
  test.each(['up', '--data drone up', 'drones', 'drone --help', 'drone --no-supervise'])(
    'hive %s',
    (line) => {
      expect(isSupervised(line)).toBe(false);
    },
  );

  test('of a Drone that has one', () => {
    expect(isSupervised('drone', { [SUPERVISOR]: '7' })).toBe(false);
  });
});
