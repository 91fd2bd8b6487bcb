// SPDX-License-Identifier: Apache-2.0
// Providers that each speak their vendor's own dialect on real sockets, written from the vendors' documents and
// sharing no line with fairlead. What one answers hangs on the request alone:
//
//   the last user text        the answer
//   "say X"                   the text X
//   "think X"                 a thought, then the text X
//   "call NAME [NAME ...]"    one call of each tool; once their results are there: "results: A | B"
//   "fail STATUS"             the vendor's error of that status
//   "slow"                    a stream without end, a word each 20 ms
//   with a JSON schema        {"answer": 42}
//   a forced tool             a call of it
//   with an image             "saw TYPE, N bytes"
//   of an agent, anywhere     "read note.txt": a call of the agent's tool that runs commands; once the note is in
//                             the request: "the note says: lighthouse X"
//
// A vendor's path for embeddings is answered with vectorOf() of each text.
//
// Each request is kept in `seen`: what a vendor would refuse is a fault of the test's subject, and thrown.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import http from 'node:http';

const TOKENS = { input: 11, output: 7, cached: 3, reasoning: 2 };
const sleep = (ms) => new Promise((done) => setTimeout(done, ms));
const words = (text) => text.split(/(?<= )/);
const sse = (value, name) => `${name ? `event: ${name}\n` : ''}data: ${typeof value === 'string' ? value : JSON.stringify(value)}\n\n`;

// --- Amazon's binary frames ---

const CRC = Uint32Array.from({ length: 256 }, (_, n) => {
    for (let k = 0; k < 8; k++) n = n & 1 ? 0xedb88320 ^ (n >>> 1) : n >>> 1;
    return n >>> 0;
});

function crc32(bytes) {
    let crc = 0xffffffff;
    for (const byte of bytes) crc = CRC[(crc ^ byte) & 255] ^ (crc >>> 8);
    return (crc ^ 0xffffffff) >>> 0;
}

export function frame(type, payload, exception = false) {
    const header = (name, value) => {
        const text = Buffer.from(value);
        const head = Buffer.alloc(4 + name.length);
        head.writeUInt8(name.length, 0);
        head.write(name, 1);
        head.writeUInt8(7, 1 + name.length);
        head.writeUInt16BE(text.length, 2 + name.length);
        return Buffer.concat([head, text]);
    };
    const headers = Buffer.concat([
        header(exception ? ':exception-type' : ':event-type', type), header(':content-type', 'application/json'),
        header(':message-type', exception ? 'exception' : 'event'),
    ]);
    const body = Buffer.from(JSON.stringify(payload));
    const message = Buffer.alloc(16 + headers.length + body.length);
    message.writeUInt32BE(message.length, 0);
    message.writeUInt32BE(headers.length, 4);
    message.writeUInt32BE(crc32(message.subarray(0, 8)), 8);
    headers.copy(message, 12);
    body.copy(message, 12 + headers.length);
    message.writeUInt32BE(crc32(message.subarray(0, message.length - 4)), message.length - 4);
    return message;
}

// --- what is wanted, the same for all ---

// How the tools of agents that run a command want to be called.
const COMMANDS = {
    Bash: { command: 'cat note.txt', description: 'Read the note' },
    shell: { command: ['cat', 'note.txt'] },
    shell_command: { command: 'cat note.txt' },
    exec_command: { cmd: 'cat note.txt' },
};

function wantedOfAgent(ask) {
    const note = /lighthouse \w+/.exec(JSON.stringify(ask.body))?.[0];
    const tool = Object.keys(COMMANDS).find((name) => ask.tools.includes(name));
    if (note) return { text: `the note says: ${note}` };
    return tool ? { text: '', calls: [tool] } : { text: 'nothing to do it with' };
}

