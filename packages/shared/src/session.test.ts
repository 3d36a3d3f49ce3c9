import { describe, expect, test } from '@jest/globals';
import { FRAMES, type Frame, frameNamed, SESSIONS } from '../test/wire-fixtures.ts';
import { InvariantError, ProtocolError } from './errors.ts';
import { MESSAGES, type Role } from './messages.ts';
import { agreeOnVersion, type Sender, Session, senderOf } from './session.ts';

const frame = (name: string) => frameNamed(name).frame;
const joined = (...frames: Uint8Array[]) => Uint8Array.from(frames.flatMap((one) => [...one]));
const types = (session: Session, chunk: Uint8Array) => [...session.receive(chunk)].map((m) => m.type);

/** A session whose other end is `sender`, in one of its states. */
function sessionWith(sender: Sender, state: 'greeting' | 'open' | 'closed'): Session {
  const session = new Session(sender === 'queen' ? 'queen' : null);
  if (state === 'open') session.open(sender === 'queen' ? undefined : sender);
  if (state === 'closed') session.close();
  return session;
}

describe('every message, from every sender, in every state', () => {
  const senders = ['drone', 'client', 'queen'] as const;
  const states = ['greeting', 'open'] as const;
  const cases = senders.flatMap((sender) => states.map((state) => ({ sender, state })));

  test.each(cases)('$sender, $state: exactly the table passes', ({ sender, state }) => {
    const passed = new Set<string>();
    for (const one of FRAMES) {
      const session = sessionWith(sender, state);
      try {
        passed.add(types(session, one.frame)[0]!);
        expect(session.state).toBe(state);
      } catch (error) {
        expect(error).toBeInstanceOf(ProtocolError);
        expect(session.state).toBe('closed');
      }
    }
    const allowed = Object.entries(MESSAGES)
      .filter(([, rule]) => rule.state === state || rule.state === 'any')
      // Before Hello a Queen does not know whether a Drone or a client speaks; Hello may come from both.
      .filter(([, rule]) => rule.from.includes(sender))
      .map(([type]) => type);
    expect([...passed].sort()).toEqual(allowed.sort());
  });

  test.each(senders)('nothing from a %s passes when the session is closed', (sender) => {
    for (const one of FRAMES) {
      const session = sessionWith(sender, 'closed');
      expect(types(session, one.frame)).toEqual([]);
      expect(session.state).toBe('closed');
    }
  });

  test('a node and an observer speak as clients do', () => {
    const roles: Role[] = ['drone', 'client', 'observer', 'node'];
    expect(roles.map(senderOf)).toEqual(['drone', 'client', 'client', 'client']);
  });
});

describe('the handshake', () => {
  test('takes effect between two messages of one chunk', () => {
    const session = new Session(null);
    const heard: string[] = [];
    for (const message of session.receive(joined(...SESSIONS['drone']!.filter(isFrom('drone')).map(frame)))) {
      if (message.type === 'Hello') session.open(message.role);
      heard.push(message.type);
    }
    expect(heard).toEqual(['Hello', 'Holdings', 'TaskRequest', 'TaskComplete']);
  });

  test('a message that follows Hello before it was opened is out of turn', () => {
    const session = new Session(null);
    const heard: string[] = [];
    expect(() => {
      for (const message of session.receive(joined(frame('Hello of a Drone'), frame('TaskRequest')))) {
        heard.push(message.type);
      }
    }).toThrow('TaskRequest is out of turn: the session is greeting');
    expect(heard).toEqual(['Hello']);
  });

  test.each([
    ['a second Hello', null, ['Hello of a Drone', 'Hello of a Drone']],
    ['a Hello in another role', null, ['Hello of a Drone', 'Hello of a client']],
    ['a second Welcome', 'queen', ['Welcome', 'Welcome']],
    ['a Welcome after a Reject', 'queen', ['Reject', 'Welcome']],
  ] as const)('%s is out of turn, however long the answer takes', (_text, from, names) => {
    const session = new Session(from);
    expect(types(session, frame(names[0]))).toHaveLength(1);
    expect(() => types(session, frame(names[1]))).toThrow(/out of turn/);
    expect(session.state).toBe('closed');
  });

  test('goes no further than a Welcome that is not believed, and nothing is said to whoever said it', () => {
    const asked: string[] = [];
    const session = new Session('queen', ({ name }) => {
      asked.push(name);
      return false;
    });
    expect(session.mayReply).toBe(false);
    expect(() => types(session, joined(frame('Welcome'), frame('Heartbeat')))).toThrow(
      'not signed by a Queen',
    );
    expect([session.state, asked.length]).toEqual(['closed', 1]);
    expect(types(session, frame('Welcome'))).toEqual([]);
  });

  test('over, whoever breaks the protocol is told so; before it, only a peer with whom a Queen speaks', () => {
    expect(new Session(null).mayReply).toBe(true);
    expect(sessionWith('queen', 'open').mayReply).toBe(true);
    expect(new Session('queen').mayReply).toBe(false);
  });

  test('frames are small before it and large after it', () => {
    const large = Uint8Array.of(0, 1, 0, 1);
    expect(() => types(new Session(null), large)).toThrow('frame of 65537 bytes; at most 65536');
    const opened = sessionWith('drone', 'open');
    expect(types(opened, large)).toEqual([]);
    expect(opened.endedCleanly).toBe(false);
    expect(() => types(sessionWith('drone', 'open'), Uint8Array.of(1, 0, 0, 1))).toThrow(/16777217/);
  });

  test('is done once, and with a role', () => {
    expect(() => new Session(null).open()).toThrow(InvariantError);
    expect(() => sessionWith('drone', 'open').open('drone')).toThrow(InvariantError);
    expect(() => sessionWith('queen', 'closed').open()).toThrow(InvariantError);
  });
});

