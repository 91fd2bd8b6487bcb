#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Makes catalog/catalog.txt, the built-in catalogue, from the facts of two price files.

usage: tools/make_catalog.py DATA_DIR > catalog/catalog.txt

genai_prices_*.json gives prices, dated prices, names and context windows; models_dev_*.csv gives
abilities, output limits, release dates, and models that the first file does not have. Where both
have a price, that of the newer file counts. What neither says (who is whose vendor, retirements and
successors, service factors) stands in the tables below, by hand, with its source.
"""
import csv
import datetime
import glob
import json
import re
import sys
from collections import Counter, defaultdict
from decimal import ROUND_HALF_UP, Decimal

# name: (genai id, models.dev id, base URL, dialect, {further members})
# base "": differs by customer. Services: the vendors' pricing pages; a factor on token prices.
PROVIDERS = {
    "openai": ("openai", "openai", "https://api.openai.com/v1", "openai",
               {"batch": "0.5", "flex": "0.5", "priority": "2"}),
    "anthropic": ("anthropic", "anthropic", "https://api.anthropic.com/v1", "anthropic", {"batch": "0.5"}),
    "gemini": ("google", "google", "https://generativelanguage.googleapis.com/v1beta", "gemini",
               {"vendor": "google", "names": "google,google-gla", "shares": "anthropic", "batch": "0.5"}),
    "vertex": (None, "google-vertex", "", "gemini",
               {"vendor": "google", "names": "google-vertex,google-vertex-anthropic,vertex_ai", "shares": "gemini,anthropic",
                "batch": "0.5"}),
    "azure": ("azure", "azure", "", "azure",
              {"vendor": "microsoft", "names": "azure-openai,azure_ai", "batch": "0.5",
               "shares": "openai,anthropic,deepseek,xai,moonshotai"}),
    "bedrock": ("aws", "amazon-bedrock", "", "bedrock",
                {"vendor": "amazon", "names": "aws,amazon-bedrock", "batch": "0.5"}),
    "mistral": ("mistral", "mistral", "https://api.mistral.ai/v1", "openai", {"batch": "0.5"}),
    "groq": ("groq", "groq", "https://api.groq.com/openai/v1", "openai", {"batch": "0.5", "flex": "1"}),
    "together": ("together", "togetherai", "https://api.together.xyz/v1", "openai",
                 {"names": "togetherai,together_ai", "batch": "0.5"}),
    "fireworks": ("fireworks", "fireworks-ai", "https://api.fireworks.ai/inference/v1", "openai",
                  {"names": "fireworks-ai,fireworks_ai", "batch": "0.5"}),
    "deepseek": ("deepseek", "deepseek", "https://api.deepseek.com", "openai", {}),
    "xai": ("x-ai", "xai", "https://api.x.ai/v1", "openai", {"names": "x-ai"}),
    "cerebras": ("cerebras", "cerebras", "https://api.cerebras.ai/v1", "openai", {}),
    "cohere": ("cohere", "cohere", "https://api.cohere.com/v2", "cohere", {}),
    "perplexity": ("perplexity", "perplexity", "https://api.perplexity.ai", "openai", {}),
    "openrouter": ("openrouter", "openrouter", "https://openrouter.ai/api/v1", "openai", {}),
    "moonshotai": ("moonshotai", "moonshotai", "https://api.moonshot.ai/v1", "openai", {"names": "moonshot"}),
    "moonshotai-cn": (None, "moonshotai-cn", "https://api.moonshot.cn/v1", "openai",
                      {"vendor": "moonshotai", "shares": "moonshotai"}),
    "zai": ("zai", "zai", "https://api.z.ai/api/paas/v4", "openai", {"vendor": "zhipuai", "names": "z-ai"}),
    "zhipuai": ("zhipuai", "zhipuai", "https://open.bigmodel.cn/api/paas/v4", "openai", {"names": "bigmodel"}),
    "minimax": ("minimax", "minimax", "https://api.minimax.io/v1", "openai", {}),
    "minimax-cn": (None, "minimax-cn", "https://api.minimaxi.com/v1", "openai",
                   {"vendor": "minimax", "shares": "minimax"}),
    "alibaba": (None, "alibaba", "https://dashscope-intl.aliyuncs.com/compatible-mode/v1", "openai",
                {"names": "dashscope,qwen"}),
    "alibaba-cn": (None, "alibaba-cn", "https://dashscope.aliyuncs.com/compatible-mode/v1", "openai",
                   {"vendor": "alibaba"}),
    "nvidia": (None, "nvidia", "https://integrate.api.nvidia.com/v1", "openai", {}),
    "deepinfra": (None, "deepinfra", "https://api.deepinfra.com/v1/openai", "openai", {}),
    "nebius": (None, "nebius", "https://api.tokenfactory.nebius.com/v1", "openai", {}),
    "novita": ("novita", "novita-ai", "https://api.novita.ai/openai", "openai", {"names": "novita-ai"}),
    "siliconflow": (None, "siliconflow", "https://api.siliconflow.com/v1", "openai", {}),
    "siliconflow-cn": (None, "siliconflow-cn", "https://api.siliconflow.cn/v1", "openai",
                       {"vendor": "siliconflow"}),
    "scaleway": (None, "scaleway", "https://api.scaleway.ai/v1", "openai", {}),
    "ovhcloud": ("ovhcloud", "ovhcloud", "https://oai.endpoints.kepler.ai.cloud.ovh.net/v1", "openai", {}),
    "cloudflare": ("cloudflare", "cloudflare-workers-ai", "", "openai", {"names": "cloudflare-workers-ai"}),
    "digitalocean": (None, "digitalocean", "https://inference.do-ai.run/v1", "openai", {}),
    "databricks": (None, "databricks", "", "openai", {}),
    "github-models": (None, "github-models", "https://models.github.ai/inference", "openai",
                      {"vendor": "microsoft"}),
    "github-copilot": ("github-copilot", "github-copilot", "https://api.githubcopilot.com", "openai",
                       {"vendor": "microsoft"}),
    "huggingface": (None, "huggingface", "https://router.huggingface.co/v1", "openai", {}),
    "baseten": ("baseten", "baseten", "https://inference.baseten.co/v1", "openai", {}),
    "avian": ("avian", None, "https://api.avian.io/v1", "openai", {}),
    "arcee": ("arcee", None, "https://api.arcee.ai/api/v1", "openai", {}),
    "doubleword": ("doubleword", None, "https://api.doubleword.ai/v1", "openai", {}),
    "quicksilverpro": ("quicksilverpro", None, "https://api.quicksilverpro.io/v1", "openai", {}),
    "typesafe": ("typesafe", None, "https://api.typesafe.ai/v1", "openai", {}),
    "voyageai": ("voyageai", None, "https://api.voyageai.com/v1", "openai", {"names": "voyage"}),
    "modal": ("modal", None, "", "openai", {}),
    "cursor": ("cursor", None, "https://api.cursor.com", "openai", {}),
    "chutes": (None, "chutes", "https://llm.chutes.ai/v1", "openai", {}),
    "friendli": (None, "friendli", "https://api.friendli.ai/serverless/v1", "openai", {}),
    "gmicloud": (None, "gmicloud", "https://api.gmi-serving.com/v1", "openai", {}),
    "inference-net": (None, "inference", "https://inference.net/v1", "openai", {"names": "inference"}),
    "io-net": (None, "io-net", "https://api.intelligence.io.solutions/api/v1", "openai", {}),
    "wandb": (None, "wandb", "https://api.inference.wandb.ai/v1", "openai", {}),
    "clarifai": (None, "clarifai", "https://api.clarifai.com/v2/ext/openai/v1", "openai", {}),
    "llama": (None, "llama", "https://api.llama.com/compat/v1", "openai", {"vendor": "meta"}),
    "inception": (None, "inception", "https://api.inceptionlabs.ai/v1", "openai", {}),
    "morph": (None, "morph", "https://api.morphllm.com/v1", "openai", {}),
    "nova": (None, "nova", "https://api.nova.amazon.com/v1", "openai", {"vendor": "amazon"}),
    "poolside": (None, "poolside", "https://inference.poolside.ai/v1", "openai", {}),
    "stackit": (None, "stackit", "https://api.openai-compat.model-serving.eu01.onstackit.cloud/v1", "openai", {}),
    "stepfun": (None, "stepfun", "https://api.stepfun.com/v1", "openai", {}),
    "upstage": (None, "upstage", "https://api.upstage.ai/v1/solar", "openai", {}),
    "vultr": (None, "vultr", "https://api.vultrinference.com/v1", "openai", {}),
    "xiaomi": (None, "xiaomi", "https://api.xiaomimimo.com/v1", "openai", {}),
    "evroc": (None, "evroc", "https://models.think.evroc.com/v1", "openai", {}),
    "berget": (None, "berget", "https://api.berget.ai/v1", "openai", {}),
}
for _part in ("cerebras", "fireworks-ai", "groq", "hyperbolic", "nebius", "novita", "nscale", "ovhcloud",
              "publicai", "sambanova", "together"):
    PROVIDERS["huggingface_" + _part] = ("huggingface_" + _part, None,
                                         "https://router.huggingface.co/%s/v1" % _part, "openai",
                                         {"vendor": "huggingface"})

# Retirements, from the vendors' deprecation pages: provider: {id: (day or "", successor's id or "")}
RETIRED = {
    "openai": {
        "ada": ("2024-01-04", "gpt-5.4-nano"), "babbage": ("2024-01-04", "gpt-5.4-nano"),
        "curie": ("2024-01-04", "gpt-5.4-nano"), "davinci": ("2024-01-04", "gpt-5.4-mini"),
        "gpt-3.5-0301": ("2024-09-13", "gpt-5.4-nano"), "gpt-3.5-turbo-0613": ("2024-09-13", "gpt-5.4-nano"),
        "gpt-3.5-turbo-16k": ("2024-09-13", "gpt-5.4-nano"), "gpt-4-32k": ("2025-06-06", "gpt-5.5"),
        "gpt-4-vision-preview": ("2024-12-06", "gpt-5.5"), "gpt-4.5-preview": ("2025-07-14", "gpt-5.5"),
        "o1-preview": ("2025-07-28", "gpt-5.5"), "o1-mini": ("2025-10-27", "gpt-5.4-mini"),
    },
    "anthropic": {
        "claude-v1": ("2024-11-06", "claude-haiku-4-5"), "claude-2": ("2025-07-21", "claude-sonnet-5"),
        "claude-3-sonnet": ("2025-07-21", "claude-sonnet-5"),
        "claude-3-5-sonnet": ("2025-10-28", "claude-sonnet-5"),
        "claude-3-opus-latest": ("2026-01-05", "claude-opus-5-5"),
        "claude-3-7-sonnet-latest": ("2026-02-19", "claude-sonnet-5"),
        "claude-3-5-haiku-latest": ("2026-02-19", "claude-haiku-4-5"),
    },
    "gemini": {
        "gemini-1.0-pro-vision-001": ("2025-02-15", "gemini-3.8-flash"),
        "gemini-pro": ("2025-02-15", "gemini-3.8-flash"),
        "gemini-1.5-flash": ("2025-09-24", "gemini-3.8-flash"), "gemini-1.5-pro": ("2025-09-24", "gemini-3.1-pro-preview"),
        "gemini-flash-1.5": ("2025-09-24", "gemini-3.8-flash"), "gemini-flash-1.5-8b": ("2025-09-24", "gemini-3.5-flash-lite"),
        "gemini-pro-1.5": ("2025-09-24", "gemini-3.1-pro-preview"),
    },
    "mistral": {
        "mistral-7b": ("2025-03-30", "ministral-8b-latest"), "mixtral-8x7b": ("2025-03-30", "mistral-small-latest"),
        "mixtral-8x22b-instruct": ("2025-03-30", "mistral-medium-latest"),
        "mistral-tiny": ("2025-03-30", "ministral-8b-latest"),
        "mistral-medium-2312": ("2025-06-16", "mistral-medium-latest"),
    },
    "cohere": {"command": ("2025-09-15", "command-a"), "command-light": ("2025-09-15", "command-r7b")},
    "groq": {
        "mixtral-8x7b-32768": ("2025-03-20", "llama-3.3-70b-versatile"),
        "gemma-7b-it": ("2024-12-18", "llama-3.1-8b-instant"), "gemma2-9b-it": ("2025-10-08", "llama-3.1-8b-instant"),
        "llama3-70b-8192": ("2025-08-30", "llama-3.3-70b-versatile"),
        "llama3-8b-8192": ("2025-08-30", "llama-3.1-8b-instant"),
        "llama2-70b-4096": ("2024-07-01", "llama-3.3-70b-versatile"),
        "llama-3.1-70b-versatile": ("2025-01-24", "llama-3.3-70b-versatile"),
        "deepseek-r1-distill-llama-70b": ("2025-10-02", "openai/gpt-oss-120b"),
        "mistral-saba-24b": ("2025-07-30", "qwen/qwen3-32b"),
    },
    "together": {
        "meta-llama/Llama-2-7b-chat-hf": ("", ""), "meta-llama/Llama-2-13b-chat-hf": ("", ""),
        "meta-llama/Llama-2-70b-chat-hf": ("", ""), "mistralai/Mistral-7B-Instruct-v0.1": ("", ""),
        "mistralai/Mistral-7B-v0.1": ("", ""),
    },
    "cloudflare": {
        "@cf/meta/llama-2-7b-chat-fp16": ("", "@cf/meta/llama-3.1-8b-instruct-fp8"),
        "@cf/mistral/mistral-7b-instruct-v0.1": ("", "@cf/mistralai/mistral-small-3.1-24b-instruct"),
    },
    "azure": {"ada": ("", ""), "babbage": ("", ""), "curie": ("", ""), "davinci": ("", ""),
              "o1-preview": ("2025-07-28", ""), "o1-mini": ("2025-10-27", "")},
}

# Names that people use and the files lack: provider: {id: names}
NAMES = {
    "anthropic": {"claude-3-opus-latest": ["claude-3-opus"], "claude-3-5-haiku-latest": ["claude-3-5-haiku"],
                  "claude-3-7-sonnet-latest": ["claude-3-7-sonnet"]},
    "together": {"meta-llama/Llama-2-7b-chat-hf": ["llama-2-7b", "llama-2-7b-chat"],
                 "mistralai/Mistral-7B-Instruct-v0.2": ["mistral-7b"]},
    "cloudflare": {"@cf/meta/llama-2-7b-chat-fp16": ["llama-2-7b"],
                   "@cf/mistral/mistral-7b-instruct-v0.1": ["mistral-7b"]},
}

# Release days that the files have wrong (a later snapshot's): {bare name: day}
RELEASED = {"gpt-4": "2023-03-14", "gpt-3.5-turbo-instruct": "2023-09-18"}

# Priority factors that differ from the provider's, from its pricing page: {id: factor}
PRIORITY = {"openai": {"gpt-4o": "1.7", "gpt-4o-mini": "1.667", "gpt-4.1": "1.75", "gpt-4.1-mini": "1.75",
                       "o3": "1.75", "o4-mini": "1.818", "gpt-5-mini": "1.8"}}

# Tiers set by hand where the rule (route/catalog/catalog.h) misjudges: bare name: tier
TIERS = {
    "llama-2-7b": "low", "mistral-7b": "low",
    "claude-3-haiku": "low",
    "gpt-4-32k": "medium",
}

CLASSES = [  # our names in order, theirs, decimals of the file's unit
    ("in", ["input_mtok"], 6), ("cached", ["cache_read_mtok"], 6), ("write", ["cache_write_mtok"], 6),
    ("write_1h", ["cache_write_1h_mtok"], 6), ("in_audio", ["input_audio_mtok"], 6),
    ("in_image", ["input_image_mtok"], 6), ("in_video", ["input_video_mtok"], 6),
    ("cached_audio", ["cache_audio_read_mtok"], 6), ("cached_image", ["cache_image_read_mtok"], 6),
    ("cached_video", ["cache_video_read_mtok"], 6), ("out", ["output_mtok"], 6),
    ("reasoning", ["output_reasoning_mtok"], 6), ("out_audio", ["output_audio_mtok"], 6),
    ("out_image", ["output_image_mtok"], 6), ("out_video", ["output_video_mtok"], 6),
    ("citation", ["output_citation_mtok"], 6), ("request", ["requests_kcount"], 9),
    ("search", ["web_searches_kcount"], 9), ("file_search", ["storage_searches_kcount"], 9),
    ("page", ["input_document_kpages"], 9), ("annotated_page", ["input_annotated_document_kpages"], 9),
    ("audio_hour", ["audio_hours", "input_audio_hours"], 12),
    ("text_message", ["input_text_messages_kcount"], 9),
]


def number(value, decimals):
    """A price as the catalogue writes it: rounded to what the integer keeps, without needless zeros."""
    d = Decimal(str(value)).quantize(Decimal(1).scaleb(-decimals), ROUND_HALF_UP)
    text = format(d, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def bare(name):
    """As fl_model_bare_name()."""
    s = name.rstrip("/").rsplit("/", 1)[-1].lower()
    s = re.sub(r"^(?:[a-z]+\.)+(?=.)", "", s)
    cut = re.search("[:@]", s)
    tagged = bool(cut and re.match(r":\d", s[cut.start():]))
    s = (s[:cut.start()] if cut else s).replace(".", "-").replace("_", "-")
    while True:
        t = re.sub(r"(?<=.)(-latest|-\d{8}|-\d{4}-\d\d-\d\d)$", "", s)
        if tagged:
            t = re.sub(r"(?<=.)-v\d$", "", t)
        if t == s:
            return s
        s = t


# --- genai-prices ---

def from_regex(regex):
    if regex == "^(?!.*-[tT][tT][sS](?:$|-))":
        return ["!*-tts", "!*-tts-*"]
    m = re.fullmatch(r"\^((?:[A-Za-z0-9/_=-]|\\[.\[\]/+-]|\\d(?:\{\d\})?)+)(\$?)", regex)
    if not m:
        return []
    text = re.sub(r"\\d(?:\{(\d)\})?", lambda d: "#" * int(d.group(1) or 1), m.group(1))
    return [text.replace("\\", "") + ("" if m.group(2) else "*")]


def names_of(match):
    (kind, value), = match.items()
    if kind == "or":
        return [n for part in value for n in names_of(part)]
    if kind == "and":
        parts = [names_of(part) for part in value]
        return [n for p in parts for n in p] if sum(not p or p[0][0] != "!" for p in parts) == 1 else []
    if kind == "regex":
        return from_regex(value)
    return [{"equals": "%s", "starts_with": "%s*", "ends_with": "*%s", "contains": "*%s*"}[kind] % value]


def prices_line(prices, above):
    out = {}
    for name, keys, decimals in CLASSES:
        for key in keys:
            value = prices.get(key)
            if isinstance(value, dict):
                best = value["base"]
                for tier in value["tiers"]:
                    best = tier["price"] if tier["start"] <= above else best
                value = best
            if value is not None:
                out[name] = number(value, decimals)
    return out


def rules_of(prices):
    """[(conditions, prices)], the first without conditions."""
    entries = prices if isinstance(prices, list) else [{"prices": prices}]
    rules = []
    for entry in entries:
        when = entry.get("constraint") or {}
        conditions = {}
        if "start_date" in when:
            conditions["from"] = when["start_date"]
        elif "start_time" in when:
            conditions["time"] = when["start_time"][:5] + "-" + when["end_time"][:5]
        if not rules:
            conditions = {}
        steps = sorted({t["start"] for v in entry["prices"].values() if isinstance(v, dict) for t in v["tiers"]})
        for above in [0] + steps:
            rules.append((dict(conditions, **({"above": str(above)} if above else {})),
                          prices_line(entry["prices"], above)))
    return rules


def read_genai(path):
    with open(path, encoding="utf-8") as f:
        return {p["id"]: p for p in json.load(f, parse_float=Decimal)}


# --- models.dev ---

def abilities(row):
    out, ins = set(row["modal_out"].split("|")), set(row["modal_in"].split("|"))
    can = []
    embeds = "embed" in row["model"].lower() or "rerank" in row["model"].lower()
    if embeds:
        return ["embeddings"]
    if "text" in out:
        can += ["chat", "stream"]
    for ability, yes in (("tools", row["tool_call"] == "True"), ("json", row["structured_output"] == "True"),
                         ("reasoning", row["reasoning"] == "True"), ("vision", "image" in ins),
                         ("audio", "audio" in ins), ("video", "video" in ins), ("pdf", "pdf" in ins),
                         ("speech", "audio" in out), ("images", "image" in out)):
        if yes:
            can.append(ability)
    return can


def dev_prices(row):
    out = {}
    for name, key in (("in", "input_usd_per_m"), ("cached", "cache_read_usd_per_m"),
                      ("write", "cache_write_usd_per_m"), ("out", "output_usd_per_m")):
        if row[key] != "":
            out[name] = number(row[key], 6)
    if set(out.values()) == {"0"}:
        out = {"in": "0", "out": "0"}
    return out if "in" in out and "out" in out else {}


def a_day(text):
    try:
        return datetime.date.fromisoformat(text).isoformat()
    except ValueError:
        return ""


def facts(row):
    return {"context": int(row["context"] or 0), "output": int(row["max_output"] or 0), "can": abilities(row),
            "released": a_day(row["release_date"]),
            "json_known": row["structured_output"] != ""}


def common_facts(rows):
    """Per bare name: what its rows agree on most, for models that only the price file has."""
    groups = defaultdict(list)
    for row in rows:
        groups[bare(row["model"])].append(facts(row))
    common = {}
    for name, all_facts in groups.items():
        def most(key):
            values = [f[key] for f in all_facts if f[key]]
            return Counter(values).most_common(1)[0][0] if values else 0
        counts = Counter(a for f in all_facts for a in f["can"])
        json_known = [f for f in all_facts if f["json_known"]]
        can = [a for a in counts if counts[a] * 2 >= len(all_facts) or
               (a == "json" and json_known and counts[a] * 2 >= len(json_known))]
        days = [f["released"] for f in all_facts if f["released"]]
        common[name] = {"context": most("context"), "output": most("output"), "can": can,
                        "released": min(days) if days else ""}
    return common


# --- One catalogue of both ---

ABILITIES = ["chat", "stream", "tools", "json", "reasoning", "vision", "audio", "video", "pdf", "speech", "images",
             "embeddings"]


def glob_regex(pattern):
    return re.compile("".join(".*" if c == "*" else r"\d" if c == "#" else re.escape(c) for c in pattern), re.I)


def understood(models, name):
    """The model that finds *name* by id, name or pattern."""
    for m in models:
        fits = any(glob_regex(n).fullmatch(name) for n in [m["id"]] + m["names"] if n[0] != "!")
        if fits and not any(glob_regex(n[1:]).fullmatch(name) for n in m["names"] if n[0] == "!"):
            return m
    return None


def from_genai(provider):
    models = []
    for m in provider["models"] if provider else []:
        rules = rules_of(m["prices"])
        if m["id"].endswith(":free") and not rules[0][1]:
            rules = [({}, {"in": "0", "out": "0"})]
        models.append({"id": m["id"], "rules": rules, "context": m.get("context_window") or 0,
                       "names": [n for n in names_of(m["match"]) if n.lower() != m["id"].lower()],
                       "status": "deprecated" if m.get("deprecated") else ""})
    return models


def add_dev(models, rows, common):
    """Facts for the models at hand, and the models that only models.dev has."""
    known = {}
    for row in rows:
        m = understood(models, row["model"])
        f = facts(row)
        if m is None:
            if not dev_prices(row) and "embeddings" not in f["can"]:
                continue
            m = {"id": row["model"], "rules": [({}, dev_prices(row))], "names": [], "status": "", "context": 0}
            models.append(m)
        exact = m["id"].lower() == row["model"].lower()
        if id(m) not in known or exact:
            known[id(m)] = f
        if row["status"] == "deprecated" and (exact or bare(m["id"]) == bare(row["model"])):
            m["status"] = "deprecated"
    for m in models:
        f = known.get(id(m), {})
        c = common.get(bare(m["id"]), {})
        m["context"] = m["context"] or f.get("context") or c.get("context", 0)
        m["output"] = f.get("output") or c.get("output", 0)
        m["released"] = RELEASED.get(bare(m["id"])) or f.get("released") or c.get("released", "")
        can = set(f.get("can") or c.get("can", []))
        if f and not f["json_known"] and "json" in c.get("can", []):
            can.add("json")
        m["can"] = [a for a in ABILITIES if a in can]
        if m["output"] and m["context"] and m["output"] > m["context"]:
            m["output"] = m["context"]


def shorten(models):
    """Drops names that are found by bare name anyway."""
    ids = {m["id"].lower() for m in models}
    bares = Counter(bare(m["id"]) for m in models)
    for m in models:
        b = bare(m["id"])
        m["names"] = [n for n in dict.fromkeys(m["names"])
                      if n[0] == "!" or n.lower() not in ids and
                      not (bares[b] == 1 and "*" not in n and bare(n.replace("#", "1")) == b)]


def retire(name, models, gone):
    by_bare = {}
    for m in models:
        by_bare.setdefault(bare(m["id"]), m["id"])
    for m in models:
        if m["id"] in RETIRED.get(name, {}):
            day, successor = RETIRED[name][m["id"]]
            m.update(status="retired", retired=day, successor=successor)
        elif bare(m["id"]) in gone and name not in ("bedrock", "vertex", "gemini"):
            day, successor = gone[bare(m["id"])]
            m.update(status="retired", retired=day, successor=by_bare.get(bare(successor), ""))
        elif bare(m["id"]) in gone:
            m.update(status="deprecated", successor=by_bare.get(bare(gone[bare(m["id"])][1]), ""))
        if m.get("successor") and m["successor"] not in {x["id"] for x in models}:
            sys.exit("%s: the successor %s of %s is not there" % (name, m["successor"], m["id"]))


def model_lines(provider, m):
    words = ["model", m["id"]]
    if m["names"]:
        words.append("names=" + ",".join(m["names"]))
    for key in ("context", "output"):
        if m[key]:
            words.append("%s=%d" % (key, m[key]))
    if m["can"]:
        words.append("can=" + ",".join(m["can"]))
    for key in ("released", "status", "retired", "successor"):
        if m.get(key):
            words.append("%s=%s" % (key, m[key]))
    tier = TIERS.get(bare(m["id"])) or next((TIERS[n] for n in m["names"] if n in TIERS), "")
    if tier:
        words.append("tier=" + tier)
    if m["id"] in PRIORITY.get(provider, {}):
        words.append("priority=" + PRIORITY[provider][m["id"]])
    lines = []
    for conditions, prices in m["rules"]:
        if lines and not prices:
            continue
        start = ["rule"] + ["%s=%s" % c for c in conditions.items()] if lines else words
        lines.append(" ".join(start + ["%s=%s" % p for p in prices.items()]))
    return lines


def wanted(m):
    """Words only: what a line cannot hold is left out."""
    return re.fullmatch(r"[!-~]+", m["id"]) and all(re.fullmatch(r"[!-+\--~]+", n) for n in m["names"])


def main():
    folder = sys.argv[1]
    genai_path = sorted(glob.glob(folder + "/genai_prices_*.json"))[-1]
    dev_path = sorted(glob.glob(folder + "/models_dev_*.csv"))[-1]
    genai = read_genai(genai_path)
    with open(dev_path, encoding="utf-8", newline="") as f:
        rows = list(csv.DictReader(f))
    by_provider = defaultdict(list)
    for row in rows:
        by_provider[row["provider"]].append(row)
    by_provider["google-vertex"] += by_provider["google-vertex-anthropic"]
    common = common_facts(rows)
    gone = {bare(i): when for i, when in RETIRED["anthropic"].items()}
    print("# SPDX-License-Identifier: Apache-2.0")
    print("# Made by tools/make_catalog.py; docs/catalog.md describes the format. USD per million tokens.")
    print("catalog 1", re.search(r"\d{4}-\d\d-\d\d", genai_path).group())
    for name, (genai_id, dev_id, base, dialect, members) in PROVIDERS.items():
        models = from_genai(genai.get(genai_id))
        add_dev(models, by_provider.get(dev_id, []), common)
        for m in models:
            m["names"] += NAMES.get(name, {}).get(m["id"], [])
        models = [m for m in models if wanted(m)]
        retire(name, models, gone)
        shorten(models)
        members = dict({"base": base} if base else {}, dialect=dialect, **members)
        order = ["base", "dialect", "vendor", "names", "shares", "batch", "flex", "priority"]
        members = {key: members[key] for key in order if key in members}
        print()
        print("provider %s %s" % (name, " ".join("%s=%s" % x for x in members.items())))
        for m in sorted(models, key=lambda m: (m["id"].lower(), m["id"])):
            print("\n".join(model_lines(name, m)))


if __name__ == "__main__":
    main()
