# SPDX-License-Identifier: Apache-2.0
# docs/configuration.md -> fairlead.yaml(5). Knows the Markdown that src/config/reference.c writes: headings,
# paragraphs, lists, tables, blocks of code. A row of a table becomes an entry: the first column names it, the
# one called "meaning" or "means" (else: none) tells of it, the others follow with their names.
#
# usage: awk -v version=0.1.0 -f tools/man.awk docs/configuration.md

function escaped(s) {
    gsub(/\\/, "\\e", s)
    gsub(/-/, "\\-", s)
    return s
}

# Text with `code` and [links](url) in it.
function text(s,    out, code, before) {
    out = ""
    while (match(s, /`[^`]*`/)) {
        before = substr(s, 1, RSTART - 1)
        code = substr(s, RSTART + 1, RLENGTH - 2)
        s = substr(s, RSTART + RLENGTH)
        out = out plain(before) "\\fB" escaped(code) "\\fR"
    }
    return out plain(s)
}

function plain(s) {
    gsub(/\\/, "\\e", s)
    while (match(s, /\[[^\]]*\]\([^)]*\)/)) {
        s = substr(s, 1, RSTART - 1) substr(s, RSTART + 1, index(substr(s, RSTART), "]") - 2) substr(s, RSTART + RLENGTH)
    }
    while (match(s, /\*\*[^*]*\*\*/)) {
        s = substr(s, 1, RSTART - 1) "\\fB" substr(s, RSTART + 2, RLENGTH - 4) "\\fR" substr(s, RSTART + RLENGTH)
    }
    return s
}

# A line that begins with a control character would be a request.
function say(s) {
    print (s ~ /^[.']/ ? "\\&" : "") s
}

function upper_first(s) {
    return toupper(substr(s, 1, 1)) substr(s, 2)
}

function row(line,    count, cells, i, name, more) {
    sub(/^\| */, "", line)
    sub(/ *\|$/, "", line)
    count = split(line, cells, / *\| */)
    if (!in_table) {
        in_table = 1
        for (i = 1; i <= count; i++) {
            names[i] = cells[i]
            gsub(/`/, "", names[i])
        }
        return
    }
    if (line ~ /^-+(\|-+)*$/) return
    print ".TP"
    say(text(cells[1]))
    more = ""
    for (i = 2; i <= count; i++) {
        name = names[i]
        if (name == "meaning" || name == "means") say(text(cells[i]))
        else if (cells[i] != "-") more = more (more == "" ? "" : "; ") name ": " text(cells[i])
    }
    if (more != "") say(upper_first(more) ".")
}

BEGIN {
    print ".\\\" SPDX-License-Identifier: Apache-2.0"
    print ".\\\" Made from docs/configuration.md by tools/man.awk."
    print ".TH FAIRLEAD.YAML 5 \"\" \"fairlead " version "\" \"File Formats\""
    print ".SH NAME"
    print "fairlead.yaml \\- configuration of the AI-model router fairlead"
    print ".SH DESCRIPTION"
}

/^```/ {
    in_code = !in_code
    print in_code ? ".PP\n.RS 4\n.EX" : ".EE\n.RE"
    next
}
in_code { say(escaped($0)); next }
/^\|/ { row($0); next }
{ in_table = 0 }
/^# / || /^<!--/ { next }
/^## / { print ".SH \"" toupper(substr($0, 4)) "\""; next }
/^### / { print ".SS \"" text(substr($0, 5)) "\""; next }
/^- / { print ".IP \\(bu 2"; say(text(substr($0, 3))); next }
/^$/ { gap = 1; next }
/^  / { sub(/^ +/, "") ; say(text($0)); next }
{
    if (gap) print ".PP"
    gap = 0
    say(text($0))
}

END {
    print ".SH SEE ALSO"
    print ".BR fairlead (1)"
}
