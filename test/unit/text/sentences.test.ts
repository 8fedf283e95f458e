import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { SentenceSplitter, splitSentences } from '../../../src/text/sentences.js';

describe('sentences', () => {
  const cases: [string, string[]][] = [
    ['Hello there. How are you? Fine!', ['Hello there.', 'How are you?', 'Fine!']],
    ['Dr. Who met Mr. Smith. They talked.', ['Dr. Who met Mr. Smith.', 'They talked.']],
    [
      'It costs 3.50 dollars, i.e. little. Pi is 3.14159. Yes.',
      ['It costs 3.50 dollars, i.e. little.', 'Pi is 3.14159.', 'Yes.'],
    ],
    ['J. R. R. Tolkien wrote it. I read it.', ['J. R. R. Tolkien wrote it.', 'I read it.']],
    ['Fruit, e.g. Apples, is good.', ['Fruit, e.g. Apples, is good.']],
    ['We met at 5 p.m. The sun was low.', ['We met at 5 p.m.', 'The sun was low.']],
    ['The U.S. Army came. It left.', ['The U.S. Army came.', 'It left.']],
    ['So do I. We all do.', ['So do I.', 'We all do.']],
    ['"What?" he asked. "Nothing." She left.', ['"What?" he asked.', '"Nothing."', 'She left.']],
    ['Wait... what? No... Yes!', ['Wait... what?', 'No...', 'Yes!']],
    ['See example.org/a.b for v1.2.3 now. Good.', ['See example.org/a.b for v1.2.3 now.', 'Good.']],
    ['1. Take it. 2. Eat it.', ['1. Take it.', '2. Eat it.']],
    ['你好。今天天气怎么样？很好！', ['你好。', '今天天气怎么样？', '很好！']],
    ['彼は「はい。」と言った。次へ。', ['彼は「はい。」', 'と言った。', '次へ。']],
    ['नमस्ते। आप कैसे हैं?', ['नमस्ते।', 'आप कैसे हैं?']],
    ['one line\nbroken in two.\n\nA new paragraph', ['one line broken in two.', 'A new paragraph']],
    ['... --- !!!', []],
    ['   ', []],
    ['no end at all', ['no end at all']],
  ];
  for (const [text, expected] of cases)
    it(JSON.stringify(text), () => assert.deepEqual(splitSentences(text), expected));

  it('come out the same however the text is cut into pieces', () => {
    for (const [text, expected] of cases)
      for (const size of [1, 2, 3, 7]) {
        const splitter = new SentenceSplitter();
        const got: string[] = [];
        for (let at = 0; at < text.length; at += size) got.push(...splitter.push(text.slice(at, at + size)));
        got.push(...splitter.flush());
        assert.deepEqual(got, expected, `${JSON.stringify(text)} in pieces of ${size}`);
      }
  });

  it('come as soon as what follows them is known', () => {
    const splitter = new SentenceSplitter();
    assert.deepEqual(splitter.push('First one. '), []);
    assert.deepEqual(splitter.push('Second '), ['First one.']);
    assert.deepEqual(splitter.push('one! N'), ['Second one!']);
  });

  it('without an end are cut at a clause, a word, or a character, the first one sooner', () => {
    const clauses = splitSentences(`${'some words that go on, '.repeat(40)}end.`);
    assert.ok(clauses[0]!.length <= 160);
    for (const clause of clauses) assert.ok(clause.length <= 300, `${clause.length}`);
    assert.ok(
      clauses.slice(0, -1).every((clause) => clause.endsWith(',')),
      clauses.join('\n'),
    );
    assert.equal(clauses.join(' '), `${'some words that go on, '.repeat(40)}end.`);

    const words = splitSentences('word '.repeat(200));
    assert.ok(words.every((part) => /^(?:word ?)+$/.test(part) && part.length <= 300));
    assert.equal(words.join(' ').split(' ').length, 200);

    const chinese = splitSentences('今天天气很好我们出去玩'.repeat(60));
    assert.ok(chinese.every((part) => part.length <= 300));
    assert.equal(chinese.join(''), '今天天气很好我们出去玩'.repeat(60));

    const endless = splitSentences('𝒳'.repeat(500));
    assert.equal(endless.join(''), '𝒳'.repeat(500));
    assert.ok(endless.every((part) => encodeURIComponent(part).length > 0));
  });

  it('a long text takes no long time', () => {
    const startedMs = performance.now();
    splitSentences('a.b '.repeat(2500));
    splitSentences('.'.repeat(10_000));
    splitSentences(`${'"'.repeat(10_000)}`);
    assert.ok(performance.now() - startedMs < 1000);
  });
});
