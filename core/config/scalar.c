/* SPDX-License-Identifier: Apache-2.0 */
/* One value against one field: what each type takes, and how it says what it expected. */
#include "core/config/check.h"

#include <arpa/inet.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct {
    const char *name;
    const char *expected;
} types[PV_FIELD_TYPES] = {
    [PV_T_STRING] = {"string", "text"},
    [PV_T_TEXT] = {"text", "text"},
    [PV_T_INT] = {"int", "a whole number"},
    [PV_T_NUMBER] = {"number", "a number"},
    [PV_T_BOOL] = {"bool", "true or false"},
    [PV_T_SIZE] = {"size", "a size such as 2GiB"},
    [PV_T_DURATION] = {"duration", "a duration such as 30s"},
    [PV_T_URL] = {"url", "a URL (http://, https:// or unix:/path)"},
    [PV_T_EMAIL] = {"email", "an e-mail address"},
    [PV_T_HOSTNAME] = {"hostname", "a host name such as www.example.com"},
    [PV_T_IP] = {"ip", "an IPv4 or IPv6 address"},
    [PV_T_SELECT] = {"select", "one of"},
    [PV_T_LIST] = {"list", "a list of texts"},
    [PV_T_MAP] = {"map", "a mapping of texts"},
    [PV_T_POOL] = {"pool", "the name of a pool"},
    [PV_T_JSON] = {"json", "a value"},
};

const char *pv_field_type_name(int type)
{
    return type >= 0 && type < PV_FIELD_TYPES ? types[type].name : "?";
}

const struct pv_field *pv_fields_find(const struct pv_fields *fields, struct pv_str name)
{
    for (size_t i = 0; i < fields->count; i++) {
        if (pv_str_eq(fields->items[i].name, name)) {
            return &fields->items[i];
        }
    }
    return NULL;
}

void pv_size_show(uint64_t bytes, char out[32])
{
    static const char *const units[] = {"PiB", "TiB", "GiB", "MiB", "KiB"};
    for (unsigned i = 0; i < 5 && bytes > 0; i++) {
        unsigned shift = 10 * (5 - i);
        if ((bytes & ((UINT64_C(1) << shift) - 1)) == 0) {
            snprintf(out, 32, "%llu%s", (unsigned long long)(bytes >> shift), units[i]);
            return;
        }
    }
    snprintf(out, 32, "%llu", (unsigned long long)bytes);
}

void pv_duration_show(int64_t ms, char out[32])
{
    static const struct {
        const char *suffix;
        int64_t ms;
    } units[] = {{"d", 86400000}, {"h", 3600000}, {"m", 60000}, {"s", 1000}};
    for (size_t i = 0; i < sizeof(units) / sizeof(units[0]) && ms != 0; i++) {
        if (ms % units[i].ms == 0) {
            snprintf(out, 32, "%lld%s", (long long)(ms / units[i].ms), units[i].suffix);
            return;
        }
    }
    snprintf(out, 32, ms != 0 ? "%lldms" : "%lld", (long long)ms);
}

static int expected(const struct pv_field *field, struct pv_err *err)
{
    if (field->type != PV_T_SELECT) {
        return pv_err_set(err, PV_EINVAL, "expected %s", types[field->type].expected);
    }
    struct pv_buf list;
    pv_buf_init(&list, 400);
    for (size_t i = 0; i < field->option_count; i++) {
        bool last = i + 1 == field->option_count;
        pv_buf_c(&list, i == 0 ? "" : last ? " or " : ", ");
        pv_buf_str(&list, field->options[i]);
    }
    int status =
        pv_err_set(err, PV_EINVAL, "expected %s%.*s", field->option_count > 1 ? "one of " : "",
                   PV_STR_ARG(pv_buf_view(&list)));
    pv_buf_done(&list);
    return status;
}

