/* SPDX-License-Identifier: Apache-2.0 */
/* docs/configuration.md. Prose is here, everything about keys comes from the key table. */
#include "config/config.h"
#include "config/keys.h"

static const char opening[] =
    "# Configuration\n"
    "\n"
    "<!-- Made from src/config/keys.h by `fairlead schema --markdown`; edit that file, not this "
    "page. -->\n"
    "\n"
    "fairlead reads one YAML file. `fairlead check FILE` lists everything that is wrong with it, "
    "`fairlead schema`\n"
    "prints a JSON Schema for editors. Every key is optional; a key that is not on this page is an "
    "error.\n"
    "\n"
    "The file is the first of: the one named by `--config`, `$FAIRLEAD_CONFIG`, "
    "`./fairlead.yaml`,\n"
    "`$XDG_CONFIG_HOME/fairlead/fairlead.yaml`, `/etc/fairlead/fairlead.yaml`. SIGHUP reads it "
    "again; "
    "a file with an error\n"
    "leaves the running configuration in place. `examples/fairlead.yaml` is a commented sample.\n"
    "\n"
    "```yaml\n"
    "providers:\n"
    "  openai: {}                        # its key comes from OPENAI_API_KEY\n"
    "  groq:\n"
    "    models: [llama-3.3-70b-versatile]\n"
    "  local:\n"
    "    type: vllm\n"
    "    base_url: http://127.0.0.1:8000/v1\n"
    "```\n"
    "\n"
    "## Values\n"
    "\n"
    "- **duration**: `500ms`, `5s`, `2m`, `1h`; a bare number counts seconds.\n"
    "- **size**: `64KiB`, `1MiB`, `1MB`; a bare number counts bytes.\n"
    "- **variables**: `${NAME}` and `${NAME:-default}` stand for environment variables inside any "
    "value, and `$$` for one\n"
    "  dollar sign. They are filled in after the YAML is read, so that a variable's content is "
    "never "
    "taken for YAML. A\n"
    "  variable that is not set and has no default is an error. Inside `{ }` write them in quotes: "
    "`{api_key: \"${NAME}\"}`.\n"
    "- **secret**: `${VARIABLE}`, `{file: PATH}`, or `{credential: NAME}` for a file in systemd's "
    "`$CREDENTIALS_DIRECTORY`.\n"
    "  Files are read again on reload. A secret written into the file itself works, with a "
    "warning.\n"
    "- YAML anchors, aliases and `<<` merge keys work.\n"
    "\n"
    "## Names of models\n"
    "\n"
    "A client may ask for:\n"
    "\n"
    "| name | means |\n"
    "|---|---|\n"
    "| `auto` | every target, by the strategy under `routing` |\n"
    "| a name under `models` | what that entry says; it hides any of the names below |\n"
    "| `PROVIDER/MODEL` | that model at that provider |\n"
    "| `MODEL` | every provider that lists the model |\n"
    "\n"
    "A provider without `models` passes on any name it is asked for as `PROVIDER/MODEL`; `auto` "
    "then "
    "uses one model of\n"
    "its vendor. A provider without a key takes no part; `fairlead check` says so.\n"
    "\n"
    "## Without a file\n"
    "\n"
    "When there is no file, or it has no `providers`, every provider below whose key variable is "
    "set "
    "takes part; ollama\n"
    "and vllm do when `OLLAMA_HOST` or `VLLM_BASE_URL` is set. `OPENAI_BASE_URL` replaces OpenAI's "
    "address, unless it points\n"
    "at fairlead itself.\n"
    "\n"
    "## Known providers\n"
    "\n"
    "A provider of one of these names needs nothing more. Any other name needs a `type` out of "
    "this "
    "list, or a `base_url`.\n"
    "\n"
    "| name | key | base URL | `auto` uses |\n"
    "|---|---|---|---|\n";

static void put_code(struct fl_buf *b, const char *text)
{
    if (!text || text[0] == '\0') {
        fl_buf_put_cstr(b, "-");
        return;
    }
    fl_buf_putc(b, '`');
    fl_buf_put_cstr(b, text);
    fl_buf_putc(b, '`');
}

static void put_vendors(struct fl_buf *b)
{
    for (unsigned i = 0; i < fl_vendor_count; i++) {
        const struct fl_vendor *vendor = &fl_vendors[i];
        fl_buf_put_cstr(b, "| ");
        put_code(b, vendor->name);
        fl_buf_put_cstr(b, " | ");
        put_code(b, vendor->key_variable);
        if (vendor->key_variable_2) {
            fl_buf_put_cstr(b, ", ");
            put_code(b, vendor->key_variable_2);
        }
        fl_buf_put_cstr(b, vendor->key_optional && vendor->key_variable ? " (optional) | " : " | ");
        put_code(b, vendor->base_url);
        fl_buf_put_cstr(b, " | ");
        put_code(b, vendor->auto_model);
        fl_buf_put_cstr(b, " |\n");
    }
}