// *ask*: {text, image: {type, bytes}, tools: [names], results: [texts], schema, thinking}
function wanted(ask) {
    if (/read note\.txt/.test(JSON.stringify(ask.body))) return wantedOfAgent(ask);
    const [verb, ...rest] = (ask.text ?? '').split(' ');
    if (verb === 'fail') return { fail: Number(rest[0]) };
    if (verb === 'slow') return { slow: true };
    if (ask.forced && !ask.schema) return { text: '', calls: [ask.forced] };
    if (ask.results.length > 0) return { text: `results: ${ask.results.join(' | ')}` };
    if (verb === 'call') return { text: ask.text.includes(' and say') ? 'calling ' : '', calls: rest.filter((name) => ask.tools.includes(name)) };
    if (ask.schema) return { text: '{"answer": 42}' };
    if (ask.image) return { text: `saw ${ask.image.type}, ${ask.image.bytes} bytes` };
    if (verb === 'think') return { thought: 'hm, let me see', text: rest.join(' ') };
    return { text: rest.join(' ') };
}

const argumentsOf = (name, i) => COMMANDS[name] ?? (/^json$|_answer$/.test(name) ? { answer: 42 } : { city: `Köln ${i}`, tool: name, list: [1, 2.50, null] });
const image = (type, base64) => ({ type, bytes: Buffer.from(base64, 'base64').length });
const parseDataUrl = (url) => {
    const found = /^data:([^;]+);base64,(.*)$/.exec(url);
    return found ? image(found[1], found[2]) : { type: 'url', bytes: url.length };
};

// --- embeddings: a vector that hangs on the text alone ---

export const vectorOf = (text, size = 4) => Array.from({ length: size }, (_, i) => Number(((text.length + i * 0.37) / 7 - 1).toFixed(7)));

// --- OpenAI ---

const openai = {
    config: (url) => ({ type: 'openai_compatible', base_url: `${url}/v1`, api_key: 'sk-openai', stream_options: true }),
    match: (path) => path === '/v1/chat/completions',
    read(body, path, headers) {
        assert.equal(headers.authorization, 'Bearer sk-openai');
        const open = new Set();
        for (const m of body.messages) {
            if (m.role === 'tool') assert.ok(open.delete(m.tool_call_id), `no call ${m.tool_call_id}`);
            else assert.equal(open.size, 0, 'a call without its result');
            for (const c of m.tool_calls ?? []) {
                JSON.parse(c.function.arguments);
                open.add(c.id);
            }
        }
        const users = body.messages.filter((m) => m.role === 'user');
        const last = users.at(-1).content;
        const parts = typeof last === 'string' ? [{ type: 'text', text: last }] : last;
        const picture = parts.find((p) => p.type === 'image_url');
        return {
            stream: body.stream === true, usage: body.stream_options?.include_usage === true,
            system: body.messages.filter((m) => ['system', 'developer'].includes(m.role)).map((m) => (typeof m.content === 'string' ? m.content : m.content.map((p) => p.text).join(''))).join('\n'),
            text: parts.filter((p) => p.type === 'text').map((p) => p.text).join(' '),
            image: picture && parseDataUrl(picture.image_url.url),
            tools: (body.tools ?? []).map((t) => t.function.name), forced: body.tool_choice?.function?.name,
            results: body.messages.at(-1).role === 'tool' ? body.messages.slice(-open.size - 9).filter((m) => m.role === 'tool').map((m) => (typeof m.content === 'string' ? m.content : m.content.map((p) => p.text).join(''))) : [],
            schema: body.response_format?.json_schema?.schema, thinking: body.reasoning_effort,
            max: body.max_completion_tokens ?? body.max_tokens, stop: body.stop, temperature: body.temperature,
        };
    },
    usage: { prompt_tokens: 11, completion_tokens: 7, total_tokens: 18, prompt_tokens_details: { cached_tokens: 3 }, completion_tokens_details: { reasoning_tokens: 2 } },
    whole(w, model) {
        const calls = w.calls?.map((name, i) => ({ id: `call_${i}${'x'.repeat(20)}`, type: 'function', function: { name, arguments: JSON.stringify(argumentsOf(name, i)) } }));
        return {
            id: 'chatcmpl-up', object: 'chat.completion', created: 1700000000, model, usage: this.usage,
            choices: [{ index: 0, finish_reason: calls ? 'tool_calls' : 'stop', logprobs: null,
                message: { role: 'assistant', content: w.text || null, refusal: null, ...(w.thought && { reasoning_content: w.thought }), ...(calls && { tool_calls: calls }) } }],
        };
    },
    * stream(w, model, ask) {
        const chunk = (delta, finish = null) => sse({ id: 'chatcmpl-up', object: 'chat.completion.chunk', created: 1700000000, model, choices: [{ index: 0, delta, finish_reason: finish }], ...(ask.usage && { usage: null }) });
        yield chunk({ role: 'assistant', content: '' });
        for (const part of w.thought ? words(w.thought) : []) yield chunk({ reasoning_content: part });
        for (const part of w.text ? words(w.text) : []) yield chunk({ content: part });
        for (const [i, name] of (w.calls ?? []).entries()) {
            yield chunk({ tool_calls: [{ index: i, id: `call_${i}${'x'.repeat(20)}`, type: 'function', function: { name, arguments: '' } }] });
            for (const part of JSON.stringify(argumentsOf(name, i)).match(/.{1,9}/gs)) yield chunk({ tool_calls: [{ index: i, function: { arguments: part } }] });
        }
        yield chunk({}, w.calls ? 'tool_calls' : 'stop');
        if (ask.usage) yield sse({ id: 'chatcmpl-up', object: 'chat.completion.chunk', created: 1700000000, model, choices: [], usage: this.usage });
        yield sse('[DONE]');
    },
    error: (status) => ({ error: { message: `refused with ${status}`, type: 'invalid_request_error', param: null, code: null } }),
    type: 'text/event-stream; charset=utf-8',
};

