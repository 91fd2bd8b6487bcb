#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""libfairlead from Python, with nothing but the standard library: embed.py [path of libfairlead.so.0]"""
import ctypes
import json
import sys
from ctypes import byref, c_char_p, c_double, c_int, c_size_t, c_uint, c_uint64, c_void_p

lib = ctypes.CDLL(sys.argv[1] if len(sys.argv) > 1 else "libfairlead.so.0")


def function(name, *arguments, result=c_int):
    found = lib[name]
    found.argtypes, found.restype = arguments, result
    return found


def checked(name, *arguments):
    call = function(name, *arguments)
    explain = function("fairlead_status_text", c_int, result=c_char_p)

    def run(*values):
        status = call(*values)
        if status != 0:
            raise RuntimeError(f"{name}: {explain(status).decode()}")
    return run


count = function("fairlead_decision_count", c_void_p, result=c_uint)
target_at = function("fairlead_decision_target", c_void_p, c_uint, result=c_char_p)
reason = function("fairlead_decision_reason", c_void_p, result=c_char_p)
record = function("fairlead_decision_json", c_void_p, result=c_char_p)

setup, engine, request, decision = c_void_p(), c_void_p(), c_void_p(), c_void_p()
TARGETS = (b"openai/gpt-4o-mini", b"groq/llama-3.3-70b-versatile", b"local/llama-3.1-8b")
checked("fairlead_setup_create", c_void_p)(byref(setup))
checked("fairlead_setup_route", c_void_p, c_char_p, c_char_p)(setup, b"chat", b"cost")
for target in TARGETS:
    checked("fairlead_setup_target", c_void_p, c_char_p)(setup, target)
    checked("fairlead_setup_route_target", c_void_p, c_char_p, c_char_p, c_int)(setup, b"chat", target, 0)
number = checked("fairlead_setup_target_number", c_void_p, c_char_p, c_char_p, c_double)
number(setup, TARGETS[2], b"input_usd", 0.01)
number(setup, TARGETS[2], b"output_usd", 0.02)
checked("fairlead_setup_number", c_void_p, c_char_p, c_double)(setup, b"failures_to_eject", 2)
checked("fairlead_create", c_uint64, c_void_p)(42, byref(engine))
checked("fairlead_apply", c_void_p, c_void_p, c_char_p, c_size_t)(engine, setup, None, 0)
checked("fairlead_request_create", c_void_p)(byref(request))

for turn, prompt in enumerate((b"Translate 'good morning' into French.", b"Summarize this.", b"Write a poem."), 1):
    now = turn * 10**9
    function("fairlead_request_reset", c_void_p, result=None)(request)
    checked("fairlead_request_message", c_void_p, c_char_p, c_char_p, c_size_t)(request, b"user", prompt, len(prompt))
    checked("fairlead_decide", c_void_p, c_char_p, c_void_p, c_uint64, c_void_p)(
        engine, b"chat", request, now, byref(decision))
    print(f"{prompt.decode()}\n  {reason(decision).decode()}")
    for index in range(count(decision)):
        target = target_at(decision, index)
        outcome = b"provider_connection_failed" if target.startswith(b"local/") else b"ok"  # down today
        checked("fairlead_begin", c_void_p, c_uint, c_uint64)(decision, index, now)
        checked("fairlead_end", c_void_p, c_char_p, c_uint64, c_uint64, c_uint64, c_uint64)(
            decision, outcome, 20, 80, 0, now + 250000000)
        print(f"  {target.decode()}: {outcome.decode()}")
        if outcome == b"ok":
            break
    winner = json.loads(record(decision))["winner"]
    function("fairlead_decision_destroy", c_void_p, result=None)(decision)
print(f"the last one went to {winner}")
for name, handle in (("request", request), ("setup", setup)):
    function(f"fairlead_{name}_destroy", c_void_p, result=None)(handle)
function("fairlead_destroy", c_void_p, result=None)(engine)
