/* SPDX-License-Identifier: Apache-2.0 */
/* The grammar of RFC 9112, of which only what has one reading is taken. */
#include "core/api/httpparse.h"

#include <string.h>
#include <strings.h>

#define METHOD_MAX 32
#define LENGTH_DIGITS 18 /* fit in an int64 */
#define EMPTY_LINES 4    /* before a request, some clients send one too many */

static enum pv_http_parsed refuse(struct pv_http_refusal *refusal, unsigned status,
                                  const char *code, const char *sentence)
{
    *refusal = (struct pv_http_refusal){status, code, sentence};
    return PV_HTTP_REFUSED;
}

static enum pv_http_parsed malformed(struct pv_http_refusal *refusal, const char *sentence)
{
    return refuse(refusal, 400, "malformed", sentence);
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool eq_nocase(struct pv_str a, const char *b)
{
    return strlen(b) == a.len && strncasecmp(a.ptr, b, a.len) == 0;
}

static struct pv_str trim(struct pv_str s)
{
    while (s.len > 0 && (s.ptr[0] == ' ' || s.ptr[0] == '\t')) {
        s = (struct pv_str){s.ptr + 1, s.len - 1};
    }
    while (s.len > 0 && (s.ptr[s.len - 1] == ' ' || s.ptr[s.len - 1] == '\t')) {
        s.len--;
    }
    return s;
}

/* "example.org", "192.0.2.1:80", "[2001:db8::1]:80": a host and perhaps a port; no user before it.
 * A comma is legal in a name, but stands there only where two headers were made one. */
static bool is_authority(struct pv_str s)
{
    size_t i = 0;
    if (s.len > 0 && s.ptr[0] == '[') {
        i++;
        while (i < s.len && (pv_hex_digit(s.ptr[i]) >= 0 || s.ptr[i] == ':' || s.ptr[i] == '.')) {
            i++;
        }
        if (i < 2 || i == s.len || s.ptr[i] != ']') {
            return false;
        }
        i++;
    } else {
        while (i < s.len && (is_digit(s.ptr[i]) || (s.ptr[i] >= 'a' && s.ptr[i] <= 'z') ||
                             (s.ptr[i] >= 'A' && s.ptr[i] <= 'Z') ||
                             (s.ptr[i] != '\0' && strchr("-._~%!$&'()*+;=", s.ptr[i]) != NULL))) {
            i++;
        }
    }
    if (i < s.len && s.ptr[i] == ':') {
        i++;
        while (i < s.len && is_digit(s.ptr[i])) {
            i++;
        }
    }
    return i == s.len;
}

/* ---- the request line ---- */

/* As far as it has come, so that what speaks another protocol is answered without waiting for a
 * line's end that may never come. */
static enum pv_http_parsed check_method(struct pv_str line, struct pv_http_refusal *refusal)
{
    if (line.len > 0 && line.ptr[0] == 0x16) {
        return malformed(refusal, "this port speaks plain HTTP, not TLS: use http://");
    }
    for (size_t i = 0; i < line.len && line.ptr[i] != ' '; i++) {
        if (line.ptr[i] == '\r' || line.ptr[i] == '\n') {
            break;
        }
        if (!pv_is_token(line.ptr[i]) || i >= METHOD_MAX) {
            return malformed(refusal, "this is not HTTP: the request does not begin with a method");
        }
    }
    return PV_HTTP_DONE;
}

static enum pv_http_parsed check_version(struct pv_http_head *head, struct pv_str version,
                                         struct pv_http_refusal *refusal)
{
    bool formed = version.len == 8 && strncmp(version.ptr, "HTTP/", 5) == 0 &&
                  is_digit(version.ptr[5]) && version.ptr[6] == '.' && is_digit(version.ptr[7]);
    if (!formed) {
        return malformed(refusal, "the request line does not end with a version such as HTTP/1.1");
    }
    if (version.ptr[5] != '1') {
        return refuse(refusal, 505, "http_version", "only HTTP/1.1 and HTTP/1.0 are spoken here");
    }
    head->minor = version.ptr[7] == '0' ? 0 : 1;
    return PV_HTTP_DONE;
}

/* Of "http://host:80/path": where the host begins, or 0. */
static size_t scheme_len(struct pv_str target)
{
    if (target.len > 7 && strncasecmp(target.ptr, "http://", 7) == 0) {
        return 7;
    }
    return target.len > 8 && strncasecmp(target.ptr, "https://", 8) == 0 ? 8 : 0;
}

/* The host and port of a target that has them. */
static struct pv_str authority_of(struct pv_str target)
{
    size_t at = scheme_len(target);
    size_t end = at;
    while (end < target.len && target.ptr[end] != '/' && target.ptr[end] != '?') {
        end++;
    }
    return (struct pv_str){target.ptr + at, end - at};
}

static enum pv_http_parsed check_target(struct pv_str method, struct pv_str target,
                                        struct pv_http_refusal *refusal)
{
    for (size_t i = 0; i < target.len; i++) {
        unsigned char c = (unsigned char)target.ptr[i];
        if (c <= ' ' || c >= 0x7f || c == '#') {
            return malformed(refusal, "the path holds a byte that must be written as %XX");
        }
    }
    if (pv_str_eq_c(target, "*") && pv_str_eq_c(method, "OPTIONS")) {
        return PV_HTTP_DONE;
    }
    if (scheme_len(target) > 0) {
        struct pv_str authority = authority_of(target);
        return authority.len > 0 && authority.ptr[0] != ':' && is_authority(authority)
                   ? PV_HTTP_DONE
                   : malformed(refusal, "the address before the path names no host");
    }
    return target.len > 0 && target.ptr[0] == '/'
               ? PV_HTTP_DONE
               : malformed(refusal, "the path does not begin with /");
}

/* "GET /path HTTP/1.1", without its end. */
static enum pv_http_parsed read_line(struct pv_http_head *head, struct pv_str bytes,
                                     struct pv_str line, struct pv_http_refusal *refusal)
{
    const char *first = memchr(line.ptr, ' ', line.len);
    if (first == NULL || first == line.ptr) {
        return malformed(refusal, "this is not HTTP: expected a request line such as "
                                  "GET /v1/services HTTP/1.1");
    }
    struct pv_str method = {line.ptr, (size_t)(first - line.ptr)};
    if (memchr(method.ptr, '\r', method.len) != NULL) { /* all else has been looked at */
        return malformed(refusal, "this is not HTTP: the request does not begin with a method");
    }
    const char *target = first + 1;
    const char *end = line.ptr + line.len;
    const char *second = memchr(target, ' ', (size_t)(end - target));
    if (second == NULL) {
        return malformed(refusal, "the request line does not end with a version such as HTTP/1.1");
    }
    struct pv_str version = {second + 1, (size_t)(end - second - 1)};
    if (version.len > 0 && memchr(version.ptr, ' ', version.len) != NULL) {
        return malformed(refusal, "the request line has more than three words: a space in the "
                                  "path is written %20");
    }
    enum pv_http_parsed parsed = check_version(head, version, refusal);
    struct pv_str asked = {target, (size_t)(second - target)};
    if (parsed == PV_HTTP_DONE) {
        parsed = check_target(method, asked, refusal);
    }
    head->line = (size_t)(line.ptr - bytes.ptr);
    head->method_len = method.len;
    head->target = (size_t)(target - bytes.ptr);
    head->target_len = asked.len;
    head->has_line = true;
    return parsed;
}

/* ---- header lines ---- */

static void take_connection(struct pv_http_head *head, struct pv_str value)
{
    while (value.len > 0) {
        const char *comma = memchr(value.ptr, ',', value.len);
        size_t len = comma != NULL ? (size_t)(comma - value.ptr) : value.len;
        struct pv_str word = trim((struct pv_str){value.ptr, len});
        head->close = head->close || eq_nocase(word, "close");
        head->keep = head->keep || eq_nocase(word, "keep-alive");
        size_t used = comma != NULL ? len + 1 : len;
        value = (struct pv_str){value.ptr + used, value.len - used};
    }
}

static enum pv_http_parsed take_length(struct pv_http_head *head, struct pv_str value,
                                       struct pv_http_refusal *refusal)
{
    head->lengths++;
    head->length = 0;
    for (size_t i = 0; i < value.len; i++) {
        if (!is_digit(value.ptr[i])) {
            return malformed(refusal, "Content-Length is not a number");
        }
        if (i >= LENGTH_DIGITS) {
            return refuse(refusal, 413, "too_large", "the body is larger than allowed");
        }
        head->length = head->length * 10 + (value.ptr[i] - '0');
    }
    return value.len > 0 ? PV_HTTP_DONE : malformed(refusal, "Content-Length is not a number");
}

/* What would be one thing to a proxy that takes the first and another to us. */
static enum pv_http_parsed take_single(struct pv_http_head *head, struct pv_str name,
                                       struct pv_http_refusal *refusal)
{
    static const struct {
        const char *name;
        const char *twice;
    } singles[] = {
        {"Authorization", "the header Authorization is given more than once"},
        {"Content-Type", "the header Content-Type is given more than once"},
        {"Idempotency-Key", "the header Idempotency-Key is given more than once"},
        {"Origin", "the header Origin is given more than once"},
    };
    for (unsigned i = 0; i < sizeof(singles) / sizeof(singles[0]); i++) {
        if (!eq_nocase(name, singles[i].name)) {
            continue;
        }
        if ((head->singles & 1u << i) != 0) {
            return malformed(refusal, singles[i].twice);
        }
        head->singles |= 1u << i;
    }
    return PV_HTTP_DONE;
}

/* What decides how the request is read on. */
static enum pv_http_parsed take_field(struct pv_http_head *head, struct pv_str name,
                                      struct pv_str value, struct pv_http_refusal *refusal)
{
    if (eq_nocase(name, "Content-Length")) {
        return take_length(head, value, refusal);
    }
    if (eq_nocase(name, "Transfer-Encoding")) {
        head->encodings++;
        head->chunked = true;
        return eq_nocase(value, "chunked") ? PV_HTTP_DONE
                                           : refuse(refusal, 400, "unknown_encoding",
                                                    "the only Transfer-Encoding is chunked");
    }
    if (eq_nocase(name, "Connection")) {
        take_connection(head, value);
    } else if (eq_nocase(name, "Host")) {
        head->hosts++;
        return is_authority(value) ? PV_HTTP_DONE
                                   : malformed(refusal, "the header Host names no host");
    } else if (eq_nocase(name, "Content-Encoding")) {
        return eq_nocase(value, "identity")
                   ? PV_HTTP_DONE
                   : refuse(refusal, 415, "unknown_encoding",
                            "bodies are taken as they are: leave Content-Encoding out");
    } else if (eq_nocase(name, "Expect")) {
        head->expects_continue = true;
        return eq_nocase(value, "100-continue")
                   ? PV_HTTP_DONE
                   : refuse(refusal, 417, "expectation", "the only Expect is 100-continue");
    }
    return take_single(head, name, refusal);
}

static enum pv_http_parsed read_field(struct pv_http_head *head, struct pv_str line,
                                      struct pv_http_refusal *refusal)
{
    head->field_count++;
    if (head->field_count > PV_HTTP_FIELDS_MAX) {
        return refuse(refusal, 431, "headers_too_large", "there are more than 100 header lines");
    }
    if (line.ptr[0] == ' ' || line.ptr[0] == '\t') {
        return malformed(refusal, "a header line begins with a space");
    }
    const char *colon = memchr(line.ptr, ':', line.len);
    if (colon == NULL || colon == line.ptr) {
        return malformed(refusal, "a header line is not of the form Name: value");
    }
    struct pv_str name = {line.ptr, (size_t)(colon - line.ptr)};
    for (size_t i = 0; i < name.len; i++) {
        if (!pv_is_token(name.ptr[i])) {
            return malformed(refusal, "the name of a header holds a character that it must not");
        }
    }
    struct pv_str value = {colon + 1, line.len - name.len - 1};
    for (size_t i = 0; i < value.len; i++) {
        if (pv_is_control(value.ptr[i])) {
            return malformed(refusal, "a header line holds a control character");
        }
    }
    return take_field(head, name, trim(value), refusal);
}

/* How long a body is must be told in one way, once: else a proxy in front of us may see other
 * requests than we do. */
static enum pv_http_parsed check_whole(const struct pv_http_head *head,
                                       struct pv_http_refusal *refusal)
{
    if (head->lengths > 1 || head->encodings > 1 || (head->lengths > 0 && head->encodings > 0)) {
        return refuse(refusal, 400, "ambiguous_length",
                      "the length of the body is given more than once (Content-Length and "
                      "Transfer-Encoding)");
    }
    if (head->chunked && head->minor == 0) {
        return refuse(refusal, 400, "ambiguous_length",
                      "HTTP/1.0 has no Transfer-Encoding: send HTTP/1.1 or a Content-Length");
    }
    if (head->hosts > 1 || (head->hosts == 0 && head->minor > 0)) {
        return malformed(refusal, "HTTP/1.1 needs one Host header, and only one");
    }
    return PV_HTTP_DONE;
}

/* ---- lines ---- */

static enum pv_http_parsed too_long(const struct pv_http_head *head,
                                    struct pv_http_refusal *refusal)
{
    if (!head->has_line) {
        return refuse(refusal, 414, "uri_too_long", "the request line is longer than 8 KiB");
    }
    return refuse(refusal, 431, "headers_too_large", "the headers are larger than 8 KiB");
}

/* One complete line; DONE when it was the empty one at the end. */
static enum pv_http_parsed take_line(struct pv_http_head *head, struct pv_str bytes,
                                     struct pv_str line, size_t next,
                                     struct pv_http_refusal *refusal)
{
    enum pv_http_parsed parsed = PV_HTTP_DONE;
    bool last = line.len == 0 && head->has_line;
    if (!head->has_line && line.len == 0) {
        head->field_count++; /* reused: empty lines so far */
        if (head->field_count > EMPTY_LINES) {
            return malformed(refusal, "this is not HTTP: there are only empty lines");
        }
    } else if (!head->has_line) {
        parsed = read_line(head, bytes, line, refusal);
        head->fields = next;
        head->field_count = 0;
    } else if (!last) {
        parsed = read_field(head, line, refusal);
    } else {
        parsed = check_whole(head, refusal);
    }
    head->at = next;
    head->scanned = next;
    return parsed == PV_HTTP_DONE && !last ? PV_HTTP_MORE : parsed;
}

enum pv_http_parsed pv_http_head_read(struct pv_http_head *head, struct pv_str bytes,
                                      struct pv_http_refusal *ret_refusal)
{
    for (;;) {
        struct pv_str rest = {bytes.ptr + head->at, bytes.len - head->at};
        if (!head->has_line && rest.len > 0 && check_method(rest, ret_refusal) == PV_HTTP_REFUSED) {
            return PV_HTTP_REFUSED;
        }
        size_t from = head->scanned;
        const char *end =
            from < bytes.len ? memchr(bytes.ptr + from, '\n', bytes.len - from) : NULL;
        size_t next = end != NULL ? (size_t)(end - bytes.ptr) + 1 : bytes.len;
        if (next > PV_HTTP_HEAD_MAX) {
            return too_long(head, ret_refusal);
        }
        if (end == NULL) {
            head->scanned = bytes.len;
            return PV_HTTP_MORE;
        }
        if (end == rest.ptr || end[-1] != '\r') {
            return malformed(ret_refusal, "a line does not end with CR LF");
        }
        struct pv_str line = {rest.ptr, (size_t)(end - rest.ptr) - 1};
        enum pv_http_parsed parsed = take_line(head, bytes, line, next, ret_refusal);
        if (parsed != PV_HTTP_MORE) {
            return parsed;
        }
    }
}

/* ---- the parts of a head ---- */

struct pv_str pv_http_head_method(const struct pv_http_head *head, struct pv_str bytes)
{
    return (struct pv_str){bytes.ptr + head->line, head->method_len};
}

void pv_http_head_target(const struct pv_http_head *head, struct pv_str bytes,
                         struct pv_str *ret_path, struct pv_str *ret_query)
{
    struct pv_str path = {bytes.ptr + head->target, head->target_len};
    if (scheme_len(path) > 0) {
        struct pv_str authority = authority_of(path);
        const char *end = path.ptr + path.len;
        path.ptr = authority.ptr + authority.len;
        path.len = (size_t)(end - path.ptr);
    }
    const char *question = path.len > 0 ? memchr(path.ptr, '?', path.len) : NULL;
    size_t len = question != NULL ? (size_t)(question - path.ptr) : path.len;
    *ret_query = question != NULL ? (struct pv_str){question + 1, path.len - len - 1}
                                  : (struct pv_str){NULL, 0};
    *ret_path = len > 0 ? (struct pv_str){path.ptr, len} : PV_STR("/");
}

struct pv_str pv_http_head_field(const struct pv_http_head *head, struct pv_str bytes,
                                 const char *name)
{
    size_t name_len = strlen(name);
    const char *at = bytes.ptr + head->fields;
    const char *end = bytes.ptr + head->at - 2; /* the empty line */
    while (at < end) {
        const char *stop = memchr(at, '\n', (size_t)(end - at));
        size_t len = (size_t)(stop - at) - 1;
        if (len > name_len && at[name_len] == ':' && strncasecmp(at, name, name_len) == 0) {
            return trim((struct pv_str){at + name_len + 1, len - name_len - 1});
        }
        at = stop + 1;
    }
    return (struct pv_str){NULL, 0};
}