// --- Anthropic ---

const anthropic = {
    config: (url) => ({ type: 'anthropic', base_url: `${url}/v1`, api_key: 'sk-anthropic' }),
    match: (path) => path === '/v1/messages',
    read(body, path, headers) {
        assert.equal(headers['x-api-key'], 'sk-anthropic');
        assert.equal(headers['anthropic-version'], '2023-06-01');
        assert.ok(Number.isInteger(body.max_tokens), 'max_tokens is required');
        const blocks = (m) => (typeof m.content === 'string' ? [{ type: 'text', text: m.content }] : m.content);
        assert.equal(body.messages[0].role, 'user');
        for (const [i, m] of body.messages.entries()) {
            if (i > 0) assert.notEqual(m.role, body.messages[i - 1].role, 'roles alternate');
            for (const b of blocks(m)) if (b.type === 'text') assert.ok(b.text.trim(), 'an empty text');
            const calls = blocks(m).filter((b) => b.type === 'tool_use').map((b) => b.id);
            const next = body.messages[i + 1] ? blocks(body.messages[i + 1]) : [];
            assert.deepEqual(next.slice(0, calls.length).map((b) => b.tool_use_id), calls.length ? calls : next.slice(0, 0).map(() => 0), 'results follow their calls');
        }
        const last = blocks(body.messages.at(-1));
        const users = body.messages.filter((m) => m.role === 'user' && blocks(m).some((b) => b.type === 'text'));
        const picture = last.find((b) => b.type === 'image');
        return {
            stream: body.stream === true,
            system: typeof body.system === 'string' ? body.system : (body.system ?? []).map((b) => b.text).join('\n'),
            text: blocks(users.at(-1)).filter((b) => b.type === 'text').map((b) => b.text).join(' '),
            image: picture && (picture.source.type === 'base64' ? image(picture.source.media_type, picture.source.data) : { type: 'url', bytes: picture.source.url.length }),
            tools: (body.tools ?? []).map((t) => t.name),
            results: last.filter((b) => b.type === 'tool_result').map((b) => (typeof b.content === 'string' ? b.content : b.content.map((p) => p.text).join(''))),
            schema: body.output_config?.format?.schema ?? body.output_format?.schema ?? (body.tool_choice?.type === 'tool' && body.tools.find((t) => t.name === body.tool_choice.name && /json|schema|answer|respon|output/i.test(t.name))?.input_schema),
            forced: body.tool_choice?.type === 'tool' ? body.tool_choice.name : null,
            thinking: body.thinking ?? body.output_config?.effort,
            max: body.max_tokens, stop: body.stop_sequences, temperature: body.temperature,
        };
    },
    usage: { input_tokens: 8, cache_read_input_tokens: 3, cache_creation_input_tokens: 0, output_tokens: 7 },
    blocks(w, ask) {
        const content = [];
        if (w.thought) content.push({ type: 'thinking', thinking: w.thought, signature: 'c2lnbmF0dXJl' });
        if (ask.schema && ask.forced) return [...content, { type: 'tool_use', id: 'toolu_s', name: ask.forced, input: JSON.parse(w.text) }];
        if (w.text) content.push({ type: 'text', text: w.text });
        for (const [i, name] of (w.calls ?? []).entries()) content.push({ type: 'tool_use', id: `toolu_${i}`, name, input: argumentsOf(name, i) });
        return content;
    },
    whole(w, model, ask) {
        const content = this.blocks(w, ask);
        return { id: 'msg_up', type: 'message', role: 'assistant', model, content, stop_reason: content.some((b) => b.type === 'tool_use') ? 'tool_use' : 'end_turn', stop_sequence: null, usage: this.usage };
    },
    * stream(w, model, ask) {
        const event = (type, fields) => sse({ type, ...fields }, type);
        const content = this.blocks(w, ask);
        yield event('message_start', { message: { id: 'msg_up', type: 'message', role: 'assistant', model, content: [], stop_reason: null, stop_sequence: null, usage: { ...this.usage, output_tokens: 1 } } });
        yield event('ping', {});
        for (const [index, block] of content.entries()) {
            const delta = (fields) => event('content_block_delta', { index, delta: fields });
            if (block.type === 'text') {
                yield event('content_block_start', { index, content_block: { type: 'text', text: '' } });
                for (const text of words(block.text)) yield delta({ type: 'text_delta', text });
            } else if (block.type === 'thinking') {
                yield event('content_block_start', { index, content_block: { type: 'thinking', thinking: '', signature: '' } });
                for (const thinking of words(block.thinking)) yield delta({ type: 'thinking_delta', thinking });
                yield delta({ type: 'signature_delta', signature: block.signature });
            } else {
                yield event('content_block_start', { index, content_block: { type: 'tool_use', id: block.id, name: block.name, input: {} } });
                yield delta({ type: 'input_json_delta', partial_json: '' });
                for (const part of JSON.stringify(block.input).match(/.{1,9}/gs)) yield delta({ type: 'input_json_delta', partial_json: part });
            }
            yield event('content_block_stop', { index });
        }
        yield event('message_delta', { delta: { stop_reason: content.some((b) => b.type === 'tool_use') ? 'tool_use' : 'end_turn', stop_sequence: null }, usage: { output_tokens: 7 } });
        yield event('message_stop', {});
    },
    error: (status) => ({ type: 'error', error: { type: { 429: 'rate_limit_error', 529: 'overloaded_error', 400: 'invalid_request_error' }[status] ?? 'api_error', message: `refused with ${status}` }, request_id: 'req_up' }),
    type: 'text/event-stream; charset=utf-8',
};