static const char *type_name(enum fl_key_type type)
{
    switch (type) {
    case FL_TYPE_STRING:
        return "text";
    case FL_TYPE_SECRET:
        return "secret";
    case FL_TYPE_BOOL:
        return "true or false";
    case FL_TYPE_UINT:
        return "whole number";
    case FL_TYPE_REAL:
        return "number";
    case FL_TYPE_DURATION:
        return "duration";
    case FL_TYPE_SIZE:
        return "size";
    case FL_TYPE_ENUM:
        return "";
    case FL_TYPE_STRINGS:
        return "text or list of texts";
    case FL_TYPE_SECRETS:
        return "list of secrets, or of sections";
    case FL_TYPE_STRING_MAP:
        return "names with texts";
    case FL_TYPE_OBJECT:
        return "section";
    case FL_TYPE_MAP:
        return "names with sections";
    case FL_TYPE_LIST:
        return "list of sections";
    case FL_TYPE_PRICES:
        return "section, or one for each model";
    case FL_TYPE_LATER:
        break;
    }
    return "";
}

static void put_type(struct fl_buf *b, const struct fl_key *key)
{
    if (key->type == FL_TYPE_ENUM && key->of == FL_ENUM_VENDOR) {
        fl_buf_put_cstr(b, "a known provider's name");
    } else if (key->type == FL_TYPE_ENUM) {
        for (unsigned i = 0; fl_enum_word((enum fl_enum)key->of, i); i++) {
            fl_buf_put_cstr(b, i > 0 ? ", " : "");
            put_code(b, fl_enum_word((enum fl_enum)key->of, i));
        }
    } else {
        fl_buf_put_cstr(b, type_name(key->type));
    }
    if (key->min[0] != '\0' || key->max[0] != '\0') {
        fl_buf_put_cstr(b, ", ");
        fl_buf_put_cstr(b, key->min);
        fl_buf_put_cstr(b, " to ");
        fl_buf_put_cstr(b, key->max);
    }
}

static void put_key(struct fl_buf *b, const struct fl_key *key)
{
    fl_buf_put_cstr(b, "| ");
    put_code(b, key->name);
    fl_buf_put_cstr(b, " | ");
    put_type(b, key);
    fl_buf_put_cstr(b, " | ");
    put_code(b, key->text_default);
    fl_buf_put_cstr(b, " | ");
    fl_buf_put_cstr(b, key->doc);
    if (key->alias[0] != '\0') {
        fl_buf_put_cstr(b, " Old name: ");
        put_code(b, key->alias);
        fl_buf_putc(b, '.');
    }
    if (key->effect[0] != '\0') {
        fl_buf_put_cstr(b, " It ");
        fl_buf_put_cstr(b, key->effect);
        fl_buf_putc(b, '.');
    }
    fl_buf_put_cstr(b, " | ");
    fl_buf_put_cstr(b, key->since);
    fl_buf_put_cstr(b, " |\n");
}

static void put_section(struct fl_buf *b, enum fl_section section)
{
    unsigned first = fl_section_first(section);
    fl_buf_put_cstr(b, "\n### ");
    put_code(b, section == FL_SECTION_ROOT ? "(top level)" : fl_section_path(section));
    fl_buf_put_cstr(b, "\n\n");
    fl_buf_put_cstr(b, fl_section_doc(section));
    fl_buf_put_cstr(b, "\n\n| key | value | default | meaning | since |\n|---|---|---|---|---|\n");
    for (unsigned i = 0; i < fl_section_count(section); i++) {
        if (fl_keys[first + i].type != FL_TYPE_LATER) {
            put_key(b, &fl_keys[first + i]);
        }
    }
}

static void put_later(struct fl_buf *b)
{
    fl_buf_put_cstr(b, "\n## Not in this version\n\nThese keys belong to later versions and are "
                       "errors in this one:\n");
    bool any = false;
    for (unsigned i = 0; i < FL_KEY_COUNT; i++) {
        if (fl_keys[i].type != FL_TYPE_LATER) {
            continue;
        }
        const char *path = fl_section_path(fl_keys[i].section);
        fl_buf_put_cstr(b, any ? ",\n`" : "`");
        any = true;
        fl_buf_put_cstr(b, path);
        fl_buf_put_cstr(b, path[0] != '\0' ? "." : "");
        fl_buf_put_cstr(b, fl_keys[i].name);
        fl_buf_put_cstr(b, "` (");
        fl_buf_put_cstr(b, fl_keys[i].doc);
        fl_buf_put_cstr(b, ")");
    }
    fl_buf_put_cstr(b, ".\n");
}

void fl_config_put_reference(struct fl_buf *b)
{
    fl_buf_put_cstr(b, opening);
    put_vendors(b);
    fl_buf_put_cstr(b, "\n## Keys\n");
    for (unsigned i = 0; i < FL_SECTION_COUNT; i++) {
        put_section(b, (enum fl_section)i);
    }
    put_later(b);
}
