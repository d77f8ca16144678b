/* SPDX-License-Identifier: Apache-2.0 */
/* Log lines, built in a block on the stack: logging must work when memory is out. A line is never
 * longer than PIPE_BUF, so that one write to a pipe stays in one piece; what is longer is cut. */
#include "core/base/log.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define MESSAGE_MAX 2048 /* half a line; fields have the rest */

static struct {
    int fd;
    bool text;
    enum pv_level lowest;
    char program[32];
} setup = {.fd = STDERR_FILENO, .lowest = PV_INFO};

static const char *const level_names[] = {"debug", "info", "warn", "error"};

struct line {
    char bytes[PIPE_BUF];
    bool bare; /* the text being put stands in no quotes, so its own need no escape */
    size_t len;
    size_t limit; /* what may be used now; the rest is kept for closing quotes and braces */
};

struct pv_log_field pv_lf(const char *key, struct pv_str value)
{
    return (struct pv_log_field){.key = key, .kind = PV_L_STR, .str = value};
}

struct pv_log_field pv_lf_c(const char *key, const char *value)
{
    return pv_lf(key, pv_str(value));
}

struct pv_log_field pv_lf_i64(const char *key, int64_t value)
{
    return (struct pv_log_field){.key = key, .kind = PV_L_I64, .i64 = value};
}

struct pv_log_field pv_lf_op(struct pv_id id)
{
    return (struct pv_log_field){.key = "operation", .kind = PV_L_OP, .id = id};
}

struct pv_log_field pv_lf_svc(struct pv_id id)
{
    return (struct pv_log_field){.key = "service", .kind = PV_L_SVC, .id = id};
}

void pv_log_setup(int fd, int text, enum pv_level lowest, const char *program)
{
    setup.fd = fd;
    setup.text = text < 0 ? isatty(fd) == 1 : text != 0;
    setup.lowest = lowest;
    snprintf(setup.program, sizeof(setup.program), "%s", program != NULL ? program : "");
}

bool pv_log_on(enum pv_level level)
{
    return level >= setup.lowest;
}

/* All of it or nothing. */
static bool put(struct line *line, const char *bytes, size_t len)
{
    if (len > line->limit - line->len) {
        return false;
    }
    memcpy(line->bytes + line->len, bytes, len);
    line->len += len;
    return true;
}

static bool put_c(struct line *line, const char *s)
{
    return put(line, s, strlen(s));
}

/* The escape for the character at p, or an empty string when it may stand as it is. Control
 * characters (C1 ones too) are escaped in both formats: a terminal would obey them. */
static void escape(const unsigned char *p, size_t len, char out[8])
{
    unsigned code = len == 1 ? p[0] : len == 2 ? (p[0] & 0x1FU) << 6 | (p[1] & 0x3FU) : 0xFFFF;
    out[0] = '\0';
    if (code == '"' || code == '\\') {
        snprintf(out, 8, "\\%c", (char)code);
    } else if (code == '\n') {
        snprintf(out, 8, "\\n");
    } else if (code == '\t') {
        snprintf(out, 8, "\\t");
    } else if (code < 0x20 || (code >= 0x7F && code <= 0x9F)) {
        snprintf(out, 8, "\\u%04x", code & 0xFFFFU);
    }
}

static size_t char_length(const unsigned char *p, size_t left)
{
    size_t len = p[0] < 0x80 ? 1 : p[0] < 0xE0 ? 2 : p[0] < 0xF0 ? 3 : 4;
    struct pv_str one = {(const char *)p, len};
    return len <= left && pv_utf8_valid(one, NULL) ? len : 0;
}

/* Escaped text, cut between characters where the line is full. */
static void put_escaped(struct line *line, struct pv_str s)
{
    const unsigned char *p = (const unsigned char *)s.ptr;
    size_t at = 0;
    bool room = true;
    while (at < s.len && room) {
        size_t len = char_length(p + at, s.len - at);
        char escaped[8] = "";
        if (len == 0) {
            room = put_c(line, "\xEF\xBF\xBD");
            len = 1;
        } else {
            escape(p + at, len, escaped);
            if (line->bare && (escaped[1] == '"' || escaped[1] == '\\')) {
                escaped[0] = '\0';
            }
            room = escaped[0] != '\0' ? put_c(line, escaped) : put(line, s.ptr + at, len);
        }
        at += len;
    }
}

/* A quoted string; false, and nothing written, when not even its quotes fit. */
static bool put_quoted(struct line *line, struct pv_str s)
{
    if (line->limit - line->len < 2) {
        return false;
    }
    put_c(line, "\"");
    line->limit--;
    put_escaped(line, s);
    line->limit++;
    return put_c(line, "\"");
}