// --- Gemini ---

const gemini = {
    config: (url) => ({ type: 'gemini', base_url: `${url}/v1beta`, api_key: 'key-gemini' }),
    match: (path) => /^\/v1beta\/models\/[^/:]+:(generateContent|streamGenerateContent)$/.test(path),
    embed(body, path, headers) {
        if (path !== '/v1beta/models/up-model:batchEmbedContents') return null;
        assert.equal(headers['x-goog-api-key'], 'key-gemini');
        const values = body.requests.map((r) => {
            assert.equal(r.model, 'models/up-model');
            return vectorOf(r.content.parts[0].text, r.outputDimensionality);
        });
        return { embeddings: values.map((v) => ({ values: v })) };
    },
    read(body, path, headers) {
        assert.equal(headers['x-goog-api-key'], 'key-gemini');
        for (const [i, c] of body.contents.entries()) {
            assert.ok(c.parts.length > 0);
            if (i > 0) assert.notEqual(c.role, body.contents[i - 1].role, 'roles alternate');
            const calls = c.parts.filter((p) => p.functionCall).length;
            const next = body.contents[i + 1]?.parts ?? [];
            if (calls > 0) assert.equal(next.filter((p) => p.functionResponse).length, calls, 'as many results as calls');
        }
        const last = body.contents.at(-1).parts;
        const users = body.contents.filter((c) => c.role === 'user' && c.parts.some((p) => p.text));
        const picture = last.find((p) => p.inlineData);
        const g = body.generationConfig ?? {};
        return {
            stream: path.includes(':stream'), system: (body.systemInstruction?.parts ?? []).map((p) => p.text).join('\n'),
            text: users.at(-1).parts.filter((p) => p.text).map((p) => p.text).join(' '),
            image: picture && image(picture.inlineData.mimeType, picture.inlineData.data),
            tools: (body.tools ?? []).flatMap((t) => (t.functionDeclarations ?? []).map((f) => f.name)), forced: body.toolConfig?.functionCallingConfig?.mode === 'ANY' && body.toolConfig.functionCallingConfig.allowedFunctionNames?.[0],
            results: last.filter((p) => p.functionResponse).map((p) => {
                const r = p.functionResponse.response;
                return typeof r === 'object' && Object.keys(r).length === 1 ? String(Object.values(r)[0]) : JSON.stringify(r);
            }),
            schema: g.responseJsonSchema ?? g.responseSchema, thinking: g.thinkingConfig, max: g.maxOutputTokens, stop: g.stopSequences, temperature: g.temperature,
        };
    },
    usage: { promptTokenCount: 11, cachedContentTokenCount: 3, candidatesTokenCount: 5, thoughtsTokenCount: 2, totalTokenCount: 18 },
    parts(w) {
        return [
            ...(w.thought ? [{ text: w.thought, thought: true, thoughtSignature: 'dGhvdWdodA==' }] : []), ...(w.text ? [{ text: w.text }] : []),
            ...(w.calls ?? []).map((name, i) => ({ functionCall: { name, args: argumentsOf(name, i) }, ...(i === 0 && { thoughtSignature: 'dGhvdWdodA==' }) })),
        ];
    },
    answer: (parts, model, rest) => ({ candidates: [{ content: { role: 'model', parts }, index: 0, ...rest }], modelVersion: model, responseId: 'resp-up' }),
    whole(w, model) {
        return { ...this.answer(this.parts(w), model, { finishReason: 'STOP' }), usageMetadata: this.usage };
    },
    * stream(w, model) {
        const parts = this.parts(w).flatMap((p) => (p.text && !p.thought ? words(p.text).map((text) => ({ text })) : [p]));
        for (const [i, part] of parts.entries()) {
            const last = i === parts.length - 1;
            yield sse({ ...this.answer([part], model, last ? { finishReason: 'STOP' } : {}), usageMetadata: last ? this.usage : { promptTokenCount: 11, totalTokenCount: 11 } }).replaceAll('\n', '\r\n');
        }
    },
    error: (status) => ({ error: { code: status, message: `refused with ${status}`, status: { 429: 'RESOURCE_EXHAUSTED', 400: 'INVALID_ARGUMENT', 503: 'UNAVAILABLE' }[status] ?? 'INTERNAL' } }),
    type: 'text/event-stream',
};