test('nothing passes after close, not even what came in the same chunk', () => {
  const session = sessionWith('drone', 'open');
  const heard: string[] = [];
  for (const message of session.receive(
    joined(frame('TaskRequest'), frame('Heartbeat'), Uint8Array.of(0xff)),
  )) {
    heard.push(message.type);
    session.close();
  }
  expect(heard).toEqual(['TaskRequest']);
  expect(types(session, frame('Heartbeat'))).toEqual([]);
});

test('what was said before the fault is heard, and nothing after it', () => {
  const session = sessionWith('drone', 'open');
  const heard: string[] = [];
  const chunk = joined(frame('TaskRequest'), frame('Submit'), frame('TaskRequest'));
  expect(() => {
    for (const message of session.receive(chunk)) heard.push(message.type);
  }).toThrow('a drone may not send Submit');
  expect(heard).toEqual(['TaskRequest']);
  expect(types(session, frame('TaskRequest'))).toEqual([]);
});

test('says whether the stream ended in the middle of a frame', () => {
  const session = sessionWith('drone', 'open');
  const bytes = frame('TaskRequest');
  expect(session.endedCleanly).toBe(true);
  types(session, bytes.subarray(0, 7));
  expect(session.endedCleanly).toBe(false);
  expect(types(session, bytes.subarray(7))).toEqual(['TaskRequest']);
  expect(session.endedCleanly).toBe(true);
});

describe('the version', () => {
  const ours = { min: 3, max: 5 };
  test.each([
    [3, 5, 5],
    [1, 3, 3],
    [1, 4, 4],
    [5, 9, 5],
    [4, 4, 4],
    [0, 0xffff_ffff, 5],
  ])('of a peer that speaks %i to %i is %i', (protocolMin, protocolMax, agreed) => {
    expect(agreeOnVersion({ protocolMin, protocolMax }, ours)).toBe(agreed);
  });
  test.each([
    [1, 2, 'the peer is older'],
    [6, 9, 'this Queen is older'],
    [0, 0, 'the peer is older'],
    [5, 3, 'no common'],
    [9, 4, 'no common'],
  ])('of a peer that speaks %i to %i is refused: %s', (protocolMin, protocolMax, text) => {
    const agree = () => agreeOnVersion({ protocolMin, protocolMax }, ours);
    expect(agree).toThrow(text);
    expect(agree).toThrow(expect.objectContaining({ code: 'badVersion' }));
  });
  test('of this build is 1', () => {
    expect(agreeOnVersion({ protocolMin: 1, protocolMax: 7 })).toBe(1);
  });
});

function isFrom(sender: Sender): (name: string) => boolean {
  return (name) => (frameNamed(name) as Frame).from === sender;
}
