import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  ChatHistory,
  MAX_HISTORY_CHARS,
  MAX_TURNS,
  type Answer,
} from '../../../../src/session/speech/chat-history.js';

const answer = (heard: string | undefined, isOver = true): Answer => ({
  heard: () => heard,
  isOver: () => isOver,
});
const words = (history: ChatHistory, turn: ReturnType<ChatHistory['add']>): string[] =>
  history.messagesFor(turn).map(({ role, content }) => `${role[0]}:${content}`);

describe('the history of a chat', () => {
  it('is what the user wrote and what was heard of the answers', () => {
    const history = new ChatHistory('Be kind.');
    history.add('one', answer('Yes.'));
    history.add('two', answer('No, but', false));
    const third = history.add('three', answer('not asked yet', false));
    assert.deepEqual(words(history, third), [
      's:Be kind.',
      'u:one',
      'a:Yes.',
      'u:two',
      'a:No, but',
      'u:three',
    ]);
  });

  it('lets user and assistant take turns where nothing was heard, and forgets what failed', () => {
    const history = new ChatHistory(undefined);
    history.add('one', answer(''));
    history.add('two', answer(undefined));
    const third = history.add('three', answer('', false));
    assert.deepEqual(words(history, third), ['u:one\nthree']);
  });

  it('of a question ends with it, though another one was asked already', () => {
    const history = new ChatHistory(undefined);
    const first = history.add('one', answer('', false));
    history.add('two', answer('', false));
    assert.deepEqual(words(history, first), ['u:one']);
  });

  it('keeps what was heard when it was over, and follows what is not', () => {
    const history = new ChatHistory(undefined);
    let heard = 'One';
    history.add('count', { heard: () => heard, isOver: () => false });
    const second = history.add('more', answer('', false));
    assert.deepEqual(words(history, second), ['u:count', 'a:One', 'u:more']);
    heard = 'One, two';
    assert.deepEqual(words(history, second), ['u:count', 'a:One, two', 'u:more']);
  });

  it('is bounded in turns and characters, the newest being kept', () => {
    const many = new ChatHistory(undefined);
    let last = many.add('0', answer('a'));
    for (let i = 1; i < 50; i += 1) last = many.add(String(i), answer('a'));
    assert.equal(words(many, last).filter((text) => text.startsWith('u')).length, MAX_TURNS);
    const long = new ChatHistory(undefined);
    for (let i = 0; i < 10; i += 1) last = long.add(`${i}`, answer('x'.repeat(MAX_HISTORY_CHARS / 4)));
    const told = words(long, last);
    assert.ok(told.join('').length <= MAX_HISTORY_CHARS + 100);
    assert.equal(told.at(-1), 'u:9');
    assert.ok(told.length >= 6);
    const question = 'q'.repeat(2 * MAX_HISTORY_CHARS);
    assert.deepEqual(words(long, long.add(question, answer(''))), [`u:${question}`]);
  });
});