// --- Bedrock ---

const bedrock = {
    config: (url) => ({ type: 'bedrock', base_url: url, region: 'us-east-1', api_key: 'bedrock-key' }),
    match: (path) => /^\/model\/[^/]+\/converse(-stream)?$/.test(path),
    embed(body, path, headers) {
        const model = /^\/model\/([^/]+)\/invoke$/.exec(path)?.[1];
        if (model === 'amazon.titan-embed-text-v2%3A0') {
            assert.deepEqual(Object.keys(body).filter((k) => !['inputText', 'dimensions'].includes(k)), []);
            return { embedding: vectorOf(body.inputText, body.dimensions), inputTextTokenCount: 5 };
        }
        if (model !== 'cohere.embed-v4%3A0') return null;
        assert.equal(headers.authorization, 'Bearer bedrock-key');
        assert.ok(body.input_type, 'input_type is required');
        this.embedHeaders = { 'x-amzn-bedrock-input-token-count': '9', 'x-amzn-bedrock-invocation-latency': '12' }; // all that tells of tokens
        return { id: 'e', response_type: 'embeddings_by_type', embeddings: { float: body.texts.map((t) => vectorOf(t, body.output_dimension)) } };
    },
    read(body, path, headers) {
        assert.equal(headers.authorization, 'Bearer bedrock-key');
        for (const [i, m] of body.messages.entries()) {
            assert.equal(m.role, i % 2 ? 'assistant' : 'user', 'roles alternate');
            assert.ok(m.content.length > 0);
            if (m.content.some((b) => b.toolUse || b.toolResult)) assert.ok(body.toolConfig, 'toolConfig goes with tools in the history');
        }
        const last = body.messages.at(-1).content;
        const users = body.messages.filter((m) => m.role === 'user' && m.content.some((b) => b.text));
        const picture = last.find((b) => b.image);
        const c = body.inferenceConfig ?? {};
        return {
            stream: path.endsWith('-stream'), system: (body.system ?? []).map((b) => b.text).join('\n'),
            text: users.at(-1).content.filter((b) => b.text).map((b) => b.text).join(' '),
            image: picture && image(`image/${picture.image.format}`, picture.image.source.bytes),
            tools: (body.toolConfig?.tools ?? []).filter((t) => t.toolSpec).map((t) => t.toolSpec.name),
            results: last.filter((b) => b.toolResult).map((b) => b.toolResult.content.map((p) => p.text ?? JSON.stringify(p.json)).join('')),
            schema: body.outputConfig, forced: body.toolConfig?.toolChoice?.tool?.name, thinking: body.additionalModelRequestFields, max: c.maxTokens, stop: c.stopSequences, temperature: c.temperature,
        };
    },
    usage: { inputTokens: 8, outputTokens: 7, totalTokens: 18, cacheReadInputTokens: 3 },
    blocks: (w) => [
        ...(w.thought ? [{ reasoningContent: { reasoningText: { text: w.thought, signature: 'c2ln' } } }] : []), ...(w.text ? [{ text: w.text }] : []),
        ...(w.calls ?? []).map((name, i) => ({ toolUse: { toolUseId: `tooluse_${i}`, name, input: argumentsOf(name, i) } })),
    ],
    whole(w) {
        return { output: { message: { role: 'assistant', content: this.blocks(w) } }, stopReason: w.calls ? 'tool_use' : 'end_turn', usage: this.usage, metrics: { latencyMs: 5 } };
    },
    * stream(w) {
        yield frame('messageStart', { role: 'assistant', p: 'ab' });
        for (const [contentBlockIndex, block] of this.blocks(w).entries()) {
            const delta = (fields) => frame('contentBlockDelta', { contentBlockIndex, delta: fields });
            if (block.text) for (const text of words(block.text)) yield delta({ text });
            if (block.reasoningContent) {
                yield delta({ reasoningContent: { text: block.reasoningContent.reasoningText.text } });
                yield delta({ reasoningContent: { signature: 'c2ln' } });
            }
            if (block.toolUse) {
                yield frame('contentBlockStart', { contentBlockIndex, start: { toolUse: { toolUseId: block.toolUse.toolUseId, name: block.toolUse.name } } });
                for (const input of JSON.stringify(block.toolUse.input).match(/.{1,9}/gs)) yield delta({ toolUse: { input } });
            }
            yield frame('contentBlockStop', { contentBlockIndex });
        }
        yield frame('messageStop', { stopReason: w.calls ? 'tool_use' : 'end_turn' });
        yield frame('metadata', { usage: this.usage, metrics: { latencyMs: 5 } });
    },
    error: (status) => ({ message: `refused with ${status}` }),
    headers: (status) => ({ 'x-amzn-errortype': { 429: 'ThrottlingException', 400: 'ValidationException', 503: 'ServiceUnavailableException' }[status] ?? 'InternalServerException' }),
    type: 'application/vnd.amazon.eventstream',
};

