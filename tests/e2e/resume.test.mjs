// SPDX-License-Identifier: Apache-2.0
// resume: continue, through the vendors' own SDKs: a stream that breaks off is continued by a provider of the
// same or of another dialect, and the client's library reads one answer.
import Anthropic from '@anthropic-ai/sdk';
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';

import { twoProviders } from './lib/fixture.mjs';
import { MESSAGES, chunk, event, sleep } from './lib/upstream.mjs';

const LIMIT = { timeout: 20000 };
const TEXT = ['First ', 'light ', 'over ', 'the ', 'harbour.'];
const WHOLE = TEXT.join('');

const named = (value) => `event: ${value.type}\n${event(value)}`;
const message = { id: 'msg_1', type: 'message', role: 'assistant', model: 'm', content: [], stop_reason: null, stop_sequence: null, usage: { input_tokens: 7, output_tokens: 1 } };

// How each dialect says pieces of text, and that it is done.
const says = {
    openai: (pieces) => [event(chunk({ role: 'assistant', content: '' })), ...pieces.map((text) => event(chunk({ content: text })))],
    anthropic: (pieces) => [
        named({ type: 'message_start', message }),
        named({ type: 'content_block_start', index: 0, content_block: { type: 'text', text: '' } }),
        ...pieces.map((text) => named({ type: 'content_block_delta', index: 0, delta: { type: 'text_delta', text } })),
    ],
};
const ends = {
    openai: [event(chunk({}, 'stop')), event('[DONE]')],
    anthropic: [
        named({ type: 'content_block_stop', index: 0 }),
        named({ type: 'message_delta', delta: { stop_reason: 'end_turn', stop_sequence: null }, usage: { output_tokens: 3 } }),
        named({ type: 'message_stop' }),
    ],
};

async function breaksOff(seen, dialect) {
    seen.openStream();
    for (const text of says[dialect](TEXT.slice(0, 2))) seen.write(text);
    await sleep(50);
    seen.cutNow({ reset: true });
}

const goesOn = (seen, dialect) => seen.stream([...says[dialect](TEXT.slice(2)), ...ends[dialect]]);

for (const [first, second] of [['openai', 'openai'], ['openai', 'anthropic'], ['anthropic', 'openai'], ['anthropic', 'anthropic']]) {
    describe(`${first}, continued by ${second}`, () => {
        let f;
        const type = (name) => (name === 'anthropic' ? { type: 'anthropic' } : {});
        before(async () => {
            f = await twoProviders({ providers: { a: type(first), b: type(second) }, routing: { resume: 'continue' } });
        });
        after(() => f?.close());

        const script = () => {
            f.a.answers((seen) => breaksOff(seen, first));
            f.b.answers((seen) => goesOn(seen, second));
        };
        const check = () => {
            assert.equal(f.a.requests.length, 1);
            assert.equal(f.b.requests.length, 1);
            const { messages, max_tokens } = f.b.last.json;
            const said = messages.at(-1);
            assert.equal(said.role, 'assistant');
            assert.equal(JSON.stringify(said.content).includes('First light'), true);
            assert.equal(max_tokens, 98);
        };

        test('the openai SDK reads one answer', LIMIT, async () => {
            script();
            const stream = f.openai().chat.completions.stream({ model: 'pair', messages: MESSAGES, max_tokens: 100 });
            const answer = await stream.finalChatCompletion();
            assert.equal(answer.choices[0].message.content, WHOLE);
            assert.equal(answer.choices[0].finish_reason, 'stop');
            check();
        });

        test('the openai SDK reads one response', LIMIT, async () => {
            script();
            const stream = f.openai().responses.stream({ model: 'pair', input: 'Say hello.', max_output_tokens: 100 });
            const answer = await stream.finalResponse();
            assert.equal(answer.output_text, WHOLE);
            assert.equal(answer.status, 'completed');
            check();
        });

        test('the anthropic SDK reads one message', LIMIT, async () => {
            script();
            const client = new Anthropic({ apiKey: 'k', baseURL: f.origin, maxRetries: 0 });
            const answer = await client.messages.stream({ model: 'pair', messages: MESSAGES, max_tokens: 100 }).finalMessage();
            assert.deepEqual(answer.content.map((block) => block.text), [WHOLE]);
            assert.equal(answer.stop_reason, 'end_turn');
            if (second === 'anthropic') assert.equal(answer.usage.output_tokens, 2 + 3);
            check();
        });
    });
}