/* Bounds on a number, size or duration; written in the unit of the type. */
static int number_bounds(const struct pv_field *field, double value, struct pv_err *err)
{
    bool low = field->has_bounds && value < (double)field->min;
    bool high = field->has_bounds && field->max >= field->min && value > (double)field->max;
    if (!low && !high) {
        return PV_OK;
    }
    char min[32];
    char max[32];
    if (field->type == PV_T_SIZE) {
        pv_size_show((uint64_t)field->min, min);
        pv_size_show((uint64_t)field->max, max);
    } else if (field->type == PV_T_DURATION) {
        pv_duration_show(field->min, min);
        pv_duration_show(field->max, max);
    } else {
        snprintf(min, sizeof(min), "%lld", (long long)field->min);
        snprintf(max, sizeof(max), "%lld", (long long)field->max);
    }
    if (field->max < field->min) {
        return pv_err_set(err, PV_EINVAL, "expected at least %s", min);
    }
    return pv_err_set(err, PV_EINVAL, "expected %s to %s", min, max);
}

static size_t code_points(struct pv_str text)
{
    size_t count = 0;
    for (size_t i = 0; i < text.len; i++) {
        count += ((unsigned char)text.ptr[i] & 0xC0) != 0x80;
    }
    return count;
}

static int length_bounds(const struct pv_field *field, struct pv_str text, struct pv_err *err)
{
    if (!field->has_bounds) {
        return PV_OK;
    }
    int64_t len = (int64_t)code_points(text);
    bool open = field->max < field->min;
    if (len >= field->min && (open || len <= field->max)) {
        return PV_OK;
    }
    if (open) {
        return pv_err_set(err, PV_EINVAL, "expected at least %lld characters",
                          (long long)field->min);
    }
    if (field->min <= 0) {
        return pv_err_set(err, PV_EINVAL, "expected at most %lld characters",
                          (long long)field->max);
    }
    return pv_err_set(err, PV_EINVAL, "expected %lld to %lld characters", (long long)field->min,
                      (long long)field->max);
}

static bool has_control(struct pv_str text, bool lines)
{
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.ptr[i];
        bool line = c == '\n' || c == '\r' || c == '\t';
        if (c == 0x7F || (c < 0x20 && !(lines && line))) {
            return true;
        }
    }
    return false;
}

static bool is_label_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_';
}

static bool is_hostname(struct pv_str text)
{
    if (text.len > 0 && text.ptr[text.len - 1] == '.') {
        text.len--;
    }
    if (text.len == 0 || text.len > 253) {
        return false;
    }
    size_t label = 0;
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] == '.') {
            if (label == 0 || text.ptr[i - 1] == '-') {
                return false;
            }
            label = 0;
        } else if (!is_label_char(text.ptr[i]) || (label == 0 && text.ptr[i] == '-') ||
                   ++label > 63) {
            return false;
        }
    }
    return label > 0 && text.ptr[text.len - 1] != '-';
}

static bool is_ip(struct pv_str text)
{
    char copy[INET6_ADDRSTRLEN];
    unsigned char address[16];
    return pv_str_to_c(text, copy, sizeof(copy)) == PV_OK &&
           (inet_pton(AF_INET, copy, address) == 1 || inet_pton(AF_INET6, copy, address) == 1);
}

static bool is_email(struct pv_str text)
{
    const char *at = text.len > 0 ? memrchr(text.ptr, '@', text.len) : NULL;
    if (!at || text.len > 254 || memchr(text.ptr, ' ', text.len)) {
        return false;
    }
    size_t local = (size_t)(at - text.ptr);
    struct pv_str domain = {at + 1, text.len - local - 1};
    return local > 0 && local <= 64 && !memchr(text.ptr, '@', local) &&
           !memchr(text.ptr, '<', local) && !memchr(text.ptr, '>', local) && is_hostname(domain);
}

static bool is_port(struct pv_str text)
{
    int64_t port = 0;
    return pv_str_to_i64(text, &port) == PV_OK && port >= 1 && port <= 65535;
}

