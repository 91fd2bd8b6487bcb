// SPDX-License-Identifier: Apache-2.0
// Requests that two parsers in a row might read differently: [name, bytes, statuses expected].
//
// Without statuses a case must be refused: one answer, 4xx, 501 or 505, then the connection ends. With them it
// must be answered just so. STUCK waits for bytes that do not come and ends with a 408.
// A request that reaches the provider carries the case's own text, or SMUGGLED where the attack carried one.
export const STUCK = [408];
export const SMUGGLED = 'smuggled';

const json = (text) => JSON.stringify({ model: 'only', messages: [{ role: 'user', content: text }] });
const hex = (text) => text.length.toString(16);
const START = 'POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\n';
const SECOND = `${START}Content-Length: ${json(SMUGGLED).length}\r\n\r\n${json(SMUGGLED)}`;

// *body*: the case's own; every field line is given without its CRLF.
const post = (fields, rest) => `${START}${fields.map((field) => field + '\r\n').join('')}\r\n${rest}`;

export function makeCases(text) {
    const body = json(text);
    const n = body.length;
    const chunks = (size = hex(body), { after = '\r\n', last = '0\r\n\r\n', line = '\r\n' } = {}) => `${size}${line}${body}${after}${last}`;
    const chunked = ['Transfer-Encoding: chunked'];
    const sized = (value) => post([`Content-Length:${value}`], body);
    const coded = (field) => post([field], chunks() + SECOND);
    const good = [200];
    const whole = (sent) => post([`Content-Length: ${sent.length}`], sent);
    const group = (name, entries) => entries.map(([what, bytes, statuses]) => [`${name}: ${what}`, bytes, statuses]);

    const bothFramings = group('both framings', [
        ['CL.TE', post([`Content-Length: ${5 + SECOND.length}`, ...chunked], `0\r\n\r\n${SECOND}`)],
        ['CL.TE with a whole chunk', post([`Content-Length: ${chunks().length}`, ...chunked], chunks() + SECOND)],
        ['TE.CL', post([...chunked, 'Content-Length: 4'], `${hex(SECOND)}\r\n${SECOND}\r\n0\r\n\r\n`)],
        ['a length of 0 and chunks', post(['Content-Length: 0', ...chunked], chunks())],
        ['chunks and a length, names in odd case', post(['content-LENGTH: 5', 'TRANSFER-encoding: CHUNKED'], `0\r\n\r\n${SECOND}`)],
        ['a length named hop-by-hop', post([`Content-Length: ${n}`, ...chunked, 'Connection: Content-Length'], chunks())],
        ['chunks in HTTP/1.0', `POST /v1/chat/completions HTTP/1.0\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n${chunks()}${SECOND}`],
        ['two lengths and chunks', post(['Content-Length: 4', ...chunked, 'Content-Length: 4'], chunks())],
        ['a length in the trailers', post(chunked, `${hex(body)}\r\n${body}\r\n0\r\nContent-Length: 5\r\n\r\n`)],
    ]);

    const codings = group('coding', [
        ...['xchunked', 'x-chunked', 'chunk', 'chunkedx', '"chunked"', "'chunked'", 'chunked;q=1', 'chunked, identity',
            'identity, chunked', 'identity', 'chunked, chunked', 'chunked,', ',chunked', 'gzip, chunked', 'gzip', 'deflate',
            'chunked chunked', 'chunked\0', '\0chunked', '\x0bchunked', 'chunked\x0b', 'chunked\x0c', '\xe7hunked', 'chunked\xa0',
            'ch\tunked', 'chunked\x08', 'chunked\x7f', '', '%63hunked', '\\chunked', '{chunked}', 'chunked/1', 'cow', 'null',
            'chun\xe2\x84\xaaed'].map((value) => [JSON.stringify(value), coded(`Transfer-Encoding: ${value}`)]),
        ['in capitals', post(['Transfer-Encoding: CHUNKED'], chunks()), good],
        ['behind a tab', post(['Transfer-Encoding:\tchunked\t '], chunks()), good],
        ['without a space', post(['Transfer-Encoding:chunked'], chunks()), good],
        ['twice', post([...chunked, ...chunked], chunks() + SECOND)],
        ['twice, once unknown', post([...chunked, 'Transfer-Encoding: cow'], chunks() + SECOND)],
        ['twice, unknown first', post(['Transfer-Encoding: x', ...chunked], chunks() + SECOND)],
        ['twice, once empty', post(['Transfer-Encoding:', ...chunked], chunks() + SECOND)],
        ['a space before the colon', coded('Transfer-Encoding : chunked')],
        ['a tab before the colon', coded('Transfer-Encoding\t: chunked')],
        ['NUL before the colon', coded('Transfer-Encoding\0: chunked')],
        ['a space before the name', coded(' Transfer-Encoding: chunked')],
        ['a tab before the name', coded('\tTransfer-Encoding: chunked')],
        ['a folded value', coded('Transfer-Encoding:\r\n chunked')],
        ['a folded value, tab', coded('Transfer-Encoding:\r\n\tchunked')],
        ['a name cut by a fold', coded('Transfer-\r\n Encoding: chunked')],
        ['a colon on the next line', coded('Transfer-Encoding\r\n : chunked')],
        ['behind a bare LF', coded('X: x\nTransfer-Encoding: chunked')],
        ['behind a bare CR', coded('X: x\rTransfer-Encoding: chunked')],
        ['behind CR CR LF', coded('X: x\r\r\nTransfer-Encoding: chunked')],
        ['behind LF CR', coded('X: x\n\rTransfer-Encoding: chunked')],
        ['behind a quote', coded('X: "x\r\n y"\r\nTransfer-Encoding: chunked')],
        ['a second colon', coded('Transfer-Encoding:: chunked')],
        ['two spaces inside the name', coded('Transfer  Encoding: chunked')],
        ['an underscore in the name, no length: a body where none is', coded('Transfer_Encoding: chunked'), [400, 400]],
        ['an underscore in the name, and a length', post(['Transfer_Encoding: chunked', `Content-Length: ${n}`], body), good],
        ['named hop-by-hop', post([...chunked, 'Connection: Transfer-Encoding'], chunks()), good],
        ['as content coding', post(['Content-Encoding: chunked', `Content-Length: ${n}`], body)],
        ['as TE', post(['TE: chunked', `Content-Length: ${n}`], body), good],
    ]);

    const lengths = group('length', [
        ...[` +${n}`, ` -${n}`, ` 0x${hex(body)}`, ` ${n},`, ` ,${n}`, ` ${n}, ${n}`, ` ${n}, 5`, ` ${n} ${n}`, ` ${n};`, ` "${n}"`, ` ${n}.0`,
            ` ${n}e0`, ` ${n}_`, ` _${n}`, '', ' ', ` ${n}\0`, ` \0${n}`, ` ${n}\x0b`, ` \x0c${n}`, ` ${n}\xa0`, ' \xd9\xa3', ` ${n} (comment)`,
            ` 0${'0'.repeat(15)}${n}`, ' 18446744073709551616', ` ${(2n ** 64n + BigInt(n)).toString()}`, ` ${'9'.repeat(400)}`,
            ` ${(2n ** 63n + BigInt(n)).toString()}`, ` 0o${n.toString(8)}`, ' NaN', ' Infinity', ' ten', ` ${n}\\`, ` %3${n}`]
            .map((value) => [JSON.stringify(value), post([`Content-Length:${value}`], body + SECOND)]),
        ['as wide as 32 bits and more', post([`Content-Length: ${2 ** 32 + n}`], body)],
        ['spaces and tabs around', sized(`\t ${n} \t`), good],
        ['no space', sized(`${n}`), good],
        ['zeros before it', sized(` 000${n}`), good],
        ['twice the same', post([`Content-Length: ${n}`, `Content-Length: ${n}`], body + SECOND)],
        ['two that differ', post([`Content-Length: ${n}`, `Content-Length: ${n + SECOND.length}`], body + SECOND)],
        ['two that differ, 0 first', post(['Content-Length: 0', `Content-Length: ${SECOND.length}`], SECOND)],
        ['two, one empty', post([`Content-Length: ${n}`, 'Content-Length:'], body + SECOND)],
        ['a space before the colon', post([`Content-Length : ${n}`], body + SECOND)],
        ['a space before the name', post([` Content-Length: ${n}`], body + SECOND)],
        ['folded', post([`Content-Length:\r\n ${n}`], body + SECOND)],
        ['folded in the number', post(['Content-Length: 1\r\n 0'], body + SECOND)],
        ['an underscore in the name', post([`Content_Length: ${SECOND.length}`, `Content-Length: ${n}`], body), good],
        ['behind a bare LF', post([`X: x\nContent-Length: ${n}`], body + SECOND)],
        ['behind a bare CR', post([`X: x\rContent-Length: ${n}`], body + SECOND)],
        ['NUL in the name', post([`Content\0-Length: ${n}`], body + SECOND)],
        ['none: the body is the next request', post([], body), [400, 408]],
        ['0: the body is the next request', post(['Content-Length: 0'], body), [400, 408]],
        ['0, then a whole request', post(['Content-Length: 0'], SECOND), [400, 200]],
        ['shorter than the body', post([`Content-Length: ${n - 5}`], body + SECOND), [400, 400]],
        ['longer than the body', post([`Content-Length: ${n + 5}`], body), STUCK],
        ['longer by the next request', post([`Content-Length: ${n + SECOND.length}`], body + SECOND), [400]],
        ['one byte short', post([`Content-Length: ${n - 1}`], body), [400, 408]],
    ]);

    const sizes = group('chunk size', [
        ...[`0x${hex(body)}`, `+${hex(body)}`, `-${hex(body)}`, ` ${hex(body)}`, `${hex(body)} `, `${hex(body)}\t`, `\t${hex(body)}`,
            `${hex(body)}\0`, `${hex(body)}\x0b`, `${hex(body)}_`, `${hex(body)}.0`, `${hex(body)},${hex(body)}`, `"${hex(body)}"`, '',
            `${hex(body)}h`, `${hex(body)}g`, `${'0'.repeat(16)}${hex(body)}`, 'ffffffffffffffff', '7fffffffffffffff', '8000000000000000',
            `1${'0'.repeat(16 - hex(body).length)}${hex(body)}`, `f${'0'.repeat(100)}${hex(body)}`, `-1`, '--', '0.', '0-', '0x0', '\xef\xbc\x95']
            .map((size) => [JSON.stringify(size), post(chunked, chunks(size) + SECOND)]),
        ['as wide as 32 bits and more', post(chunked, chunks(`1${hex(body).padStart(8, '0')}`))],
        ['capitals', post(chunked, chunks(hex(body).toUpperCase())), good],
        ['zeros before it', post(chunked, chunks(`000${hex(body)}`)), good],
        ['ended by a bare LF', post(chunked, chunks(undefined, { line: '\n' }) + SECOND)],
        ['ended by a bare CR', post(chunked, chunks(undefined, { line: '\r' }) + SECOND)],
        ['ended by CR CR LF', post(chunked, chunks(undefined, { line: '\r\r\n' }) + SECOND)],
        ['ended by LF CR', post(chunked, chunks(undefined, { line: '\n\r' }) + SECOND)],
        ['one more than there is', post(chunked, chunks(hex(body + ' ')) + SECOND)],
        ['one less than there is', post(chunked, chunks(hex(body.slice(1))) + SECOND)],
        ['two more: the line end is data', post(chunked, chunks(hex(body + '  ')) + SECOND)],
    ]);

    const extensions = group('chunk extension', [
        ['a name', post(chunked, chunks(`${hex(body)};a`)), good],
        ['a name and a value', post(chunked, chunks(`${hex(body)};a=b;c="d e"`)), good],
        ['on the last chunk', post(chunked, chunks(undefined, { last: '0;a\r\n\r\n' })), good],
        ['empty', post(chunked, chunks(`${hex(body)};`) + SECOND)],
        ['empty, then a bare LF', post(chunked, `${hex(body)};\n${body}\r\n0\r\n\r\n${SECOND}`)],
        ['a bare LF in it (TERM.EXT)', post(chunked, `2;\nxx\r\n${hex(SECOND)}\r\n0\r\n\r\n${SECOND}\r\n0\r\n\r\n`)],
        ['a bare LF behind a name (EXT.TERM)', post(chunked, `${hex(body)};a\n${body}\r\n0\r\n\r\n${SECOND}`)],
        ['a bare CR in it', post(chunked, `${hex(body)};a\rX\r\n${body}\r\n0\r\n\r\n${SECOND}`)],
        ['CRLF in quotes', post(chunked, `${hex(body)};a="\r\n${body}\r\n0\r\n\r\n${SECOND}"\r\n`)],
        ['NUL in quotes', post(chunked, chunks(`${hex(body)};a="\0"`) + SECOND)],
        ['quotes that do not end', post(chunked, chunks(`${hex(body)};a="b`) + SECOND)],
        ['a space', post(chunked, chunks(`${hex(body)}; a=b`) + SECOND)],
        ['a space before it', post(chunked, chunks(`${hex(body)} ;a=b`) + SECOND)],
        ['no name', post(chunked, chunks(`${hex(body)};=b`) + SECOND)],
        ['long', post(chunked, chunks(`${hex(body)};a=${'b'.repeat(300)}`) + SECOND)],
        ['long in all', post(chunked, [...body].map((c) => `1;${'a'.repeat(15)}\r\n${c}\r\n`).join('') + '0\r\n\r\n' + SECOND)],
    ]);

    const chunkEnds = group('chunk end', [
        ['one byte chunks', post(chunked, [...body].map((c) => `1\r\n${c}\r\n`).join('') + '0\r\n\r\n'), good],
        ['none', post(chunked, chunks(undefined, { after: '' }) + SECOND)],
        ['bare LF', post(chunked, chunks(undefined, { after: '\n' }) + SECOND)],
        ['bare CR', post(chunked, chunks(undefined, { after: '\r' }) + SECOND)],
        ['two other bytes', post(chunked, chunks(undefined, { after: 'XX' }) + SECOND)],
        ['LF CR', post(chunked, chunks(undefined, { after: '\n\r' }) + SECOND)],
        ['CR CR LF', post(chunked, chunks(undefined, { after: '\r\r\n' }) + SECOND)],
        ['twice', post(chunked, chunks(undefined, { after: '\r\n\r\n' }) + SECOND)],
        ['no last chunk, a request', post(chunked, `${hex(body)}\r\n${body}\r\n${SECOND}`)],
        ['no last chunk', post(chunked, `${hex(body)}\r\n${body}\r\n`), STUCK],
        ['no last line', post(chunked, chunks(undefined, { last: '0\r\n' })), STUCK],
        ['no last line, a request', post(chunked, chunks(undefined, { last: '0\r\n' }) + SECOND)],
        ['bare LFs', post(chunked, chunks(undefined, { last: '0\n\n' }) + SECOND)],
        ['bare CRs', post(chunked, chunks(undefined, { last: '0\r\r' }) + SECOND)],
        ['a last line of LF', post(chunked, chunks(undefined, { last: '0\r\n\n' }) + SECOND)],
        ['zeros', post(chunked, chunks(undefined, { last: '000\r\n\r\n' })), good],
        ['bytes before the last line end', post(chunked, chunks(undefined, { last: '0\r\nX\r\n\r\n' }) + SECOND)],
        ['a negative last chunk', post(chunked, chunks(undefined, { last: '-0\r\n\r\n' }) + SECOND)],
        ['followed by a request', post(chunked, chunks() + SECOND), [200, 200]],
        ['followed by an empty line and a request', post(chunked, `${chunks()}\r\n${SECOND}`), [200, 200]],
        ['followed by junk', post(chunked, `${chunks()}XX\r\n\r\n`), [200, 400]],
        ['only the last chunk', post(chunked, '0\r\n\r\n'), [400]],
    ]);

    const trailers = group('trailer', [
        ['harmless', post(chunked, chunks(undefined, { last: '0\r\nX-Sum: 1\r\n\r\n' })), good],
        ...['Content-Length: 5', 'Transfer-Encoding: chunked', 'Host: evil', 'Authorization: Bearer evil', 'Connection: close', 'X: y\nZ: a', 'X : y',
            ' X: y', 'X', ': y', 'X: \0', 'X: y\r\n Z: a', `X: ${'x'.repeat(9000)}`, 'content-length : 3', 'X: y\rZ: a']
            .map((field) => [JSON.stringify(field.slice(0, 40)), post(chunked, chunks(undefined, { last: `0\r\n${field}\r\n\r\n` }) + SECOND)]),
        ['announced', post([...chunked, 'Trailer: Content-Length'], chunks()), good],
    ]);

    const head = (fields) => `POST /v1/chat/completions HTTP/1.1\r\n${fields}Content-Length: ${n}\r\n\r\n${body}`;
    const lines = group('lines', [
        ['bare LFs', head('Host: x\r\n').replaceAll('\r\n', '\n') + SECOND],
        ['bare CRs', head('Host: x\r\n').replaceAll('\r\n', '\r') + SECOND],
        ['a head ended by LF LF', `${START}Content-Length: ${n}\n\n${body}${SECOND}`],
        ['a head ended by CRLF LF', `${START}Content-Length: ${n}\r\n\n${body}${SECOND}`],
        ['a head ended by LF CRLF', `${START}Content-Length: ${n}\n\r\n${body}${SECOND}`],
        ['a head ended by CR CR', `${START}Content-Length: ${n}\r\r${body}${SECOND}`],
        ['a folded field', head('Host: x\r\nX: a\r\n b\r\n') + SECOND],
        ['a folded start line', `POST /v1/chat/completions\r\n HTTP/1.1\r\nHost: x\r\nContent-Length: ${n}\r\n\r\n${body}`],
        ['a folded first field', `POST /v1/chat/completions HTTP/1.1\r\n X: y\r\nHost: x\r\nContent-Length: ${n}\r\n\r\n${body}`],
        ['a line of spaces', head('Host: x\r\n  \r\n') + SECOND],
        ['a line without a colon', head('Host: x\r\nX\r\n') + SECOND],
        ['an empty name', head('Host: x\r\n: y\r\n') + SECOND],
        ...['\0', '\x01', '\x08', '\x0b', '\x0c', '\x1b', '\x7f', '\x85', '\xa0', '\xff', '\xc3\xa9'].map((c) => [`${JSON.stringify(c)} in a value`, head(`Host: x\r\nX: a${c}b\r\n`)]),
        ...['\0', ' ', '\t', '(', ',', '/', '@', '[', '{', '"', '\x7f', '\xe9', '\\'].map((c) => [`${JSON.stringify(c)} in a name`, head(`Host: x\r\nX${c}Y: z\r\n`)]),
        ['every token byte in a name', head("Host: x\r\n!#$%&'*+-.^_`|~09azAZ: z\r\n"), good],
        ['a tab in a value', head('Host: x\r\nX: a\tb\r\n'), good],
        ['one empty line before', '\r\n' + head('Host: x\r\n'), good],
        ['two empty lines before', '\r\n\r\n' + head('Host: x\r\n'), good],
        ['three empty lines before', '\r\n\r\n\r\n' + head('Host: x\r\n')],
        ['a bare LF before', '\n' + head('Host: x\r\n')],
        ['a bare CR before', '\r' + head('Host: x\r\n')],
        ['a space before', ' ' + head('Host: x\r\n')],
        ['a byte order mark before', '\xef\xbb\xbf' + head('Host: x\r\n')],
        ['NUL before', '\0' + head('Host: x\r\n')],
        ['129 fields', head('Host: x\r\n' + 'X: y\r\n'.repeat(128))],
        ['a head without an end', head(`Host: x\r\nX: ${'x'.repeat(20000)}`)],
    ]);

    const start = (line) => `${line}\r\nHost: x\r\nContent-Length: ${n}\r\n\r\n${body}${SECOND}`;
    const starts = group('start line', [
        ['HTTP/0.9', 'GET /\r\n\r\n'], ['HTTP/0.9, a request behind it', `GET /\r\n${SECOND}`], ['HTTP/0.9 POST', `POST /v1/chat/completions\r\n\r\n${body}`],
        ...['post /v1/chat/completions HTTP/1.1', 'Post /v1/chat/completions HTTP/1.1', 'POST  /v1/chat/completions HTTP/1.1', 'POST\t/v1/chat/completions HTTP/1.1',
            'POST /v1/chat/completions  HTTP/1.1', 'POST /v1/chat/completions\tHTTP/1.1', 'POST /v1/chat/completions HTTP/1.1 ', 'POST /v1/chat/completions HTTP/1.1\t',
            'POST /v1/chat/completions HTTP/1.1 x', 'POST /v1/chat/completions HTTP/1.10', 'POST /v1/chat/completions HTTP/1.2', 'POST /v1/chat/completions HTTP/01.1',
            'POST /v1/chat/completions HTTP/2.0', 'POST /v1/chat/completions HTTP/2', 'POST /v1/chat/completions HTTP/0.9', 'POST /v1/chat/completions HTTP/1', 'POST /v1/chat/completions HTTP/1.',
            'POST /v1/chat/completions HTTP/1.1\0', 'POST /v1/chat/completions HTTP/1,1', 'POST /v1/chat/completions http/1.1', 'POST /v1/chat/completions HTTP /1.1', 'POST /v1/chat/completions ICY/1.1',
            'POST /v1/chat/completions HTTP/-1.1', 'POST /v1/chat/completions HTTP/1.1\x0b', 'PO\0ST /v1/chat/completions HTTP/1.1', 'POST/v1/chat/completions HTTP/1.1', 'POST', 'POST ', ' ',
            'POST /v1/chat/completions', 'POST /v1/chat /completions HTTP/1.1', 'CONNECT x:443 HTTP/1.1', 'TRACE / HTTP/1.1', 'PRI * HTTP/2.0', 'BREW /v1/chat/completions HTTP/1.1',
            'POST http://x/v1/chat/completions HTTP/1.1', 'POST https://evil:1/v1/chat/completions HTTP/1.1', 'POST x:80 HTTP/1.1', 'POST * HTTP/1.1', 'POST //evil/v1/chat/completions HTTP/1.1',
            'POST @evil/v1/chat/completions HTTP/1.1', 'POST /v1/chat/completions#x HTTP/1.1', 'POST /v1/../v1/chat/completions HTTP/1.1', 'POST /v1/chat/completions/ HTTP/1.1',
            'POST \\v1\\chat\\completions HTTP/1.1', 'POST /v1/chat/completions%00 HTTP/1.1', 'POST /v1/chat%2fcompletions HTTP/1.1', 'POST /v1/chat/completions\0 HTTP/1.1', 'POST /v1/chat/completions\xe9 HTTP/1.1',
            'POST /v1/chat/completions\x7f HTTP/1.1', 'POST /v1/chat/completions%20HTTP/1.1%0d%0aX:%20y HTTP/1.1', 'POST /v1/chat/completions;x HTTP/1.1', 'POST /V1/CHAT/COMPLETIONS HTTP/1.1',
            'POST /v1/chat/completions?a=b c HTTP/1.1', `POST /v1/chat/completions?${'a'.repeat(9000)} HTTP/1.1`, 'POST ?/v1/chat/completions HTTP/1.1', 'POST v1/chat/completions HTTP/1.1']
            .map((line) => [JSON.stringify(line.slice(0, 60)), start(line)]),
        ['a query', start('POST /v1/chat/completions?a=b&c=%0d%0a HTTP/1.1').replace(SECOND, ''), good],
        ['the preface of HTTP/2', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0'],
    ]);

    const hosts = group('host', [
        ['none', head('')], ['two', head('Host: x\r\nHost: y\r\n')], ['two the same', head('Host: x\r\nHost: x\r\n')], ['one with a space before the colon', head('Host : x\r\n')],
        ...['', 'a b', 'a,b', 'x@y', 'x/y', 'x\\y', 'x?y', 'x#y', '[::1', '::1', '[::1]x', 'x:', 'x:x', 'x:99999', 'x:80:80', 'x:-1', ':80', 'http://x', 'x\0', 'x%00', 'x\ty', `${'x'.repeat(300)}`, '\xe9']
            .filter((host) => host !== 'x:').map((host) => [JSON.stringify(host.slice(0, 40)), head(`Host: ${host}\r\n`) + SECOND]),
        ['an address', head('Host: [::1]:80\r\n'), good],
        ['folded', head('Host: x\r\n y\r\n')],
    ]);

    const others = group('other', [
        ['pipelined', head('Host: x\r\n') + SECOND, [200, 200]],
        ['pipelined, then junk', `${head('Host: x\r\n')}\0\0\0`, [200, 400]],
        ['close, then a request', head('Host: x\r\nConnection: close\r\n') + SECOND, [200]],
        ['close and keep-alive, then a request', head('Host: x\r\nConnection: keep-alive, close\r\n') + SECOND, [200]],
        ['two Connection fields, then a request', head('Host: x\r\nConnection: keep-alive\r\nConnection: close\r\n') + SECOND, [200]],
        ['fields named hop-by-hop', head('Host: x\r\nConnection: host, content-length, authorization\r\n'), good],
        ['HTTP/1.0, then a request', head('Host: x\r\n').replace('HTTP/1.1', 'HTTP/1.0') + SECOND, [200]],
        ['a body behind GET /livez', `GET /livez HTTP/1.1\r\nHost: x\r\nContent-Length: ${SECOND.length}\r\n\r\n${SECOND}`],
        ['chunks behind GET /v1/models', `GET /v1/models HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n${chunks()}${SECOND}`],
        ['a body behind POST /livez (CL.0)', `POST /livez HTTP/1.1\r\nHost: x\r\nContent-Length: ${SECOND.length}\r\n\r\n${SECOND}`],
        ['a body behind POST /', `POST / HTTP/1.1\r\nHost: x\r\nContent-Length: ${SECOND.length}\r\n\r\n${SECOND}`],
        ['a body behind an unknown path', `POST /nothing HTTP/1.1\r\nHost: x\r\nContent-Length: ${SECOND.length}\r\n\r\n${SECOND}`],
        ['a body behind OPTIONS', `OPTIONS /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Length: ${SECOND.length}\r\n\r\n${SECOND}`],
        ['a body behind DELETE', `DELETE /v1/chat/completions HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n${chunks()}${SECOND}`],
        ['a method named in a field', head('Host: x\r\nX-HTTP-Method-Override: GET\r\n'), good],
        ['h2c', head('Host: x\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\n'), good],
        ['websocket', head('Host: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n') + SECOND, [200, 200]],
        ['websocket by GET', `GET /v1/chat/completions HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n${SECOND}`, [405, 200]],
        ['Expect with its body', head('Host: x\r\nExpect: 100-continue\r\n'), good],
        ['Expect in odd case', head('Host: x\r\nExpect: 100-CONTINUE\r\n'), good],
        ...['200-ok', '100-continue, 100-continue', 'x 100-continue', '100', '', 'y', '100-continue;q=1', '\r\n 100-continue'].map((value) => [`Expect ${JSON.stringify(value)}`, head(`Host: x\r\nExpect: ${value}\r\n`) + SECOND]),
        ['two Expects, one unknown', head('Host: x\r\nExpect: 100-continue\r\nExpect: y\r\n') + SECOND],
        ['Expect behind an unknown path', `POST /nothing HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: ${SECOND.length}\r\n\r\n${SECOND}`],
        ['Expect and no body (0.CL)', post(['Expect: 100-continue', 'Content-Length: 0'], SECOND), [400, 200]],
        ['Expect in HTTP/1.0', head('Host: x\r\nExpect: y\r\n').replace('HTTP/1.1', 'HTTP/1.0'), good],
        ['an id that carries a request', head(`Host: x\r\nX-Request-Id: a%0d%0a%0d%0aGET / HTTP/1.1\r\n`), good],
        ['ids that differ', head('Host: x\r\nX-Request-Id: a\r\nX-Request-Id: b\r\n'), good],
        ['a time-out out of range', head('Host: x\r\nX-Fairlead-Timeout-Ms: 99999999999999999999\r\n'), good],
        ['a request in the prompt', whole(json(`${text}\r\n\r\n${SECOND}`)), good],
        ['empty lines between the tokens of the body', whole(body.replace('{', '{\r\n\r\n').replace(/\}$/, '\r\n\r\n}')), good],
        ['a request behind the JSON, inside the length', whole(body + SECOND), [400]],
        ['keys that look like fields', whole(body.replace('{', '{"Content-Length: 5\\r\\n":1,')), good],
        ['no bytes of a body', post([`Content-Length: ${n}`], ''), STUCK],
    ]);

    return [...bothFramings, ...codings, ...lengths, ...sizes, ...extensions, ...chunkEnds, ...trailers, ...lines, ...starts, ...hosts, ...others];
}