// --- Ollama ---

const ollama = {
    config: (url) => ({ type: 'ollama_native', base_url: url }),
    match: (path) => path === '/api/chat',
    embed(body, path) {
        if (path !== '/api/embed') return null;
        assert.ok(Array.isArray(body.input) && body.model === 'up-model');
        return { model: body.model, embeddings: body.input.map((t) => vectorOf(t, body.dimensions)), prompt_eval_count: 5 };
    },
    read(body) {
        for (const m of body.messages) {
            assert.equal(typeof m.content, 'string');
            for (const c of m.tool_calls ?? []) assert.equal(typeof c.function.arguments, 'object');
        }
        const users = body.messages.filter((m) => m.role === 'user');
        const picture = users.at(-1).images?.[0];
        let tail = body.messages.length;
        while (tail > 0 && body.messages[tail - 1].role === 'tool') tail--;
        return {
            stream: body.stream !== false, system: body.messages.filter((m) => m.role === 'system').map((m) => m.content).join('\n'),
            text: users.at(-1).content, image: picture && { type: 'image/png', bytes: Buffer.from(picture, 'base64').length },
            tools: (body.tools ?? []).map((t) => t.function.name), results: body.messages.slice(tail).map((m) => m.content),
            schema: typeof body.format === 'object' ? body.format : undefined, thinking: body.think,
            max: body.options?.num_predict, stop: body.options?.stop, temperature: body.options?.temperature,
        };
    },
    whole(w, model) {
        return {
            model, created_at: '2026-08-01T00:00:00Z', done: true, done_reason: 'stop', prompt_eval_count: 11, eval_count: 7,
            message: { role: 'assistant', content: w.text, ...(w.thought && { thinking: w.thought }), ...(w.calls && { tool_calls: w.calls.map((name, i) => ({ function: { name, arguments: argumentsOf(name, i) } })) }) },
        };
    },
    * stream(w, model) {
        const line = (message, rest = { done: false }) => `${JSON.stringify({ model, created_at: '2026-08-01T00:00:00Z', message: { role: 'assistant', content: '', ...message }, ...rest })}\n`;
        if (w.thought) yield line({ thinking: w.thought });
        for (const content of w.text ? words(w.text) : []) yield line({ content });
        if (w.calls) yield line({ tool_calls: w.calls.map((name, i) => ({ function: { name, arguments: argumentsOf(name, i) } })) });
        yield line({}, { done: true, done_reason: 'stop', prompt_eval_count: 11, eval_count: 7 });
    },
    error: (status) => ({ error: `refused with ${status}` }),
    type: 'application/x-ndjson',
};