/* host, host:port, [v6], [v6]:port, each perhaps behind user@ */
static bool is_authority(struct pv_str text)
{
    const char *at = text.len > 0 ? memrchr(text.ptr, '@', text.len) : NULL;
    if (at) {
        size_t skip = (size_t)(at - text.ptr) + 1;
        text = (struct pv_str){text.ptr + skip, text.len - skip};
    }
    if (text.len > 0 && text.ptr[0] == '[') {
        const char *end = memchr(text.ptr, ']', text.len);
        if (!end) {
            return false;
        }
        struct pv_str address = {text.ptr + 1, (size_t)(end - text.ptr) - 1};
        struct pv_str rest = {end + 1, text.len - address.len - 2};
        return is_ip(address) &&
               (rest.len == 0 ||
                (rest.ptr[0] == ':' && is_port((struct pv_str){rest.ptr + 1, rest.len - 1})));
    }
    const char *colon = text.len > 0 ? memchr(text.ptr, ':', text.len) : NULL;
    struct pv_str host = {text.ptr, colon ? (size_t)(colon - text.ptr) : text.len};
    return is_hostname(host) &&
           (!colon || is_port((struct pv_str){colon + 1, text.len - host.len - 1}));
}

static bool is_url(struct pv_str text)
{
    if (memchr(text.ptr, ' ', text.len)) {
        return false;
    }
    if (pv_str_starts(text, "unix:/")) {
        return text.len > 6;
    }
    size_t skip = pv_str_starts(text, "http://") ? 7 : pv_str_starts(text, "https://") ? 8 : 0;
    if (skip == 0) {
        return false;
    }
    struct pv_str rest = {text.ptr + skip, text.len - skip};
    size_t end = 0;
    while (end < rest.len && !strchr("/?#", rest.ptr[end])) {
        end++;
    }
    return is_authority((struct pv_str){rest.ptr, end});
}

static int check_text(const struct pv_field *field, struct pv_str text, struct pv_scalar *ret,
                      struct pv_err *err)
{
    if (!pv_utf8_valid(text, NULL)) {
        return pv_err_set(err, PV_EINVAL, "expected UTF-8 text");
    }
    if (has_control(text, field->type == PV_T_TEXT)) {
        return field->type == PV_T_TEXT
                   ? pv_err_set(err, PV_EINVAL, "expected text without control characters")
                   : pv_err_set(err, PV_EINVAL,
                                "expected one line of text without control characters");
    }
    bool good = true;
    switch (field->type) {
    case PV_T_URL:
        good = text.len > 0 && is_url(text);
        break;
    case PV_T_EMAIL:
        good = is_email(text);
        break;
    case PV_T_HOSTNAME:
        good = is_hostname(text);
        break;
    case PV_T_IP:
        good = is_ip(text);
        break;
    case PV_T_SELECT:
        good = false;
        for (size_t i = 0; i < field->option_count && !good; i++) {
            good = pv_str_eq(field->options[i], text);
            ret->integer = (int64_t)i;
        }
        break;
    default:
        break;
    }
    if (!good) {
        return expected(field, err);
    }
    /* min and max of a LIST or MAP count its elements */
    if (field->type != PV_T_LIST && field->type != PV_T_MAP) {
        int status = length_bounds(field, text, err);
        if (status != PV_OK) {
            return status;
        }
    }
    if (field->has_regex) {
        regmatch_t range = {.rm_so = 0, .rm_eo = (regoff_t)text.len};
        if (regexec(&field->regex, text.ptr ? text.ptr : "", 1, &range, REG_STARTEND) != 0) {
            return pv_err_set(err, PV_EINVAL, "expected text that matches %.*s",
                              PV_STR_ARG(field->pattern));
        }
    }
    ret->kind = PV_SCALAR_TEXT;
    ret->text = text;
    return PV_OK;
}

static int check_integer(const struct pv_field *field, int64_t number, struct pv_scalar *ret,
                         struct pv_err *err)
{
    int status = number_bounds(field, (double)number, err);
    if (status == PV_OK) {
        ret->kind = PV_SCALAR_INT;
        ret->integer = number;
    }
    return status;
}

