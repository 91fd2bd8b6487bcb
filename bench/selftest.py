# SPDX-License-Identifier: Apache-2.0
"""Does the load generator notice what a gateway could do wrong?

A small server answers with bytes made up here: right ones that look unusual, and wrong ones, each of
which must be counted as broken. Then a run against the mock must be clean, and its counts add up.
usage: selftest.py BENCH_LOAD BENCH_MOCK
"""
import json
import socket
import subprocess
import sys
import threading
import urllib.request

EVENTS = 5
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
FINISH = b'data: {"choices":[{"delta":{},"finish_reason":"stop"}]}\n\n'
DONE = b"data: [DONE]\n\n"
COMPLETION = b'{"object":"chat.completion","system_fingerprint":"fp_bench"}'


def event(number):
    return b'data: {"choices":[{"delta":{"content":"e%07d %020d "}}]}\n\n' % (number, 1)


def chunk(text):
    return b"%x\r\n%s\r\n" % (len(text), text)


def stream(parts, end=chunk(b"")):
    return HEAD + b"".join(chunk(part) for part in parts) + end


def reply(body, status=b"200 OK", length=None):
    size = len(body) if length is None else length
    return (b"HTTP/1.1 %s\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%s" %
            (status, size, body))


ALL = [event(i) for i in range(EVENTS)]
# name: (bytes of the reply, whether it is right)
STREAMS = {
    "plain": (stream(ALL + [FINISH, DONE]), True),
    "byte by byte": (stream([bytes([b]) for b in b"".join(ALL + [FINISH, DONE])]), True),
    "heartbeats, CRLF": (stream([b": wait\n\n"] + [e.replace(b"\n", b"\r\n") for e in ALL] +
                                [b": wait\r\n\r\n", FINISH, DONE]), True),
    "one lost": (stream(ALL[:2] + ALL[3:] + [FINISH, DONE]), False),
    "last one lost": (stream(ALL[:-1] + [FINISH, DONE]), False),
    "one twice": (stream(ALL[:2] + ALL[1:] + [FINISH, DONE]), False),
    "two swapped": (stream([ALL[1], ALL[0]] + ALL[2:] + [FINISH, DONE]), False),
    "one too many": (stream(ALL + [event(EVENTS), FINISH, DONE]), False),
    "no finish": (stream(ALL + [DONE]), False),
    "no [DONE]": (stream(ALL + [FINISH]), False),
    "event after [DONE]": (stream(ALL[:-1] + [FINISH, DONE, ALL[-1]]), False),
    "no last chunk": (stream(ALL + [FINISH, DONE], end=b""), False),
    "bad chunk size": (stream(ALL + [FINISH, DONE], end=b"xyz\r\n"), False),
    "bytes behind the end": (stream(ALL + [FINISH, DONE], end=chunk(b"") + b"HTTP"), False),
    "error status": (stream(ALL + [FINISH, DONE]).replace(b"200 OK", b"502 Bad"), False),
    "nothing": (b"", False),
}
REQUESTS = {
    "plain": (reply(COMPLETION), True),
    "chunked": (b"HTTP/1.1 200 OK\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n" +
                chunk(COMPLETION) + chunk(b""), True),
    "until the end": (b"HTTP/1.1 200 OK\r\n\r\n" + COMPLETION, True),
    "cut": (reply(COMPLETION, length=len(COMPLETION) + 1), False),
    "other end": (reply(COMPLETION[:-4] + b'xy"}'), False),
    "error status": (reply(COMPLETION, status=b"500 Oh"), False),
}


def read_request(sock):
    """False at the end of the connection."""
    text = b""
    while b"\r\n\r\n" not in text:
        piece = sock.recv(65536)
        if not piece:
            return False
        text += piece
    head, _, body = text.partition(b"\r\n\r\n")
    length = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])
    json_text = body
    while len(json_text) < length:
        json_text += sock.recv(65536)
    json.loads(json_text)  # what the generator sends is valid
    return True


def serve_once(sock, answer):
    with sock:
        if read_request(sock):
            sock.sendall(answer)
            sock.shutdown(socket.SHUT_WR)
            sock.recv(1)


def serve(listener, answer):
    while True:
        try:
            sock, _ = listener.accept()
        except OSError:
            return
        threading.Thread(target=serve_once, args=(sock, answer), daemon=True).start()


def run_load(load, mode, port, *options):
    done = subprocess.run([load, mode, "--port", str(port), "--limit-s", "20", *map(str, options)],
                          capture_output=True, stdin=subprocess.DEVNULL, timeout=40, check=False)
    return done.returncode, json.loads(done.stdout.splitlines()[-1])


def try_answer(load, mode, answer, *options):
    with socket.create_server(("127.0.0.1", 0), backlog=64) as listener:
        thread = threading.Thread(target=serve, args=(listener, answer), daemon=True)
        thread.start()
        result = run_load(load, mode, listener.getsockname()[1], *options)
        listener.shutdown(socket.SHUT_RDWR)
    thread.join(5)
    return result


def check_streams(load):
    for name, (answer, right) in STREAMS.items():
        status, result = try_answer(load, "streams", answer, "--connections", 3, "--events", EVENTS)
        expected = (0, 3, 0) if right else (3, 0, 3)
        yield f"streams: {name}", expected, (status, result["whole"], result["broken"])


def check_requests(load):
    for name, (answer, right) in REQUESTS.items():
        _, result = try_answer(load, "closed", answer, "--connections", 1, "--warm-ms", 0,
                               "--requests", 3, "--body", 2000)
        yield f"closed: {name}", right, result["errors"] == 0 and result["requests"] == 3


def check_mock(load, mock):
    process = subprocess.Popen([mock, "--limit-s", "60", "--events", "20", "--interval-ms", "5"],
                               stdout=subprocess.PIPE)
    try:
        port = json.loads(process.stdout.readline())["port"]
        status, result = run_load(load, "streams", port, "--connections", 50, "--events", 20)
        yield "mock: streams whole", (0, 50, 1000), (status, result["whole"], result["events"])
        status, result = run_load(load, "closed", port, "--connections", 8, "--requests", 500,
                                  "--warm-ms", 0, "--body", 131072)
        yield "mock: requests", (0, 500), (status, result["requests"])
        status, result = run_load(load, "open", port, "--rate", 200, "--warm-ms", 0, "--measure-ms",
                                  1000)
        yield "mock: open loop", (0, True), (status, 190 <= result["requests"] <= 200)
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/stats", timeout=5) as answer:
            stats = json.load(answer)
        yield "mock: its own count", (50, 50, 0, 0, 1000), tuple(
            stats[key] for key in ("streams", "streams_whole", "streams_cut", "streams_active",
                                   "events"))
    finally:
        process.terminate()
        process.wait(5)
        process.stdout.close()


def main(load, mock):
    failed = 0
    for checks in (check_streams(load), check_requests(load), check_mock(load, mock)):
        for name, expected, got in checks:
            good = expected == got
            failed += not good
            print(f"{'ok' if good else 'FAILED'}  {name}" +
                  ("" if good else f": expected {expected}, got {got}"))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
