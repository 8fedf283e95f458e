import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { ChatText, spokenOf } from '../../../src/text/chat-text.js';

describe("a model's answer", () => {
  const cases: [string, string][] = [
    ['# A **bold** claim', 'A bold claim'],
    ['- an *item* of `code`', 'an item of code'],
    ['2 * 3 * 4 is snake_case_name', '2 * 3 * 4 is snake_case_name'],
    ['See [the page](https://example.org/a_(b) "title") now', 'See the page now'],
    ['Go to https://www.example.org/very/long?x=1 today.', 'Go to example.org today.'],
    ['Great 👍🏽 job 👩‍👩‍👧 🇩🇪 1️⃣!', 'Great job!'],
    ['| a | b |', 'a, b'],
    ['line<br>break', 'line break'],
    ['---', ''],
    ['> a quote', 'a quote'],
    ['100 % of 5 < 6', '100 % of 5 < 6'],
  ];
  for (const [given, expected] of cases)
    it(JSON.stringify(given), () => assert.equal(spokenOf(given), expected));

  const answer = `<think>Let me see. Hm.</think>Sure! Here is **how**:

- First step
- Second step: use \`npm\`

\`\`\`js
const a = 1. Foo();
// Not this. Nor this.
\`\`\`
😀
That is all. <b>Bye</b>`;
  const spoken = ['Sure!', 'Here is how:', 'First step', 'Second step: use npm', 'That is all.', 'Bye'];

  it('is spoken without marks, code and thoughts, in whatever pieces it comes', () => {
    for (const size of [1, 2, 5, 1000]) {
      const text = new ChatText();
      const got: string[] = [];
      for (let at = 0; at < answer.length; at += size) got.push(...text.push(answer.slice(at, at + size)));
      got.push(...text.flush());
      assert.deepEqual(got, spoken, `in pieces of ${size}`);
    }
  });

  it('may end in what looks like the beginning of a tag', () => {
    const text = new ChatText();
    assert.deepEqual([...text.push('It is 1 <'), ...text.flush()], ['It is 1 <']);
    assert.deepEqual([...text.push('<think>never ends'), ...text.flush()], []);
  });
});