static int check_int(const struct pv_field *field, const struct pv_value *value,
                     struct pv_scalar *ret, struct pv_err *err)
{
    int64_t number = value->integer;
    if (value->kind == PV_VALUE_TEXT ? pv_str_to_i64(value->text, &number) != PV_OK
                                     : value->kind != PV_VALUE_INT) {
        return expected(field, err);
    }
    return check_integer(field, number, ret, err);
}

static int check_size(const struct pv_field *field, const struct pv_value *value,
                      struct pv_scalar *ret, struct pv_err *err)
{
    uint64_t bytes = (uint64_t)value->integer;
    bool good = value->kind == PV_VALUE_TEXT ? pv_str_to_size(value->text, &bytes) == PV_OK
                                             : value->kind == PV_VALUE_INT && value->integer >= 0;
    if (!good || bytes > INT64_MAX) {
        return expected(field, err);
    }
    return check_integer(field, (int64_t)bytes, ret, err);
}

static int check_duration(const struct pv_field *field, const struct pv_value *value,
                          struct pv_scalar *ret, struct pv_err *err)
{
    int64_t ms = value->integer;
    bool good = value->kind == PV_VALUE_TEXT
                    ? pv_str_to_duration(value->text, &ms) == PV_OK || pv_str_eq_c(value->text, "0")
                    : value->kind == PV_VALUE_INT && value->integer >= 0;
    return good ? check_integer(field, ms, ret, err) : expected(field, err);
}

/* Decimal notation only: no hexadecimal, no infinity. */
static bool parse_real(struct pv_str text, double *ret)
{
    char copy[64];
    if (text.len == 0 || strspn(text.ptr, "0123456789+-.eE") < text.len ||
        pv_str_to_c(text, copy, sizeof(copy)) != PV_OK) {
        return false;
    }
    char *end = NULL;
    *ret = strtod(copy, &end);
    return end != copy && *end == '\0' && isfinite(*ret);
}

static int check_number(const struct pv_field *field, const struct pv_value *value,
                        struct pv_scalar *ret, struct pv_err *err)
{
    double number = value->kind == PV_VALUE_INT ? (double)value->integer : value->real;
    bool good = value->kind == PV_VALUE_TEXT
                    ? parse_real(value->text, &number)
                    : value->kind == PV_VALUE_INT || value->kind == PV_VALUE_REAL;
    if (!good) {
        return expected(field, err);
    }
    int status = number_bounds(field, number, err);
    if (status == PV_OK) {
        ret->kind = PV_SCALAR_REAL;
        ret->real = number;
    }
    return status;
}

static int check_bool(const struct pv_field *field, const struct pv_value *value,
                      struct pv_scalar *ret, struct pv_err *err)
{
    bool yes = value->kind == PV_VALUE_BOOL && value->boolean;
    bool no = value->kind == PV_VALUE_BOOL && !value->boolean;
    if (value->kind == PV_VALUE_TEXT) {
        struct pv_str text = value->text;
        yes = pv_str_eq_c(text, "true") || pv_str_eq_c(text, "yes") || pv_str_eq_c(text, "on");
        no = pv_str_eq_c(text, "false") || pv_str_eq_c(text, "no") || pv_str_eq_c(text, "off");
    }
    if (!yes && !no) {
        return expected(field, err);
    }
    ret->kind = PV_SCALAR_BOOL;
    ret->boolean = yes;
    return PV_OK;
}

int pv_scalar_check(const struct pv_field *field, const struct pv_value *value,
                    struct pv_scalar *ret_scalar, struct pv_err *err)
{
    memset(ret_scalar, 0, sizeof(*ret_scalar));
    switch (field->type) {
    case PV_T_INT:
        return check_int(field, value, ret_scalar, err);
    case PV_T_NUMBER:
        return check_number(field, value, ret_scalar, err);
    case PV_T_BOOL:
        return check_bool(field, value, ret_scalar, err);
    case PV_T_SIZE:
        return check_size(field, value, ret_scalar, err);
    case PV_T_DURATION:
        return check_duration(field, value, ret_scalar, err);
    default:
        break;
    }
    if (value->kind != PV_VALUE_TEXT) {
        return expected(field, err);
    }
    return check_text(field, value->text, ret_scalar, err);
}