export const VENDORS = { openai, anthropic, gemini, bedrock, ollama };

// A provider of one dialect. `seen` holds what it read of each request; `aborted` counts answers cut by their client.
export async function vendor(name) {
    const v = VENDORS[name];
    const self = { name, seen: [], faults: [], aborted: 0 };
    const server = http.createServer(async (request, response) => {
        const chunks = [];
        for await (const part of request) chunks.push(part);
        const path = request.url.split('?')[0];
        response.on('close', () => { self.aborted += response.writableFinished ? 0 : 1; });
        const send = (status, value, headers = {}) => {
            response.writeHead(status, { 'content-type': 'application/json', ...headers });
            response.end(JSON.stringify(value));
        };
        if (request.method === 'GET') { // the list of models: a look whether it is well
            send(200, { data: [], models: [] });
            return;
        }
        try {
            const body = JSON.parse(Buffer.concat(chunks));
            const embedded = v.embed?.(body, path, request.headers);
            if (embedded) {
                self.seen.push({ body, url: request.url });
                send(200, embedded, v.embedHeaders);
                v.embedHeaders = undefined;
                return;
            }
            assert.ok(v.match(path), `${name} does not know ${request.method} ${request.url}`);
            const ask = v.read(body, path, request.headers);
            ask.body = body;
            ask.url = request.url;
            ask.headers = request.headers;
            self.seen.push(ask);
            const w = wanted(ask);
            const model = 'up-model';
            if (w.fail) send(w.fail, v.error(w.fail), { ...v.headers?.(w.fail), ...(w.fail === 429 && { 'retry-after': '60' }) });
            else if (!ask.stream) send(200, v.whole(w, model, ask));
            else {
                response.writeHead(200, { 'content-type': v.type });
                if (w.slow) {
                    const all = [...v.stream({ text: 'tick '.repeat(500) }, model, ask)];
                    for (const part of all) {
                        if (response.destroyed) break;
                        response.write(part);
                        await sleep(20);
                    }
                } else for (const part of v.stream(w, model, ask)) response.write(part);
                response.end();
            }
        } catch (fault) {
            self.faults.push(`${name}: ${request.method} ${request.url}: ${fault.message}`);
            send(400, v.error(400));
        }
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    self.url = `http://127.0.0.1:${server.address().port}`;
    self.config = () => ({ ...v.config(self.url), models: ['up-model'] });
    self.close = async () => {
        server.closeAllConnections();
        server.close();
        await once(server, 'close');
    };
    return self;
}