/* The message, with half of the line as its room. */
static void put_message(struct line *line, struct pv_str message, bool text)
{
    size_t limit = line->limit;
    line->limit = line->len + MESSAGE_MAX;
    if (text) {
        line->bare = true;
        put_escaped(line, message);
        line->bare = false;
    } else {
        put_quoted(line, message);
    }
    line->limit = limit;
}

static bool plain_word(struct pv_str s)
{
    for (size_t i = 0; i < s.len; i++) {
        unsigned char c = (unsigned char)s.ptr[i];
        if (c <= ' ' || c >= 0x7F || c == '"' || c == '\\' || c == '=') {
            return false;
        }
    }
    return s.len > 0;
}

static bool put_value(struct line *line, const struct pv_log_field *field, bool text)
{
    char number[PV_ID_TEXT];
    switch (field->kind) {
    case PV_L_I64:
        snprintf(number, sizeof(number), "%" PRId64, field->i64);
        return put_c(line, number);
    case PV_L_OP:
    case PV_L_SVC:
        pv_id_format(field->kind == PV_L_OP ? "op" : "svc", field->id, number);
        return text ? put_c(line, number) : put_quoted(line, pv_str(number));
    case PV_L_STR:
        break;
    }
    if (text && plain_word(field->str) && field->str.len <= line->limit - line->len) {
        return put(line, field->str.ptr, field->str.len);
    }
    return put_quoted(line, field->str);
}

/* One member, or nothing at all when it does not fit. */
static void put_field(struct line *line, const struct pv_log_field *field, bool text)
{
    size_t before = line->len;
    bool fits = false;
    if (field->kind == PV_L_STR && field->str.ptr == NULL) {
        return;
    }
    if (text) {
        fits = put_c(line, " ") && put_c(line, field->key) && put_c(line, "=");
    } else {
        fits = put_c(line, ",\"") && put_c(line, field->key) && put_c(line, "\":");
    }
    if (!fits || !put_value(line, field, text)) {
        line->len = before;
    }
}

static void build_json(struct line *line, enum pv_level level, const char *time,
                       const struct pv_log_field *fields, size_t count, struct pv_str message)
{
    put_c(line, "{\"time\":\"");
    put_c(line, time);
    put_c(line, "\",\"level\":\"");
    put_c(line, level_names[level]);
    put_c(line, "\"");
    if (setup.program[0] != '\0') {
        put_c(line, ",\"program\":");
        put_quoted(line, pv_str(setup.program));
    }
    put_c(line, ",\"message\":");
    put_message(line, message, false);
    for (size_t i = 0; i < count; i++) {
        put_field(line, &fields[i], false);
    }
    line->limit = sizeof(line->bytes);
    put_c(line, "}\n");
}

static void build_text(struct line *line, enum pv_level level, const char *time,
                       const struct pv_log_field *fields, size_t count, struct pv_str message)
{
    char head[64];
    snprintf(head, sizeof(head), "%.12s %-5s ", time + sizeof("2026-11-20T") - 1,
             level_names[level]);
    put_c(line, head);
    if (setup.program[0] != '\0') {
        put_escaped(line, pv_str(setup.program));
        put_c(line, ": ");
    }
    put_message(line, message, true);
    for (size_t i = 0; i < count; i++) {
        put_field(line, &fields[i], true);
    }
    line->limit = sizeof(line->bytes);
    put_c(line, "\n");
}

static void write_line(const struct line *line)
{
    size_t done = 0;
    while (done < line->len) {
        ssize_t n = write(setup.fd, line->bytes + done, line->len - done);
        if (n < 0 && errno != EINTR) {
            return; /* nobody is left to tell */
        }
        done += n > 0 ? (size_t)n : 0;
    }
}

void pv_log_write(enum pv_level level, const struct pv_log_field *fields, size_t count,
                  const char *fmt, ...)
{
    if (!pv_log_on(level)) {
        return;
    }
    int saved = errno;
    char message[MESSAGE_MAX];
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(message, sizeof(message), fmt, ap);
    va_end(ap);
    size_t len = n < 0 ? 0 : (size_t)n < sizeof(message) ? (size_t)n : sizeof(message) - 1;

    char time[PV_TIME_TEXT];
    pv_time_format(pv_wall_ms(&pv_clock_system), time);
    struct line line;
    line.len = 0;
    line.bare = false;
    line.limit = sizeof(line.bytes) - 2; /* "}\n" */
    if (setup.text) {
        build_text(&line, level, time, fields, count, (struct pv_str){message, len});
    } else {
        build_json(&line, level, time, fields, count, (struct pv_str){message, len});
    }
    write_line(&line);
    errno = saved;
}
